import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

const DEFAULT_TABLE = 'vectors';

/**
 * The `table` of a sink URL, default `vectors`.
 * @throws VBO_ERR_URL if it is more than letters, digits, underscores, hyphens and periods
 */
export function tableOf(url: URL): string {
  const table = url.searchParams.get('table') ?? DEFAULT_TABLE;
  if (/^[\w.-]+$/.test(table)) return table;
  throw new VectorBatchError(
    'VBO_ERR_URL',
    `table is ${describe(table)}; expected letters, digits, underscores, hyphens and periods.`,
  );
}

/** A name as SQL takes it, whatever its letters. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The error for a table that holds vectors of another dimension than the source's. */
export function dimensionError(name: string, stored: number, dimension: number): VectorBatchError {
  return new VectorBatchError(
    'VBO_ERR_DIMENSION',
    `${name} holds vectors of dimension ${stored}; the source has dimension ${dimension}.`,
    { details: { stored, dimension } },
  );
}

/** A column as the database describes it. */
export interface ColumnInfo {
  readonly name: string;
  /** As declared, such as `bigint`, `TEXT` or `vector(3)`; upper or lower case as the database keeps it. */
  readonly type: string;
  /** A row must bring a value for it. */
  readonly required: boolean;
  /** No two rows have the same value in it, and the database sees to that. */
  readonly unique: boolean;
}

/** What a table must look like for the rows of a load. */
export interface WantedColumns {
  /** What the id column's type must match. */
  readonly id: RegExp;
  /** What the vector column's type must match; its first group is the dimension. */
  readonly vector: RegExp;
  /** What the payload column's type must match, where there are payloads to be stored. */
  readonly payload: RegExp;
  readonly dimension: number;
  readonly hasPayloads: boolean;
  readonly idType: 'string' | 'number';
  /** The columns as `CREATE TABLE` would have them, for messages. */
  readonly expected: string;
}

/**
 * Whether the rows of a load can be upserted into a table of these columns.
 * @throws VBO_ERR_DIMENSION if it holds vectors of another dimension; VBO_ERR_SINK if its columns do not fit
 */
export function fitColumns(name: string, columns: readonly ColumnInfo[], wanted: WantedColumns): void {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const refuse = (problem: string) =>
    new VectorBatchError('VBO_ERR_SINK', `${name} ${problem}; expected ${wanted.expected}.`, {
      details: { columns },
    });
  const has = (column: string) =>
    byName.has(column) ? `has a ${column} column of ${byName.get(column)!.type}` : `has no ${column} column`;

  const vector = wanted.vector.exec(byName.get('vector')?.type ?? '');
  if (!vector) throw refuse(has('vector'));
  const stored = Number(vector[1]);
  if (stored !== wanted.dimension) throw dimensionError(name, stored, wanted.dimension);

  const id = byName.get('id');
  if (!id || !wanted.id.test(id.type)) {
    throw refuse(`${has('id')}, but the ids of the source are ${wanted.idType}s`);
  }
  if (!id.unique) throw refuse('has no unique index on its id column alone');
  if (wanted.hasPayloads && !wanted.payload.test(byName.get('payload')?.type ?? '')) {
    throw refuse(has('payload'));
  }
  const known = new Set(['id', 'vector', ...(wanted.hasPayloads ? ['payload'] : [])]);
  const required = columns.find((column) => column.required && !known.has(column.name));
  if (required) throw refuse(`has the column ${required.name}, which cannot be left empty`);
}
