import { describe } from '../core/check.js';
import type { Id, Payload } from '../ingest/ports.js';

/** Which fields of an object hold what. Default: the first of the usual names that is there. */
export interface RecordColumns {
  /** Default `id` or `_id`. */
  idColumn?: string;
  /** Default `vector`, `embedding` or `values`. */
  vectorColumn?: string;
}

const ID_COLUMNS = ['id', '_id'];
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
  const payload = payloadOf(record, vectorColumn, idColumn);
  return id === undefined || id === null ? { vector, payload } : { id: id as Id, vector, payload };
}

function payloadOf(
  record: Record<string, unknown>,
  vectorColumn: string,
  idColumn: string | undefined,
): Payload | null {
  const names = Object.keys(record).filter((name) => name !== vectorColumn && name !== idColumn);
  if (names.length === 0) return null;
  const only = record[names[0]!];
  if (names.length === 1 && PAYLOAD_COLUMNS.includes(names[0]!)) {
    if (only === null || (typeof only === 'object' && !Array.isArray(only))) return only as Payload | null;
  }
  // fromEntries defines properties, so that a field named __proto__ stays a field.
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}
