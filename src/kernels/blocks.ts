import type { Arena, Span } from './arena.js';
import type { KernelCall } from './kernels.js';
import { type Matrix, splitRows } from './matrix.js';

/** Vectors of a dimension block (PDX). */
export const BLOCK_VECTORS = 64;

/**
 * `rows` vectors in blocks of 64, dimension-major inside: element d of vector v is float
 * `(floor(v / 64) * dimension + d) * 64 + v % 64`. Missing vectors of the last block are zeros.
 */
export interface DimensionBlocks {
  readonly pointer: number;
  readonly rows: number;
  readonly dimension: number;
  readonly byteLength: number;
}

/** Bytes that `rows` vectors take as dimension blocks. */
export function blocksByteLength(rows: number, dimension: number): number {
  return Math.ceil(rows / BLOCK_VECTORS) * dimension * BLOCK_VECTORS * 4;
}

/**
 * Blocks with undefined contents.
 * @throws VBO_ERR_MEMORY when the memory's limit would be passed.
 */
export function allocateBlocks(
  arena: Arena,
  rows: number,
  dimension: number,
): DimensionBlocks & { readonly span: Span } {
  const byteLength = blocksByteLength(rows, dimension);
  const span = arena.allocate(byteLength);
  return { pointer: span.pointer, rows, dimension, byteLength, span };
}

/** Row-major float32 -> dimension blocks. */
export function rowsToBlocks(source: Matrix<'float32'>, target: DimensionBlocks, parts = 1): KernelCall[] {
  return splitRows(source.rows, parts, BLOCK_VECTORS).map(({ first, count }) => ({
    name: 'rowsToBlocks',
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      source.dimension,
      target.pointer + blocksByteLength(first, source.dimension),
    ],
    workBytes: count * source.strideBytes + blocksByteLength(count, source.dimension),
  }));
}

/** Dimension blocks -> row-major float32; padding of `target` becomes zero. */
export function blocksToRows(source: DimensionBlocks, target: Matrix<'float32'>, parts = 1): KernelCall[] {
  return splitRows(target.rows, parts, BLOCK_VECTORS).map(({ first, count }) => ({
    name: 'blocksToRows',
    args: [
      source.pointer + blocksByteLength(first, source.dimension),
      count,
      source.dimension,
      target.pointer + first * target.strideBytes,
      target.strideBytes,
    ],
    workBytes: count * target.strideBytes + blocksByteLength(count, source.dimension),
  }));
}
