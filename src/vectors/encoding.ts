import { int4RecordBytes } from '../kernels/int4.js';
import { int8RecordBytes } from '../kernels/int8-rows.js';
import { type RabitqBits, rabitqRecordBytes } from '../kernels/rabitq.js';

/** What a vector's elements become in a compact block. The number is the dtype in the block's header. */
export const ENCODINGS = {
  /** IEEE 754 half precision, 2 bytes a dimension. */
  float16: 1,
  /** The upper half of a float32: its range, 8 bits of precision; 2 bytes a dimension. */
  bfloat16: 2,
  /** Scalar quantization to a byte a dimension; see {@link Calibration}. */
  int8: 3,
  /** Optimized scalar quantization: 16 levels of each vector's own interval, 2 dimensions a byte. */
  int4: 4,
  /** The sign of each element, 8 dimensions a byte. */
  binary: 5,
  /** RaBitQ: randomly rotated, 1, 2 or 4 bits a dimension, inner products estimated without bias. */
  rabitq1: 6,
  rabitq2: 7,
  rabitq4: 8,
} as const;

export type Encoding = keyof typeof ENCODINGS;

export const ENCODING_NAMES = Object.keys(ENCODINGS) as Encoding[];

/**
 * What the interval of int8 codes is taken from. `vector`: each vector's own least and greatest element, 255 steps, 8
 * bytes more per vector. `dimension`: those of each dimension over all vectors, 255 steps. `global`: those of all
 * elements, 127 steps, so that sums of products of codes are exact (as Qdrant does). The number stands in the header.
 */
export const CALIBRATIONS = { vector: 0, dimension: 1, global: 2 } as const;

export type Calibration = keyof typeof CALIBRATIONS;

export const CALIBRATION_NAMES = Object.keys(CALIBRATIONS) as Calibration[];

/** See docs/decisions/0003-int8-calibration.md. */
export const DEFAULT_CALIBRATION: Calibration = 'vector';

/** How a block's vectors are encoded: all that the sizes of its parts depend on. */
export interface Format {
  readonly encoding: Encoding;
  /** Of int8; `vector` for all others. */
  readonly calibration: Calibration;
  readonly dimension: number;
  readonly rows: number;
}

/** Bits per padded dimension of the RaBitQ encodings. */
export const RABITQ_BITS = { rabitq1: 1, rabitq2: 2, rabitq4: 4 } as const satisfies Partial<
  Record<Encoding, RabitqBits>
>;

/** Bytes of one encoded vector; rows follow each other without padding. */
export function encodedRowBytes(
  encoding: Encoding,
  dimension: number,
  calibration: Calibration = DEFAULT_CALIBRATION,
): number {
  switch (encoding) {
    case 'float16':
    case 'bfloat16':
      return 2 * dimension;
    case 'int8':
      return calibration === 'vector' ? int8RecordBytes(dimension) : dimension;
    case 'int4':
      return int4RecordBytes(dimension);
    case 'binary':
      return Math.ceil(dimension / 8);
    case 'rabitq1':
    case 'rabitq2':
    case 'rabitq4':
      return rabitqRecordBytes(RABITQ_BITS[encoding], dimension);
  }
}

/**
 * Bytes of what all vectors of a block share, float32 each: the mean that int4 and RaBitQ are centred on; least element
 * and step of each dimension for int8 per dimension.
 */
export function sharedBytes({
  encoding,
  calibration,
  dimension,
}: Pick<Format, 'encoding' | 'calibration' | 'dimension'>): number {
  switch (encoding) {
    case 'float16':
    case 'bfloat16':
    case 'binary':
      return 0;
    case 'int8':
      return calibration === 'dimension' ? 8 * dimension : 0;
    default:
      return 4 * dimension;
  }
}
