import { decodeBits, encodeBits } from '../kernels/bits.js';
import { decodeFloat16, encodeFloat16 } from '../kernels/float16.js';
import { calibrateInt8, decodeInt8, encodeInt8 } from '../kernels/int8.js';
import type { KernelCall } from '../kernels/kernels.js';
import type { ElementType, Matrix } from '../kernels/matrix.js';
import type { ValueRange } from '../kernels/range.js';
import type { Encoding } from './encoding.js';

/** How vectors become codes and back: each is a list of kernel calls, cut into `parts` row ranges. */
export interface Codec {
  readonly element: ElementType;
  /** Whether the codes depend on the range of all values. */
  readonly calibrated: boolean;
  encode(source: Matrix<'float32'>, codes: Matrix, range: ValueRange, parts: number): KernelCall[];
  decode(codes: Matrix, target: Matrix<'float32'>, range: ValueRange, parts: number): KernelCall[];
}

export const CODECS: Record<Encoding, Codec> = {
  float16: {
    element: 'float16',
    calibrated: false,
    encode: (source, codes, _range, parts) => encodeFloat16(source, codes as Matrix<'float16'>, parts),
    decode: (codes, target, _range, parts) => decodeFloat16(codes as Matrix<'float16'>, target, parts),
  },
  int8: {
    element: 'int8',
    calibrated: true,
    encode: (source, codes, range, parts) =>
      encodeInt8(source, codes as Matrix<'int8'>, null, calibrateInt8(range), parts),
    decode: (codes, target, range, parts) =>
      decodeInt8(codes as Matrix<'int8'>, target, calibrateInt8(range), parts),
  },
  binary: {
    element: 'bit',
    calibrated: false,
    encode: (source, codes, _range, parts) => encodeBits(source, codes as Matrix<'bit'>, parts),
    decode: (codes, target, _range, parts) => decodeBits(codes as Matrix<'bit'>, target, parts),
  },
};
