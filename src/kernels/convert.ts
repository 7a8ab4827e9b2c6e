import type { KernelExports } from './exports.js';
import type { KernelCall } from './kernels.js';
import { type Matrix, splitRows } from './matrix.js';

type Converter = {
  [Name in keyof KernelExports]: Parameters<KernelExports[Name]> extends [
    number,
    number,
    number,
    number,
    number,
    number,
    ...infer _,
  ]
    ? Name
    : never;
}[keyof KernelExports];

/** Calls of a kernel (source, stride, rows, dimension, target, stride, ...further) over ranges of rows. */
export function convertRows(
  name: Converter,
  source: Matrix,
  target: Matrix,
  parts: number,
  further: (firstRow: number) => readonly number[] = () => [],
): KernelCall[] {
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name,
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      source.dimension,
      target.pointer + first * target.strideBytes,
      target.strideBytes,
      ...further(first),
    ],
    workBytes: count * (source.strideBytes + target.strideBytes),
  }));
}

/** Calls of a kernel (query, source, stride, rows, length, target) that writes 4 bytes per row. */
export function compareRows(
  name: keyof KernelExports,
  query: { readonly pointer: number },
  source: Matrix,
  length: number,
  target: { readonly pointer: number },
  parts: number,
): KernelCall[] {
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name,
    args: [
      query.pointer,
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      length,
      target.pointer + 4 * first,
    ],
    workBytes: count * (source.strideBytes + 4),
  }));
}
