import { type FileMetaData, parquetMetadata, parquetSchema, type RowGroup, type SchemaTree } from 'hyparquet';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { FileBytes } from './file-bytes.js';
import { damagedParquet, ParquetGroup } from './parquet-group.js';
import { columnOf } from './parquet-schema.js';
import type { TableFile, TablePiece, TableRead } from './table.js';
import type { TableColumn } from './table-columns.js';

export const PARQUET_MAGIC = Buffer.from('PAR1');

/** What follows the metadata: their length and the magic number. */
const TAIL_BYTES = 8;
const ROWS_LOOKED_THROUGH = 65_536;
/** Integers up to this are numbers, exactly. */
const LARGE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * A Parquet file, read page by page: memory is that of a page per column and a piece of rows, however large its
 * row groups are. The decoders are hyparquet's.
 */
export class ParquetFile implements TableFile {
  readonly path: string;
  readonly columns: readonly TableColumn[];
  readonly count: number;
  readonly #totalBytes: number;
  readonly #metadata: FileMetaData;
  readonly #schema: SchemaTree;
  readonly #memoryBytes: number;
  #readBytes = 0;

  private constructor(file: FileBytes, metadata: FileMetaData, memoryBytes: number) {
    this.path = file.path;
    this.#totalBytes = file.totalBytes;
    this.#metadata = metadata;
    this.#schema = parquetSchema(metadata);
    this.#memoryBytes = memoryBytes;
    this.columns = this.#schema.children.map(columnOf);
    this.count = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  }

  /**
   * Reads the metadata.
   * @param memoryBytes that decoding one page may take
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_TRUNCATED if the end is missing,
   *   VBO_ERR_FILE_FORMAT if the metadata are damaged
   */
  static async open(path: string, memoryBytes: number): Promise<ParquetFile> {
    const file = await FileBytes.open(path);
    try {
      const tail = await file.read(
        Math.max(0, file.totalBytes - TAIL_BYTES),
        Math.min(TAIL_BYTES, file.totalBytes),
      );
      const bytes = tail.length < TAIL_BYTES ? -1 : tail.readUInt32LE(0);
      if (bytes < 0 || !tail.subarray(4).equals(PARQUET_MAGIC)) {
        throw new VectorBatchError(
          'VBO_ERR_FILE_TRUNCATED',
          `${describe(path)} starts as a Parquet file but does not end as one (after ${file.totalBytes} bytes): what describes its contents is at the end, and missing.`,
          { details: { path, totalBytes: file.totalBytes } },
        );
      }
      if (bytes > file.totalBytes - TAIL_BYTES) {
        throw damagedParquet(path, `its metadata claim ${bytes} of ${file.totalBytes} bytes`);
      }
      const footer = await file.read(file.totalBytes - TAIL_BYTES - bytes, bytes + TAIL_BYTES);
      try {
        return new ParquetFile(file, parquetMetadata(footer, { geoparquet: false }), memoryBytes);
      } catch (cause) {
        throw damagedParquet(path, `its metadata cannot be read: ${(cause as Error).message}`, cause);
      }
    } finally {
      await file.close();
    }
  }

  dimensionOf(column: number): number | undefined {
    const { element } = this.#schema.children[column]!;
    return element.type === 'FIXED_LEN_BYTE_ARRAY' ? (element.type_length ?? 0) / 4 : undefined;
  }

  isText(column: number): boolean {
    const type = this.#schema.children[column]!.element.type;
    return type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY';
  }

  async hasLargeIntegers(column: number): Promise<boolean> {
    const { path, element } = this.#schema.children[column]!;
    if (element.type !== 'INT64') return false;
    const isLarge = (value: unknown) => typeof value === 'bigint' && (value > LARGE || value < -LARGE);
    const name = path.join('.');
    const groups = this.#metadata.row_groups;
    const bounds = groups.flatMap(({ columns }) => {
      const chunk = columns.find(({ meta_data }) => meta_data?.path_in_schema.join('.') === name);
      const { min, max, min_value = min, max_value = max } = chunk?.meta_data?.statistics ?? {};
      return [min_value, max_value];
    });
    if (bounds.every((bound) => typeof bound === 'bigint')) return bounds.some(isLarge);
    // Without statistics the column itself has to be looked through.
    const file = await FileBytes.open(this.path);
    try {
      for (const [number, group] of groups.entries()) {
        const take = this.#groupOf(file, group, number).values(this.#schema.children[column]!);
        for (let rest = Number(group.num_rows); rest > 0; rest -= ROWS_LOOKED_THROUGH) {
          const values = await take(Math.min(rest, ROWS_LOOKED_THROUGH));
          if (Array.prototype.some.call(values, isLarge)) return true;
        }
      }
      return false;
    } finally {
      await file.close();
    }
  }

  progress(): { readBytes: number; totalBytes: number } {
    return { readBytes: this.#readBytes, totalBytes: this.#totalBytes };
  }

  async *pieces(read: TableRead): AsyncGenerator<TablePiece, void, undefined> {
    const file = await FileBytes.open(this.path);
    try {
      let first = 0;
      this.#readBytes = 0;
      for (const [number, group] of this.#metadata.row_groups.entries()) {
        const rows = Number(group.num_rows);
        if (first + rows > read.from) yield* this.#groupPieces(file, number, first, read);
        first += rows;
        this.#readBytes += Number(group.total_compressed_size ?? group.total_byte_size);
      }
    } finally {
      await file.close();
    }
  }

  async *#groupPieces(
    file: FileBytes,
    number: number,
    first: number,
    { vector, others, from, rowsPerPiece }: TableRead,
  ): AsyncGenerator<TablePiece, void, undefined> {
    const group = this.#metadata.row_groups[number]!;
    const rows = Number(group.num_rows);
    const columns = this.#groupOf(file, group, number);
    const takeVectors = columns.vectors(this.#schema.children[vector]!);
    const takeOthers = others.map((column) => columns.values(this.#schema.children[column]!));
    for (let done = 0; done < rows; ) {
      // Rows before the first are decoded and dropped: pages cannot be stepped over without an index.
      const skipped = Math.max(0, from - first - done);
      const count = Math.min(rows - done, skipped > 0 ? Math.min(skipped, rowsPerPiece) : rowsPerPiece);
      const vectors = await takeVectors(count);
      const values: ArrayLike<unknown>[] = [];
      for (const take of takeOthers) values.push(await take(count));
      if (skipped === 0) yield { first: first + done, rows: count, vectors, others: values };
      done += count;
    }
  }

  #groupOf(file: FileBytes, group: RowGroup, number: number): ParquetGroup {
    return new ParquetGroup(file, this.#schema, { group, number }, this.#memoryBytes);
  }
}
