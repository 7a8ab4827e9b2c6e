import { describe } from '../core/check.js';
import type { ErrorCode } from '../core/errors.js';
import type { Id, Payload, RejectedRecord, SourceChunk } from '../ingest/ports.js';
import { type ParsedRecord, parseRecord, type RecordColumns } from './record.js';

/** What the first readable record of a source decides for all others. */
export interface RecordShape {
  readonly dimension: number;
  /** Absent: the records have no ids. */
  readonly idType?: 'string' | 'number';
  readonly hasPayloads: boolean;
}

/** The longest raw text kept of a record that cannot be read, in characters. */
const MAX_RAW_LENGTH = 65_536;

/**
 * The shape that `value` would give its source, or the problem as text.
 * A bare array says that there are no payloads; an object says that there can be some.
 */
export function shapeOf(value: unknown, columns: RecordColumns): RecordShape | string {
  const record = parseRecord(value, columns);
  if (typeof record === 'string') return record;
  if (record.vector.length === 0) return 'has a vector of dimension 0';
  const problem = copyVector(record.vector, new Float32Array(record.vector.length), 0);
  if (problem) return problem;
  return {
    dimension: record.vector.length,
    ...(record.id !== undefined && { idType: typeof record.id as 'string' | 'number' }),
    hasPayloads: record.vector !== value && columns.payloadColumns?.length !== 0,
  };
}

/**
 * Gathers records into chunks of at most `capacity` rows, in one reused float32 buffer (capacity x dimension).
 * What does not fit the shape is rejected with its place, never dropped.
 */
export class RowCollector {
  readonly #shape: RecordShape;
  readonly #columns: RecordColumns;
  readonly #capacity: number;
  readonly #vectors: Float32Array;
  #positions: number[] = [];
  #ids: Id[] = [];
  #payloads: (Payload | null)[] = [];
  #rejected: RejectedRecord[] = [];

  constructor(shape: RecordShape, columns: RecordColumns, capacity: number) {
    this.#shape = shape;
    this.#columns = columns;
    this.#capacity = capacity;
    this.#vectors = new Float32Array(capacity * shape.dimension);
  }

  get isFull(): boolean {
    return this.#positions.length === this.#capacity || this.#rejected.length >= this.#capacity;
  }

  get isEmpty(): boolean {
    return this.#positions.length === 0 && this.#rejected.length === 0;
  }

  /**
   * @param place how messages name the record, such as `Row 7 (line 8)`
   * @param line the record's text, where it has one
   */
  add(value: unknown, position: number, place: string, line?: Buffer): void {
    const record = parseRecord(value, this.#columns);
    if (typeof record === 'string') {
      this.reject(position, 'VBO_ERR_RECORD', `${place} ${record}.`, line?.toString());
    } else {
      this.addRecord(record, position, place, line);
    }
  }

  /** As `add`, of a record that was taken apart already. */
  addRecord(record: ParsedRecord, position: number, place: string, line?: Buffer): void {
    const { dimension, idType, hasPayloads } = this.#shape;
    const { id, vector, payload } = record;
    const refuse = (code: ErrorCode, problem: string) =>
      this.reject(position, code, `${place} ${problem}.`, line?.toString(), record);
    if (vector.length !== dimension) {
      refuse('VBO_ERR_DIMENSION', `has dimension ${vector.length}; expected ${dimension}`);
    } else if ((id === undefined) !== (idType === undefined)) {
      refuse(
        'VBO_ERR_RECORD',
        id === undefined
          ? 'has no id, but the first record has one'
          : `has the id ${describe(id)}, but the first record has none`,
      );
    } else if (typeof id === 'string' && idType === 'number') {
      refuse('VBO_ERR_RECORD', `has the id ${describe(id)}; the first record's id is a number`);
    } else if (payload && !hasPayloads) {
      refuse('VBO_ERR_RECORD', 'has a payload, but the first record is a bare vector');
    } else {
      const problem = copyVector(vector, this.#vectors, this.#positions.length * dimension);
      if (problem) {
        refuse('VBO_ERR_RECORD', problem);
        return;
      }
      this.#positions.push(position);
      if (id !== undefined) this.#ids.push(idType === 'string' ? String(id) : id);
      if (hasPayloads) this.#payloads.push(payload);
    }
  }

  reject(position: number, code: ErrorCode, message: string, raw?: string, record?: ParsedRecord): void {
    this.#rejected.push({
      position,
      ...(record?.id !== undefined && { id: record.id }),
      code,
      message,
      ...(raw !== undefined && { raw: raw.slice(0, MAX_RAW_LENGTH) }),
      ...(record && isNumeric(record.vector) && { vector: Array.from(record.vector) }),
      ...(record && { payload: record.payload }),
    });
  }

  /** Hands out what was gathered and starts anew. The vectors are valid until the next `add`. */
  take(): SourceChunk {
    const positions = this.#positions;
    const first = positions[0] ?? 0;
    const isRun = positions.length > 0 && positions.at(-1) === first + positions.length - 1;
    const chunk: SourceChunk = {
      positions: isRun ? { first } : positions,
      ...(this.#shape.idType !== undefined && { ids: this.#ids }),
      vectors: this.#vectors.subarray(0, positions.length * this.#shape.dimension),
      ...(this.#shape.hasPayloads && { payloads: this.#payloads }),
      ...(this.#rejected.length > 0 && { rejected: this.#rejected }),
    };
    this.#positions = [];
    this.#ids = [];
    this.#payloads = [];
    this.#rejected = [];
    return chunk;
  }
}

/** Copies the values, or returns what is wrong with the first that is not a number. */
function copyVector(vector: ArrayLike<unknown>, out: Float32Array, offset: number): string | undefined {
  if (vector instanceof Float32Array) {
    out.set(vector, offset);
    return undefined;
  }
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i];
    if (typeof value !== 'number') return `has ${describe(value)} at vector[${i}]; expected a number`;
    out[offset + i] = value;
  }
  return undefined;
}

const isNumeric = (vector: ArrayLike<unknown>): vector is ArrayLike<number> => {
  for (let i = 0; i < vector.length; i++) if (typeof vector[i] !== 'number') return false;
  return true;
};
