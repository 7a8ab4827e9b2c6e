import { describe } from '../core/check.js';
import type { Id, Payload } from '../ingest/ports.js';

/** Which fields of an object hold what. Default: the first of the usual names that is there. */
export interface RecordColumns {
  /** Default `id` or `_id`. */
  idColumn?: string;
  /**
   * Default `vector`, `embedding` or `values`; in Parquet and Arrow files the only column that can hold vectors.
   * There a column of bytes can be named as well: it is read as float32, little-endian.
   */
  vectorColumn?: string;
  /** What the payload is made of. Default: everything beside id and vector. None: no payloads. */
  payloadColumns?: readonly string[];
}

/** The columns as text, for fingerprints: other columns make other records. */
export const columnsText = ({ idColumn, vectorColumn, payloadColumns }: RecordColumns): string =>
  JSON.stringify([idColumn ?? null, vectorColumn ?? null, ...(payloadColumns ? [payloadColumns] : [])]);

export const ID_COLUMNS = ['id', '_id'];
const VECTOR_COLUMNS = ['vector', 'embedding', 'values'];
/** If one of these is all there is beside id and vector, it is the payload itself. */
const PAYLOAD_COLUMNS = ['payload', 'metadata'];

/** A record as its author wrote it; the vector's values are not checked yet. */
export interface ParsedRecord {
  id?: Id;
  vector: ArrayLike<unknown>;
  /** Everything beside id and vector; null where there is nothing. */
  payload: Payload | null;
}

/** Anything array-like that can be a vector: an array or a typed array. */
export const isVectorLike = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/**
 * Takes a record apart. A bare array is a vector without id and payload.
 * Returns the problem as text (`is null; expected ...`) where the value is not a record.
 */
export function parseRecord(value: unknown, columns: RecordColumns): ParsedRecord | string {
  if (isVectorLike(value)) return { vector: value, payload: null };
  if (value === null || typeof value !== 'object') {
    return `is ${describe(value)}; expected an object with a vector, or an array`;
  }
  const record = value as Record<string, unknown>;
  const vectorColumns = columns.vectorColumn === undefined ? VECTOR_COLUMNS : [columns.vectorColumn];
  const vectorColumn = vectorColumns.find((name) => Object.hasOwn(record, name));
  if (vectorColumn === undefined) return `has no vector (looked for ${vectorColumns.join(', ')})`;
  const vector = record[vectorColumn];
  if (!isVectorLike(vector)) return `has a ${vectorColumn} that is ${describe(vector)}; expected an array`;

  const idColumns = columns.idColumn === undefined ? ID_COLUMNS : [columns.idColumn];
  const idColumn = idColumns.find((name) => Object.hasOwn(record, name));
  const id = idColumn === undefined ? undefined : record[idColumn];
  if (id !== undefined && id !== null && typeof id !== 'string' && !Number.isFinite(id)) {
    return `has an ${idColumn} that is ${describe(id)}; expected a string or a number`;
  }
  if (Number.isInteger(id) && !Number.isSafeInteger(id)) {
    return `has an ${idColumn} of about ${id}, which is beyond 2^53: its last digits are lost; write it as a string`;
  }
  const payload = payloadOf(record, columns, vectorColumn, idColumn);
  return id === undefined || id === null ? { vector, payload } : { id: id as Id, vector, payload };
}

function payloadOf(
  record: Record<string, unknown>,
  { payloadColumns }: RecordColumns,
  vectorColumn: string,
  idColumn: string | undefined,
): Payload | null {
  const names = payloadColumns
    ? payloadColumns.filter((name) => Object.hasOwn(record, name))
    : Object.keys(record).filter((name) => name !== vectorColumn && name !== idColumn);
  if (names.length === 0) return null;
  return payloadFrom(
    names,
    names.map((name) => record[name]),
  );
}

/** The payload of some fields: an object of them, or the only one where that is a payload by its name. */
export function payloadFrom(names: readonly string[], values: readonly unknown[]): Payload | null {
  const only = values[0];
  if (names.length === 1 && PAYLOAD_COLUMNS.includes(names[0]!)) {
    if (only === null || (typeof only === 'object' && !Array.isArray(only))) return only as Payload | null;
  }
  // fromEntries defines properties, so that a field named __proto__ stays a field.
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
