import type * as Arrow from 'apache-arrow';
import { VectorBatchError } from '../core/errors.js';
import { importOptional } from '../core/optional.js';
import { ArrowBody } from './arrow-body.js';
import { type ArrowIndex, type BatchPlace, damagedArrow, layoutAt, readArrowIndex } from './arrow-index.js';
import { checkSchema } from './arrow-messages.js';
import { type ArrowModule, ArrowSlices, ROW_ALIGNMENT } from './arrow-slices.js';
import { valuesOf, vectorsOf } from './arrow-values.js';
import { FileBytes } from './file-bytes.js';
import type { Scratch } from './scratch.js';
import type { TableFile, TablePiece, TableRead } from './table.js';
import type { TableColumn } from './table-columns.js';

const INSTALL = 'npm install apache-arrow@18.1.0';

/** Rows of the columns that are read, as Arrow data; valid until the next are read. */
interface Slice {
  /** Number of the first row in the file. */
  readonly first: number;
  /** In the order asked for. */
  readonly data: Arrow.Data[];
}

/**
 * An Arrow IPC file (also called Feather version 2) or stream. Of a record batch only the rows and columns that are
 * asked for are read, so memory does not grow with the batches; compressed columns (LZ4, ZSTD) are decompressed
 * as a whole, one batch at a time.
 */
export class ArrowFile implements TableFile {
  readonly path: string;
  readonly columns: readonly TableColumn[];
  readonly count: number;
  readonly #arrow: ArrowModule;
  readonly #totalBytes: number;
  readonly #index: ArrowIndex;
  readonly #types: readonly Arrow.DataType[];
  readonly #memoryBytes: number;
  #readBytes = 0;

  private constructor(
    arrow: ArrowModule,
    file: FileBytes,
    index: ArrowIndex,
    schema: Arrow.Schema,
    memoryBytes: number,
  ) {
    this.path = file.path;
    this.count = index.rows;
    this.columns = schema.fields.map((field) => columnOf(arrow, field));
    this.#arrow = arrow;
    this.#totalBytes = file.totalBytes;
    this.#index = index;
    this.#types = schema.fields.map((field) => field.type);
    this.#memoryBytes = memoryBytes;
  }

  /**
   * Reads the headers of all messages.
   * @param memoryBytes that decompressing a batch may take
   * @throws VBO_ERR_MISSING_PACKAGE, VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_TRUNCATED,
   *   VBO_ERR_FILE_FORMAT if there is no schema that can be read
   */
  static async open(path: string, memoryBytes: number): Promise<ArrowFile> {
    const arrow = await importOptional('apache-arrow', () => import('apache-arrow'), INSTALL);
    const file = await FileBytes.open(path);
    try {
      const index = await readArrowIndex(file);
      try {
        const { bytes, isFooter } = index.schema;
        checkSchema(bytes, isFooter);
        const { Footer } = await import('apache-arrow/ipc/metadata/file');
        const schema = isFooter
          ? Footer.decode(bytes).schema
          : (arrow.Message.decode(bytes).header() as Arrow.Schema);
        return new ArrowFile(arrow, file, index, schema, memoryBytes);
      } catch (cause) {
        throw damagedArrow(
          path,
          new Error(`its schema cannot be read: ${(cause as Error).message}`, { cause }),
        );
      }
    } finally {
      await file.close();
    }
  }

  dimensionOf(column: number): number | undefined {
    const type = this.#types[column]!;
    if (this.#arrow.DataType.isFixedSizeList(type)) return type.listSize;
    return this.#arrow.DataType.isFixedSizeBinary(type) ? type.byteWidth / 4 : undefined;
  }

  isText(column: number): boolean {
    return isText(this.#arrow, this.#types[column]!);
  }

  async hasLargeIntegers(column: number): Promise<boolean> {
    const type = this.#types[column]!;
    if (!this.#arrow.DataType.isInt(type) || type.bitWidth < 64) return false;
    const largest = BigInt(Number.MAX_SAFE_INTEGER);
    const read = { vector: column, others: [], from: 0, rowsPerPiece: 65_536 };
    for await (const { data } of this.#opened(read)) {
      for (const value of data[0]!.values as BigInt64Array) {
        if (value > largest || value < -largest) return true;
      }
    }
    return false;
  }

  progress(): { readBytes: number; totalBytes: number } {
    return { readBytes: this.#readBytes, totalBytes: this.#totalBytes };
  }

  async *pieces(read: TableRead): AsyncGenerator<TablePiece, void, undefined> {
    for await (const { first, data } of this.#opened(read)) {
      const [vectors, ...others] = data;
      // Rows before the first are in the piece because rows are read from a multiple of eight on.
      const skipped = Math.max(0, read.from - first);
      yield {
        first: first + skipped,
        rows: vectors!.length - skipped,
        vectors: vectorsOf(this.#arrow, vectors!).slice(skipped),
        others: others.map((column) => valuesOf(this.#arrow, column).slice(skipped)),
      };
    }
    if (this.#index.failure) throw this.#index.failure;
  }

  async *#opened(read: TableRead): AsyncGenerator<Slice, void, undefined> {
    const file = await FileBytes.open(this.path);
    try {
      yield* this.#slices(file, read);
    } finally {
      await file.close();
    }
  }

  async *#slices(
    file: FileBytes,
    { vector, others, from, rowsPerPiece }: TableRead,
  ): AsyncGenerator<Slice, void, undefined> {
    const columns = [vector, ...others];
    const needed = this.#dictionaryTypes(columns);
    const dictionaries = new Map<number, Arrow.Vector>();
    const slices = new ArrowSlices(this.#arrow, dictionaries);
    const scratch = new Map<number, Scratch>();
    const step = Math.max(ROW_ALIGNMENT, rowsPerPiece - (rowsPerPiece % ROW_ALIGNMENT));
    for (const [number, place] of this.#index.batches.entries()) {
      const isBefore = !place.dictionary && place.first + place.rows <= from;
      if (isBefore || (place.dictionary && !needed.has(place.dictionary.id))) continue;
      try {
        const body = new ArrowBody(
          file,
          { ...place, layout: await layoutAt(file, place) },
          this.#memoryBytes,
          // Dictionaries outlive the rows.
          place.dictionary ? undefined : scratch,
        );
        if (place.dictionary) {
          await this.#addDictionary(slices, body, place, needed.get(place.dictionary.id)!, dictionaries);
          continue;
        }
        const start = Math.max(0, from - place.first);
        for (let row = start - (start % ROW_ALIGNMENT); row < place.rows; row += step) {
          const to = Math.min(place.rows, row + step);
          const data: Arrow.Data[] = [];
          for (const column of columns) data.push(await slices.column(body, this.#types, column, row, to));
          yield { first: place.first + row, data };
        }
      } catch (cause) {
        if (cause instanceof VectorBatchError) throw cause;
        throw damagedArrow(
          this.path,
          new Error(`message ${number + 1} at byte ${place.headerOffset}: ${(cause as Error).message}`, {
            cause,
          }),
        );
      }
      this.#readBytes = place.bodyOffset + place.bodyLength;
    }
  }

  async #addDictionary(
    slices: ArrowSlices,
    body: ArrowBody,
    { rows, dictionary }: BatchPlace,
    type: Arrow.DataType,
    dictionaries: Map<number, Arrow.Vector>,
  ): Promise<void> {
    const { id, isDelta } = dictionary!;
    const vector = new this.#arrow.Vector([await slices.column(body, [type], 0, 0, rows)]);
    const known = dictionaries.get(id);
    dictionaries.set(id, isDelta && known ? known.concat(vector) : vector);
  }

  /** The types of the dictionaries that the columns use, by id; those within dictionaries included. */
  #dictionaryTypes(columns: readonly number[]): Map<number, Arrow.DataType> {
    const found = new Map<number, Arrow.DataType>();
    const look = (type: Arrow.DataType) => {
      if (this.#arrow.DataType.isDictionary(type)) {
        found.set(type.id, type.dictionary);
        look(type.dictionary);
      } else {
        for (const child of type.children ?? []) look(child.type);
      }
    };
    for (const column of columns) look(this.#types[column]!);
    return found;
  }
}

function isText(arrow: ArrowModule, type: Arrow.DataType): boolean {
  const { DataType } = arrow;
  return (
    DataType.isUtf8(type) ||
    DataType.isLargeUtf8(type) ||
    (DataType.isDictionary(type) && isText(arrow, type.dictionary))
  );
}

function columnOf(arrow: ArrowModule, { name, type }: Arrow.Field): TableColumn {
  const { DataType } = arrow;
  const isList = DataType.isFixedSizeList(type) || DataType.isList(type);
  const isBytes = DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type);
  return {
    name,
    type: String(type),
    vectors: isList && DataType.isFloat(type.valueType) ? 'always' : isBytes ? 'ifNamed' : 'never',
    canBeId: DataType.isInt(type) || isText(arrow, type),
  };
}
