import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import type { Id, Payload, Source, SourceChunk } from '../ingest/ports.js';
import { fingerprintFile } from './fingerprint.js';
import { plainValue } from './plain-value.js';
import { columnsText, payloadFrom, type RecordColumns } from './record.js';
import { type RecordShape, RowCollector } from './row-collector.js';
import { type ChosenColumns, chooseColumns, type TableColumn } from './table-columns.js';

/** A vector of a table: its values, or what is wrong with it (`is null`). */
export type VectorCell = ArrayLike<number> | string;

/** Some rows of a table, by column; valid until the next are read. */
export interface TablePiece {
  /** Number of its first row in the file. */
  readonly first: number;
  readonly rows: number;
  readonly vectors: ArrayLike<VectorCell>;
  /** Values of the other columns that were asked for, as their format gives them. */
  readonly others: readonly ArrayLike<unknown>[];
}

/** What is to be read of a table. */
export interface TableRead {
  /** The column of vectors. */
  readonly vector: number;
  readonly others: readonly number[];
  /** First row. */
  readonly from: number;
  /** Most rows of a piece. */
  readonly rowsPerPiece: number;
}

/** A file of columns that is read some rows at a time: what Parquet and Arrow have in common. */
export interface TableFile {
  readonly path: string;
  readonly columns: readonly TableColumn[];
  /** Rows in the file. */
  readonly count: number;
  /** Components of a vector, where the column's type fixes it. */
  dimensionOf(column: number): number | undefined;
  /** Whether the column holds integers beyond 2^53, which a number cannot tell apart. */
  hasLargeIntegers(column: number): Promise<boolean>;
  /** Whether the column is one of text. */
  isText(column: number): boolean;
  /** @throws VBO_ERR_FILE_TRUNCATED, VBO_ERR_FILE_FORMAT after the last good row; VBO_ERR_MEMORY */
  pieces(read: TableRead): AsyncIterable<TablePiece>;
  /** Bytes used by the last `pieces`, and all. */
  progress(): { readBytes: number; totalBytes: number };
}

export interface TableOptions extends RecordColumns {
  /** float32 bytes handed out at once. */
  chunkBytes: number;
}

/** How many vectors at the start may be null or empty before the column is taken for something else. */
const MAX_ROWS_TO_FIRST_VECTOR = 1_000_000;
/** Rows of a piece while the dimension is not known. */
const FIRST_ROWS = 256;

/** The records of a Parquet or Arrow file: vectors from one column, ids and payloads from others. */
export class TableSource implements Source {
  readonly name: string;
  readonly dimension: number;
  readonly count: number;
  readonly idType?: 'string' | 'number';
  readonly #file: TableFile;
  readonly #options: TableOptions;
  readonly #chosen: ChosenColumns;

  private constructor(
    file: TableFile,
    chosen: ChosenColumns,
    dimension: number,
    idType: 'string' | 'number' | undefined,
    options: TableOptions,
  ) {
    this.name = file.path;
    this.count = file.count;
    this.dimension = dimension;
    if (idType) this.idType = idType;
    this.#file = file;
    this.#chosen = chosen;
    this.#options = options;
  }

  /** @throws VBO_ERR_COLUMN, VBO_ERR_FILE_FORMAT if there is no vector in the file */
  static async open(file: TableFile, options: TableOptions): Promise<TableSource> {
    const chosen = chooseColumns(file.path, file.columns, options);
    const dimension = file.dimensionOf(chosen.vector) ?? (await firstDimension(file, chosen.vector));
    if (!Number.isInteger(dimension) || dimension < 1 || dimension > MAX_DIMENSION) {
      throw new VectorBatchError(
        'VBO_ERR_FILE_FORMAT',
        `${describe(file.path)} holds vectors of dimension ${dimension}; expected 1 to ${MAX_DIMENSION}.`,
        { details: { path: file.path, dimension } },
      );
    }
    const idType = chosen.id === undefined ? undefined : await idTypeOf(file, chosen.id);
    return new TableSource(file, chosen, dimension, idType, options);
  }

  /** Where the records are found. */
  get columnNames(): { id: string | null; vector: string; payload: string[] } {
    const { id, vector, payload } = this.#chosen;
    const nameOf = (column: number) => this.#file.columns[column]!.name;
    return { id: id === undefined ? null : nameOf(id), vector: nameOf(vector), payload: payload.map(nameOf) };
  }

  progress(): { readBytes: number; totalBytes: number } {
    return this.#file.progress();
  }

  fingerprint(): Promise<string> {
    return fingerprintFile(this.name, columnsText(this.#options));
  }

  [Symbol.asyncIterator](): AsyncGenerator<SourceChunk, void, undefined> {
    return this.from(0);
  }

  /**
   * The records from `position` on; row groups and record batches before it are not read.
   * @throws VBO_ERR_FILE_TRUNCATED, VBO_ERR_FILE_FORMAT after the last good record; VBO_ERR_MEMORY if a part of
   *   the file that can only be decoded as a whole is too large
   */
  async *from(position: number): AsyncGenerator<SourceChunk, void, undefined> {
    const { dimension } = this;
    const { id, vector, payload } = this.#chosen;
    const names = payload.map((column) => this.#file.columns[column]!.name);
    const shape: RecordShape = {
      dimension,
      ...(this.idType && { idType: this.idType }),
      hasPayloads: payload.length > 0,
    };
    const rowsPerPiece = Math.max(1, Math.floor(this.#options.chunkBytes / (4 * dimension)));
    const rows = new RowCollector(shape, {}, rowsPerPiece);
    const others = id === undefined ? payload : [...payload, id];
    for await (const piece of this.#file.pieces({ vector, others, from: position, rowsPerPiece })) {
      const ids = id === undefined ? undefined : piece.others[payload.length]!;
      for (let row = 0; row < piece.rows; row++) {
        const place = `Row ${piece.first + row}`;
        const cell = piece.vectors[row]!;
        const record = {
          ...idOf(ids?.[row], this.idType),
          payload: payloadOf(names, piece, row),
        };
        if (typeof cell === 'string') {
          const vectorName = this.#file.columns[vector]!.name;
          const message = `${place} has a ${vectorName} that ${cell}.`;
          rows.reject(piece.first + row, 'VBO_ERR_RECORD', message, undefined, { ...record, vector: [] });
        } else {
          rows.addRecord({ ...record, vector: cell }, piece.first + row, place);
        }
        if (rows.isFull) yield rows.take();
      }
      if (!rows.isEmpty) yield rows.take();
    }
  }
}

async function firstDimension(file: TableFile, vector: number): Promise<number> {
  let seen = 0;
  for await (const { vectors } of file.pieces({ vector, others: [], from: 0, rowsPerPiece: FIRST_ROWS })) {
    for (const cell of Array.from(vectors)) {
      if (typeof cell !== 'string' && cell.length > 0) return cell.length;
    }
    seen += vectors.length;
    if (seen >= MAX_ROWS_TO_FIRST_VECTOR) break;
  }
  throw new VectorBatchError(
    'VBO_ERR_FILE_FORMAT',
    seen === 0
      ? `${describe(file.path)} holds no rows.`
      : `${describe(file.path)} holds no vector in the first ${seen} rows of ${file.columns[vector]!.name}.`,
    { details: { path: file.path } },
  );
}

/** Integers that a number cannot hold make all ids strings: no digit is lost. */
const idTypeOf = async (file: TableFile, id: number): Promise<'string' | 'number'> =>
  file.isText(id) || (await file.hasLargeIntegers(id)) ? 'string' : 'number';

function idOf(value: unknown, type: 'string' | 'number' | undefined): { id?: Id } {
  if (value === null || value === undefined || type === undefined) return {};
  return { id: type === 'string' ? String(value) : Number(value) };
}

function payloadOf(names: readonly string[], { others }: TablePiece, row: number): Payload | null {
  if (names.length === 0) return null;
  return payloadFrom(
    names,
    names.map((_, i) => plainValue(others[i]![row])),
  );
}
