import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Batch, Id, Payload } from '../ingest/ports.js';
import { toJson } from './json.js';

/** How the columns of a row are told in PostgreSQL's binary formats. */
export interface RowFormat {
  readonly id: 'int8' | 'text';
  /** `jsonb` is its text behind a version byte. Undefined: there is no such column. */
  readonly payload: 'jsonb' | 'text' | undefined;
  readonly dimension: number;
}

/** Type numbers of the elements of {@link RowWriter.arrays}. */
export interface ElementTypes {
  readonly id: number;
  readonly vector: number;
  readonly payload: number;
}

/** Signature, flags 0, no extension. */
const COPY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COPY_TRAILER = -1;
const NULL_LENGTH = -1;
const ARRAY_HEADER_BYTES = 20;
const JSONB_VERSION = 1;
const EMPTY: readonly (string | null)[] = [];

/**
 * Batches in PostgreSQL's binary formats, big-endian, with pgvector's binary `vector`. An element goes from where it
 * lies, in shared memory or not, to the request in one step, at 3.3 GB/s into a buffer that was used before and 1.6 GB/s
 * into a new one: buffers come back with `release`.
 *
 * ```
 * COPY    header | tuple | tuple | ... | int16 -1          tuple:  int16 fields | field | field | ...
 * array   int32 1, nulls?, element type, rows, 1 | field | field | ...
 * field   int32 length (-1: null) | bytes
 * vector  int16 dimension | int16 0 | float32 ...
 * ```
 */
export class RowWriter {
  readonly #format: RowFormat;
  readonly #free: Buffer[] = [];

  constructor(format: RowFormat) {
    this.#format = format;
  }

  /** The stream of a `COPY table (id, vector[, payload]) FROM ... (FORMAT binary)`. @throws VBO_ERR_RECORD */
  copy(batch: Batch): Buffer {
    const { rows, dimension, ids } = batch;
    const { payload } = this.#format;
    const texts = this.#idTexts(ids);
    const payloads = payload ? payloadTexts(batch.payloads, rows) : EMPTY;
    const fieldBytes = 2 + 4 + 8 + this.#vectorFieldBytes + 4 + 1;
    const target = this.#take(
      COPY_HEADER.length + rows * fieldBytes + mostBytes(texts) + mostBytes(payloads) + 2,
    );
    target.bytes(COPY_HEADER);
    const values = bitsOf(batch);
    for (let row = 0; row < rows; row++) {
      target.int16(payload ? 3 : 2);
      this.#putId(target, ids, texts, row);
      target.vector(values, row * dimension, dimension);
      if (payload) target.text(payloads[row]!, payload === 'jsonb');
    }
    target.int16(COPY_TRAILER);
    return target.written();
  }

  /**
   * The columns as arrays, for `unnest($1::bigint[] | $1::text[], $2::vector[], $3::jsonb[])`; the payloads are left out
   * where there is no column for them.
   * @throws VBO_ERR_RECORD
   */
  arrays(batch: Batch, types: ElementTypes): Buffer[] {
    const { rows, dimension, ids } = batch;
    const { payload } = this.#format;
    const texts = this.#idTexts(ids);
    const idArray = this.#take(ARRAY_HEADER_BYTES + 12 * rows + mostBytes(texts));
    idArray.arrayHeader(types.id, rows, false);
    for (let row = 0; row < rows; row++) this.#putId(idArray, ids, texts, row);

    const vectors = this.#take(ARRAY_HEADER_BYTES + rows * this.#vectorFieldBytes);
    vectors.arrayHeader(types.vector, rows, false);
    const values = bitsOf(batch);
    for (let row = 0; row < rows; row++) vectors.vector(values, row * dimension, dimension);
    if (!payload) return [idArray.written(), vectors.written()];

    const payloads = payloadTexts(batch.payloads, rows);
    const payloadArray = this.#take(ARRAY_HEADER_BYTES + 5 * rows + mostBytes(payloads));
    payloadArray.arrayHeader(types.payload, rows, true);
    for (const text of payloads) payloadArray.text(text, payload === 'jsonb');
    return [idArray.written(), vectors.written(), payloadArray.written()];
  }

  /** Takes the bytes of `copy` or `arrays` back for the next batch: nobody must read them any more. */
  release(buffers: readonly Buffer[]): void {
    for (const { buffer } of buffers) this.#free.push(Buffer.from(buffer));
  }

  get #vectorFieldBytes(): number {
    return 4 + 4 + 4 * this.#format.dimension;
  }

  #idTexts(ids: readonly Id[]): readonly (string | null)[] {
    return this.#format.id === 'text' ? ids.map(String) : EMPTY;
  }

  #putId(target: Target, ids: readonly Id[], texts: readonly (string | null)[], row: number): void {
    if (this.#format.id === 'text') {
      target.text(texts[row]!, false);
      return;
    }
    const id = ids[row]!;
    if (Number.isSafeInteger(id)) {
      target.int8(id as number);
      return;
    }
    throw new VectorBatchError('VBO_ERR_RECORD', `The id ${describe(id)} is not an integer.`, {
      details: { index: row, id },
    });
  }

  #take(byteLength: number): Target {
    const index = this.#free.findIndex((buffer) => buffer.length >= byteLength);
    if (index >= 0) return new Target(this.#free.splice(index, 1)[0]!);
    // One that is too small is of no use to larger batches, which are what comes next.
    this.#free.pop();
    return new Target(Buffer.allocUnsafeSlow(Math.ceil(byteLength * 1.125)));
  }
}

/** A buffer that is written from its start on, and has room for all of it. */
class Target {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #end = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  written(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  int16(value: number): void {
    this.#view.setInt16(this.#end, value);
    this.#end += 2;
  }

  int32(value: number): void {
    this.#view.setInt32(this.#end, value);
    this.#end += 4;
  }

  arrayHeader(elementType: number, rows: number, hasNulls: boolean): void {
    for (const value of [1, Number(hasNulls), elementType, rows, 1]) this.int32(value);
  }

  /** A field: the number as an integer of eight bytes. */
  int8(value: number): void {
    this.int32(8);
    this.int32(Math.floor(value / 2 ** 32));
    this.int32(value | 0);
  }

  /** A field: the text in UTF-8, behind a version byte if it is one of `jsonb`. */
  text(text: string | null, isJsonb: boolean): void {
    if (text === null) {
      this.int32(NULL_LENGTH);
      return;
    }
    const start = this.#end + 4;
    if (isJsonb) this.#bytes[start] = JSONB_VERSION;
    const textStart = start + Number(isJsonb);
    const end = textStart + this.#bytes.write(text, textStart, 'utf8');
    this.int32(end - start);
    this.#end = end;
  }

  /** A field: the elements from `from` on as a `vector`. */
  vector(values: Uint32Array, from: number, dimension: number): void {
    this.int32(4 + 4 * dimension);
    this.int16(dimension);
    this.int16(0);
    const view = this.#view;
    let end = this.#end;
    for (let i = from; i < from + dimension; i++, end += 4) view.setUint32(end, values[i]!);
    this.#end = end;
  }
}

/** As integers, so that no bit of a value is changed on the way. */
const bitsOf = ({ vectors }: Batch): Uint32Array =>
  new Uint32Array(vectors.buffer, vectors.byteOffset, vectors.length);

function payloadTexts(
  payloads: readonly (Payload | null)[] | undefined,
  rows: number,
): readonly (string | null)[] {
  return Array.from({ length: rows }, (_, row) => (payloads?.[row] ? toJson(payloads[row]) : null));
}

/** A UTF-16 unit takes at most three bytes of UTF-8. */
function mostBytes(texts: readonly (string | null)[]): number {
  let units = 0;
  for (const text of texts) units += text?.length ?? 0;
  return 3 * units;
}
