import { paddedDimension } from './hadamard.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { IntegerQuery } from './query.js';
import { type At, convertRecords, type Records, scanRecords } from './records.js';

/** Bits per (padded) dimension. */
export type RabitqBits = 1 | 2 | 4;

const FACTOR_BYTES = 12;
/** Where a record keeps |x|^2, float32. */
export const RABITQ_SQUARE_OFFSET = 8;
/**
 * Standard errors within which the bound is stated. The authors' library takes 1.9, which 94 % of the pairs keep, as a
 * normal error would; three are kept by 99.7 %.
 */
const BOUND_DEVIATIONS = 3;

/** What encoding an element is worth in bytes scanned, and decoding it: 5 to 12 ns. */
export const RABITQ_WORK_BYTES: Readonly<Record<RabitqBits, number>> = { 1: 100, 2: 220, 4: 240 };
const DECODE_WORK_BYTES = 100;

/** Bytes of a vector's record: three float32 and the codes. */
export const rabitqRecordBytes = (bits: RabitqBits, dimension: number): number =>
  FACTOR_BYTES + (paddedDimension(dimension) * bits) / 8;

/** Bytes of scratch memory that encoding and decoding need for each part. */
export const rabitqScratchBytes = (dimension: number): number => 4 * paddedDimension(dimension);

/** What all vectors of a RaBitQ encoding share. */
export interface RabitqFrame {
  readonly bits: RabitqBits;
  /** `dimension` float32: what is subtracted first, the data's mean. */
  readonly centre: At;
  /** The rotation: `rotationSigns` of the padded dimension. */
  readonly signs: At;
  /** {@link rabitqScratchBytes} for each part. */
  readonly scratch: At;
}

/** float32 -> records. */
export function encodeRabitq(
  source: Matrix<'float32'>,
  target: Records,
  { bits, centre, signs, scratch }: RabitqFrame,
  parts = 1,
): KernelCall[] {
  const { dimension } = source;
  const further = (part: number) => [
    bits,
    paddedDimension(dimension),
    centre.pointer,
    signs.pointer,
    scratch.pointer + part * rabitqScratchBytes(dimension),
  ];
  return convertRecords('encodeRabitq', source, dimension, target, parts, further, RABITQ_WORK_BYTES[bits]);
}

/** Records -> float32: of all multiples of a code the one nearest to its vector. `centreSquare` is |centre|^2. */
export function decodeRabitq(
  source: Records,
  target: Matrix<'float32'>,
  { bits, centre, signs, scratch }: RabitqFrame,
  centreSquare: number,
  parts = 1,
): KernelCall[] {
  const { dimension } = target;
  const further = (part: number) => [
    bits,
    paddedDimension(dimension),
    centre.pointer,
    signs.pointer,
    scratch.pointer + part * rabitqScratchBytes(dimension),
    centreSquare,
  ];
  return convertRecords('decodeRabitq', source, dimension, target, parts, further, DECODE_WORK_BYTES);
}

/**
 * target[row] = unbiased estimate of <q', x - centre>, + <centre, x> + constant, float32, where `query` is the rotated
 * q' = q - centre. With the constant <centre, q> - |centre|^2 it is the dot product <q, x>.
 */
export function scanRabitq(
  query: IntegerQuery,
  records: Records,
  dimension: number,
  bits: RabitqBits,
  target: At,
  constant: number,
  parts = 1,
): KernelCall[] {
  const shift = ((2 ** bits - 1) / 2) * query.sum;
  const further = [bits, query.scale, shift, constant];
  return scanRecords('scanRabitq', query, records, paddedDimension(dimension), target, parts, further);
}

/**
 * The stated bound on the error of an estimated inner product <q', r>: 3 |r| |q'| sqrt((1 / cos^2 - 1) / (n - 1)), where
 * cos is that of r and its code. Twice as much for a squared distance.
 */
export function rabitqErrorBound(
  lengthOfVector: number,
  lengthOfQuery: number,
  cosine: number,
  padded: number,
): number {
  const tangent = Math.sqrt(Math.max(0, 1 / cosine ** 2 - 1));
  return (BOUND_DEVIATIONS * lengthOfVector * lengthOfQuery * tangent) / Math.sqrt(padded - 1);
}
