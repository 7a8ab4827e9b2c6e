import type { KernelCall } from './kernels.js';
import { type ElementType, type Matrix, rowByteLength, splitRows } from './matrix.js';

/** Copies the rows of `source`, which is contiguous, to the stride of `target`; padding becomes zero. */
export function packRows<E extends ElementType>(
  source: Matrix<E>,
  target: Matrix<E>,
  parts = 1,
): KernelCall[] {
  const rowBytes = rowByteLength(source.element, source.dimension);
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name: 'packRows',
    args: [
      source.pointer + first * rowBytes,
      count,
      rowBytes,
      target.pointer + first * target.strideBytes,
      target.strideBytes,
    ],
    workBytes: count * (rowBytes + target.strideBytes),
  }));
}

/** Copies the rows of `source` to `target`, which is contiguous: padding is left out. */
export function unpackRows<E extends ElementType>(
  source: Matrix<E>,
  target: Matrix<E>,
  parts = 1,
): KernelCall[] {
  const rowBytes = rowByteLength(source.element, source.dimension);
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name: 'unpackRows',
    args: [
      source.pointer + first * source.strideBytes,
      count,
      rowBytes,
      source.strideBytes,
      target.pointer + first * rowBytes,
    ],
    workBytes: count * (rowBytes + source.strideBytes),
  }));
}
