/** What a vector's elements become in a compact block. The number is the dtype in the block's header. */
export const ENCODINGS = {
  /** IEEE 754 half precision, 2 bytes a dimension. */
  float16: 1,
  /** Scalar quantization to 7 bits in a byte between the least and the greatest element of all rows. */
  int8: 3,
  /** The sign of each element, 8 dimensions a byte. */
  binary: 5,
} as const;

export type Encoding = keyof typeof ENCODINGS;

export const ENCODING_NAMES = Object.keys(ENCODINGS) as Encoding[];

/** Bytes of one encoded vector; rows follow each other without padding. */
export function encodedRowBytes(encoding: Encoding, dimension: number): number {
  switch (encoding) {
    case 'float16':
      return 2 * dimension;
    case 'int8':
      return dimension;
    case 'binary':
      return Math.ceil(dimension / 8);
  }
}
