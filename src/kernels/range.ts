import type { Arena } from './arena.js';
import { type Matrix, splitRows } from './matrix.js';
import type { KernelTask } from './task.js';

/** Least and greatest element. Without any (no rows, or NaN only): `min` is Infinity and `max` -Infinity. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/** Bytes of scratch memory that {@link minMaxFloat32} needs for `parts` parts. */
export function minMaxScratchBytes(parts: number): number {
  return 8 * parts;
}

/**
 * The range of all elements of `source`. NaN is ignored; infinities count; a zero is +0.
 * `scratch` points to {@link minMaxScratchBytes} bytes that must stay allocated until the task is finished.
 */
export function minMaxFloat32(
  arena: Arena,
  source: Matrix<'float32'>,
  scratch: { readonly pointer: number },
  parts = 1,
): KernelTask<ValueRange> {
  const calls = splitRows(source.rows, parts).map(({ first, count }, part) => ({
    name: 'minMaxFloat32' as const,
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      source.dimension,
      scratch.pointer + 8 * part,
    ],
    workBytes: count * source.strideBytes,
  }));
  return {
    calls,
    finish() {
      let min = Number.POSITIVE_INFINITY;
      let max = Number.NEGATIVE_INFINITY;
      const ranges = arena.float32(scratch.pointer, 2 * calls.length);
      for (let i = 0; i < ranges.length; i += 2) {
        min = Math.min(min, ranges[i]!);
        max = Math.max(max, ranges[i + 1]!);
      }
      return { min, max };
    },
  };
}
