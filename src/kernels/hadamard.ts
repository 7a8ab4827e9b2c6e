import { Random } from '../core/random.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import { type At, convertRecords } from './records.js';

const ROUNDS = 4;
const MULTIPLE = 64;

/** The dimension of rotated vectors: `dimension` rounded up to a multiple of 64. */
export const paddedDimension = (dimension: number): number => Math.ceil(dimension / MULTIPLE) * MULTIPLE;

/** Elements of {@link rotationSigns}. */
export const rotationSignCount = (padded: number): number => ROUNDS * padded;

/**
 * The signs of a random rotation of `padded` elements (a multiple of 64), four rounds one after the other, with the
 * factors that make each round orthogonal. The same seed gives the same rotation everywhere.
 */
export function rotationSigns(padded: number, seed: number): Float32Array {
  const size = 2 ** Math.floor(Math.log2(padded));
  const mixed = size < padded ? Math.SQRT1_2 : 1;
  const random = new Random(seed);
  const signs = new Float32Array(rotationSignCount(padded));
  let bits = 0;
  for (let i = 0; i < signs.length; i++) {
    if (i % 32 === 0) bits = random.uint32();
    const round = Math.floor(i / padded);
    const first = round % 2 === 0 ? 0 : padded - size;
    const d = i % padded;
    const transformed = d >= first && d < first + size;
    const magnitude = mixed * (transformed ? 1 / Math.sqrt(size) : 1);
    signs[i] = (bits >>> (i % 32)) & 1 ? -magnitude : magnitude;
  }
  return signs;
}

/**
 * target = H (source * signs) for rows of a power of two of elements, at least 16: the Walsh-Hadamard transform in
 * natural order. `signs` is one float32 per element and carries the scale, 1 / sqrt(dimension) for an orthogonal one.
 */
export function hadamardRows(
  source: Matrix<'float32'>,
  target: Matrix<'float32'>,
  signs: At,
  parts = 1,
): KernelCall[] {
  return convertRecords('hadamardRows', source, source.dimension, target, parts, () => [signs.pointer]);
}

/** target = P (source - centre): rows of D elements become rows of {@link paddedDimension}(D). */
export function rotateRows(
  source: Matrix<'float32'>,
  target: Matrix<'float32'>,
  centre: At,
  signs: At,
  parts = 1,
): KernelCall[] {
  const further = () => [target.dimension, centre.pointer, signs.pointer];
  return convertRecords('rotateRows', source, source.dimension, target, parts, further);
}
