import { VectorBatchError } from '../core/errors.js';

/**
 * The JSON of a value of the caller's.
 * @throws VBO_ERR_RECORD if there is none: a bigint, a circle, a `toJSON` that throws
 */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_RECORD',
      `A payload cannot be told in JSON: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** Vectors as texts: row r is `bytes.subarray(offsets[r], offsets[r + 1])`. */
export interface TextRows {
  readonly bytes: Uint8Array;
  readonly offsets: ArrayLike<number>;
}

/** A request body: `head`, the rows with `separator` between them, `tail`. Nothing is copied twice. */
export function jsonBody(head: string, rows: TextRows, separator: string, tail: string): Buffer {
  const { bytes, offsets } = rows;
  const count = offsets.length - 1;
  const [start, between, end] = [head, separator, tail].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const body = Buffer.allocUnsafeSlow(
    start.length + bytes.length + Math.max(0, count - 1) * between.length + end.length,
  );
  body.set(start);
  let at = start.length;
  for (let row = 0; row < count; row++) {
    if (row > 0) {
      body.set(between, at);
      at += between.length;
    }
    const text = bytes.subarray(offsets[row], offsets[row + 1]);
    body.set(text, at);
    at += text.length;
  }
  body.set(end, at);
  return body;
}
