import { type Matrix, splitRows } from './matrix.js';
import type { KernelTask } from './task.js';

/** The index of the first row that holds NaN or an infinity; -1 if every element is finite. */
export function firstNonFiniteRow(source: Matrix<'float32'>, parts = 1): KernelTask<number> {
  // Padding is zeros, so rows at a stride are scanned in one run too.
  const rowElements = source.strideBytes / 4;
  const calls = splitRows(source.rows, parts).map(({ first, count }) => ({
    name: 'firstNonFiniteFloat32' as const,
    args: [source.pointer + first * source.strideBytes, count * rowElements, first * rowElements],
    workBytes: count * source.strideBytes,
  }));
  return {
    calls,
    finish(results) {
      const element = results.find((index) => index >= 0);
      return element === undefined ? -1 : Math.floor(element / rowElements);
    },
  };
}
