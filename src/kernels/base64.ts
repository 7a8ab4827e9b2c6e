import type { KernelCall } from './kernels.js';
import { type ElementType, type Matrix, rowByteLength, splitRows } from './matrix.js';

/** Characters, and so bytes, of the padded base64 of `byteLength` bytes. */
export function base64Bytes(byteLength: number): number {
  return 4 * Math.ceil(byteLength / 3);
}

/**
 * The base64 (standard alphabet, padded) of each row's bytes, without the matrix's padding: rows follow each other at
 * `target`, each {@link base64Bytes} of its bytes long.
 */
export function encodeBase64(
  source: Matrix<ElementType>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  const rowBytes = rowByteLength(source.element, source.dimension);
  const textBytes = base64Bytes(rowBytes);
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name: 'encodeBase64',
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      rowBytes,
      target.pointer + first * textBytes,
      textBytes,
    ],
    workBytes: count * (source.strideBytes + textBytes),
  }));
}
