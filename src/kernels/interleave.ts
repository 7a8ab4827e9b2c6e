import type { Arena, Span } from './arena.js';
import type { KernelCall } from './kernels.js';
import { type Matrix, splitRows } from './matrix.js';

/** Rows of a group, and codes of a row that stand side by side in it. */
const GROUP = 4;

/**
 * `rows` vectors of int8 codes in groups of four, four dimensions side by side: code d of row r is byte
 * `((floor(r / 4) * ceil(dimension / 4) + floor(d / 4)) * 4 + r % 4) * 4 + d % 4`. Missing rows and codes are zeros.
 */
export interface InterleavedCodes {
  readonly pointer: number;
  readonly rows: number;
  readonly dimension: number;
  readonly byteLength: number;
}

/** Bytes that `rows` vectors of codes take interleaved. */
export function interleavedByteLength(rows: number, dimension: number): number {
  return Math.ceil(rows / GROUP) * Math.ceil(dimension / GROUP) * GROUP * GROUP;
}

/**
 * Groups with undefined contents.
 * @throws VBO_ERR_MEMORY when the memory's limit would be passed.
 */
export function allocateInterleaved(
  arena: Arena,
  rows: number,
  dimension: number,
): InterleavedCodes & { readonly span: Span } {
  const byteLength = interleavedByteLength(rows, dimension);
  const span = arena.allocate(byteLength);
  return { pointer: span.pointer, rows, dimension, byteLength, span };
}

/** Row-major codes -> groups of four rows. */
export function interleaveInt8(source: Matrix<'int8'>, target: InterleavedCodes, parts = 1): KernelCall[] {
  return splitRows(source.rows, parts, GROUP).map(({ first, count }) => ({
    name: 'interleaveInt8',
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      source.dimension,
      target.pointer + interleavedByteLength(first, source.dimension),
    ],
    workBytes: count * source.strideBytes + interleavedByteLength(count, source.dimension),
  }));
}

/** Groups of four rows -> row-major codes; padding of `target` becomes zero. */
export function deinterleaveInt8(source: InterleavedCodes, target: Matrix<'int8'>, parts = 1): KernelCall[] {
  return splitRows(target.rows, parts, GROUP).map(({ first, count }) => ({
    name: 'deinterleaveInt8',
    args: [
      source.pointer + interleavedByteLength(first, source.dimension),
      count,
      source.dimension,
      target.pointer + first * target.strideBytes,
      target.strideBytes,
    ],
    workBytes: count * target.strideBytes + interleavedByteLength(count, source.dimension),
  }));
}

/** target[row] = sum of products of the query's codes (one row, not interleaved) and the row's, int32, exact. */
export function dotInt8Interleaved(
  query: Matrix<'int8'>,
  codes: InterleavedCodes,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  return splitRows(codes.rows, parts, GROUP).map(({ first, count }) => ({
    name: 'dotInt8Interleaved',
    args: [
      query.pointer,
      codes.pointer + interleavedByteLength(first, codes.dimension),
      count,
      codes.dimension,
      target.pointer + 4 * first,
    ],
    workBytes: interleavedByteLength(count, codes.dimension) + 4 * count,
  }));
}
