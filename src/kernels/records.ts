import type { KernelExports } from './exports.js';
import type { KernelCall } from './kernels.js';
import { type ElementType, type Matrix, splitRows } from './matrix.js';

/**
 * What a quantizer makes of vectors: one record a vector, its own factors first, its codes behind them, records
 * `strideBytes` apart. The layouts are drawn in `assembly/`.
 */
export interface Records {
  readonly pointer: number;
  readonly rows: number;
  readonly strideBytes: number;
}

/** Where memory begins. */
export interface At {
  readonly pointer: number;
}

/** `count` records from record `first` on: a view, nothing is copied. */
export function sliceRecords({ pointer, strideBytes }: Records, first: number, count: number): Records {
  return { pointer: pointer + first * strideBytes, rows: count, strideBytes };
}

/** Records that are bare elements, as a matrix. */
export function asMatrix<E extends ElementType>(element: E, records: Records, dimension: number): Matrix<E> {
  const { pointer, rows, strideBytes } = records;
  return { element, pointer, rows, dimension, strideBytes };
}

/**
 * Calls of a kernel (source, stride, rows, dimension, target, stride, ...further) over ranges of rows.
 * @param elementWorkBytes an element takes about as long as a scan of so many bytes, which is the pool's measure of work.
 * Default: as long as reading and writing it
 */
export function convertRecords(
  name: keyof KernelExports,
  source: Records,
  dimension: number,
  target: Records,
  parts: number,
  further: (part: number) => readonly number[],
  elementWorkBytes = 0,
): KernelCall[] {
  return splitRows(source.rows, parts).map(({ first, count }, part) => ({
    name,
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      dimension,
      target.pointer + first * target.strideBytes,
      target.strideBytes,
      ...further(part),
    ],
    workBytes: count * Math.max(source.strideBytes + target.strideBytes, elementWorkBytes * dimension),
  }));
}

/** Calls of a kernel (query, records, stride, rows, dimension, target, ...further) that writes a float32 per row. */
export function scanRecords(
  name: keyof KernelExports,
  query: At,
  records: Records,
  dimension: number,
  target: At,
  parts: number,
  further: readonly number[] = [],
): KernelCall[] {
  return splitRows(records.rows, parts).map(({ first, count }) => ({
    name,
    args: [
      query.pointer,
      records.pointer + first * records.strideBytes,
      records.strideBytes,
      count,
      dimension,
      target.pointer + 4 * first,
      ...further,
    ],
    workBytes: count * (records.strideBytes + 4),
  }));
}
