import { roundHalfEven } from './round.js';

const f32 = Math.fround;

export interface Interval {
  lower: number;
  step: number;
  inverse: number;
}

/** The interval of values as 255 steps, each operation in float32 where the kernel's is. NaN is passed over. */
export function interval(values: ArrayLike<number>): Interval {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! < min) min = values[i]!;
    if (values[i]! > max) max = values[i]!;
  }
  if (!(min <= max)) return { lower: 0, step: 0, inverse: 0 };
  const step = f32((max - min) / 255);
  const inverse = f32(1 / step);
  // Not a float32, NaN included: as constant.
  return inverse <= f32(3.4028234663852886e38)
    ? { lower: min + 0, step, inverse }
    : { lower: min + 0, step: 0, inverse: 0 };
}

export function code(x: number, { lower, inverse }: Interval): number {
  const scaled = f32(f32(x - lower) * inverse);
  if (Number.isNaN(scaled)) return 0;
  return roundHalfEven(Math.min(255, Math.max(0, scaled)));
}

export const value = (c: number, lower: number, step: number): number => f32(f32(c * step) + lower);
