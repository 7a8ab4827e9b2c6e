import { roundHalfEven } from './round.js';

const f32 = Math.fround;

/** The code of `x`, each step in float32. */
export function int8Code(x: number, inverse: number, offset: number): number {
  const scaled = f32(f32(x - offset) * inverse);
  if (Number.isNaN(scaled)) return 0;
  return roundHalfEven(Math.min(127, Math.max(0, scaled)));
}

export function int8Value(code: number, alpha: number, offset: number): number {
  return f32(f32(code * alpha) + offset);
}

export function codeDot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

export function codeSquaredL2(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d]! - b[d]!) ** 2;
  return sum;
}
