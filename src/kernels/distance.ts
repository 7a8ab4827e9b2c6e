import { compareRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';

/**
 * Up to this many bytes the rows are likely to be in cache, where four rows per pass of the query are faster;
 * beyond, one sequential stream is. Both give the same bits, so the choice never shows in a result.
 */
const CACHED_BYTES = 1 << 20;

/**
 * target[row] = dot product of the query (one row) and the row, float32. The order of summation is fixed
 * (`assembly/distance.ts`), so a result depends on the two vectors only.
 */
export function dotFloat32(
  query: Matrix<'float32'>,
  source: Matrix<'float32'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  const name = inCache(source) ? 'dotFloat32By4' : 'dotFloat32By1';
  return compareRows(name, query, source, source.dimension, target, parts);
}

/** target[row] = squared Euclidean distance of the query (one row) and the row, float32; see {@link dotFloat32}. */
export function squaredL2Float32(
  query: Matrix<'float32'>,
  source: Matrix<'float32'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  const name = inCache(source) ? 'squaredL2Float32By4' : 'squaredL2Float32By1';
  return compareRows(name, query, source, source.dimension, target, parts);
}

const inCache = (source: Matrix): boolean => source.rows * source.strideBytes <= CACHED_BYTES;
