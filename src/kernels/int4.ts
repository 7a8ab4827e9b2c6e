import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { IntegerQuery } from './query.js';
import { type At, convertRecords, type Records, scanRecords } from './records.js';

const FACTOR_BYTES = 16;
/** Where a record keeps |x|^2, float32. */
export const INT4_SQUARE_OFFSET = 12;

/** What encoding an element is worth in bytes scanned: 5 ns. */
export const INT4_WORK_BYTES = 100;

/** Bytes of a vector's record: four float32 and two codes a byte. */
export const int4RecordBytes = (dimension: number): number => FACTOR_BYTES + Math.ceil(dimension / 2);

/** Bytes of scratch memory that {@link encodeInt4} needs for each part. */
export const int4ScratchBytes = (dimension: number): number => Math.ceil(dimension / 16) * 96;

/**
 * float32 -> records of 4-bit codes, each vector in its own optimized interval around `centre` (`dimension` float32, the
 * data's mean). `scratch` points to {@link int4ScratchBytes} for each part.
 */
export function encodeInt4(
  source: Matrix<'float32'>,
  target: Records,
  centre: At,
  scratch: At,
  parts = 1,
): KernelCall[] {
  const { dimension } = source;
  const further = (part: number) => [centre.pointer, scratch.pointer + part * int4ScratchBytes(dimension)];
  return convertRecords('encodeInt4', source, dimension, target, parts, further, INT4_WORK_BYTES);
}

/** Records -> float32: centre + a + s k. */
export function decodeInt4(source: Records, target: Matrix<'float32'>, centre: At, parts = 1): KernelCall[] {
  return convertRecords('decodeInt4', source, target.dimension, target, parts, () => [centre.pointer]);
}

/**
 * target[row] = estimate of <q', x - centre> + <centre, x> + constant, float32, where `query` is q' = q - centre. With the
 * constant <centre, q> - |centre|^2 it is the dot product <q, x>.
 */
export function scanInt4(
  query: IntegerQuery,
  records: Records,
  dimension: number,
  target: At,
  constant: number,
  parts = 1,
): KernelCall[] {
  const further = [query.scale, query.sum, constant];
  return scanRecords('scanInt4', query, records, dimension, target, parts, further);
}
