import type { Arena } from './arena.js';
import type { At } from './records.js';

const MAX_INTEGER = 32_767;

/**
 * A float32 query as 16-bit integers, q ~ scale * q16: what integer codes are multiplied with, exactly. The error is at
 * most 2^-16 of the query's largest element, far below that of any code.
 */
export interface IntegerQuery extends At {
  readonly scale: number;
  /** scale * sum(q16). */
  readonly sum: number;
}

/** Bytes of an {@link IntegerQuery} of `dimension` elements. */
export const integerQueryBytes = (dimension: number): number => 2 * dimension;

/** Writes `values`, all finite, to `target` as integers. A zero vector has the scale 0. */
export function integerQuery(arena: Arena, values: Float32Array, target: At): IntegerQuery {
  let largest = 0;
  for (const x of values) largest = Math.max(largest, Math.abs(x));
  const scale = largest / MAX_INTEGER;
  const inverse = scale > 0 ? 1 / scale : 0;
  const integers = new Int16Array(arena.memory.buffer, target.pointer, values.length);
  let sum = 0;
  for (let d = 0; d < values.length; d++) {
    const integer = Math.max(-MAX_INTEGER, Math.min(MAX_INTEGER, Math.round(values[d]! * inverse)));
    integers[d] = integer;
    sum += integer;
  }
  return { pointer: target.pointer, scale, sum: scale * sum };
}
