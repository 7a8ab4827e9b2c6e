import { roundHalfEven } from './round.js';

const LAMBDA = 0.1;

export interface Levels {
  lower: number;
  step: number;
}

/** The nearest of 16 levels, 0 .. 15. */
export function level(v: number, { lower, step }: Levels): number {
  return step === 0 ? 0 : roundHalfEven(Math.min(15, Math.max(0, (v - lower) / step)));
}

/** The loss that optimized scalar quantization minimises, for codes and their levels. */
export function anisotropicLoss(v: ArrayLike<number>, codes: ArrayLike<number>, levels: Levels): number {
  let square = 0;
  let along = 0;
  let error = 0;
  for (let d = 0; d < v.length; d++) {
    const difference = v[d]! - (levels.lower + levels.step * codes[d]!);
    square += v[d]! ** 2;
    along += v[d]! * difference;
    error += difference ** 2;
  }
  return square === 0 ? 0 : ((1 - LAMBDA) * along ** 2) / square + LAMBDA * error;
}

/** Optimized scalar quantization in float64: at most `steps` steps from the normal distribution's best interval. */
export function optimizedLevels(v: ArrayLike<number>, steps = 5): Levels {
  const n = v.length;
  const values = Array.from(v);
  const sum = values.reduce((total, x) => total + x, 0);
  const square = values.reduce((total, x) => total + x * x, 0);
  const deviation = Math.sqrt(Math.max(0, square / n - (sum / n) ** 2));
  let a = Math.max(Math.min(...values), sum / n - 2.514 * deviation);
  let b = Math.min(Math.max(...values), sum / n + 2.514 * deviation);
  let best: Levels = { lower: a, step: 0 };
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= steps; i++) {
    const levels = { lower: a, step: (b - a) / 15 };
    if (!(levels.step > 0)) break;
    const t = values.map((x) => level(x, levels) / 15);
    const loss = anisotropicLoss(
      values,
      t.map((x) => 15 * x),
      levels,
    );
    if (!(loss < least)) break;
    [best, least] = [levels, loss];
    const total = (term: (t: number, v: number) => number) =>
      t.reduce((all, x, d) => all + term(x, values[d]!), 0);
    const kappa = (1 - LAMBDA) / square;
    const X = total((s, x) => x * (1 - s));
    const Y = total((s, x) => x * s);
    const m0 = kappa * X * X + LAMBDA * total((s) => (1 - s) ** 2);
    const m1 = kappa * X * Y + LAMBDA * total((s) => s * (1 - s));
    const m2 = kappa * Y * Y + LAMBDA * total((s) => s * s);
    const determinant = m0 * m2 - m1 * m1;
    if (!(determinant > 1e-12 * m0 * m2)) break;
    a = (m2 * X - m1 * Y) / determinant;
    b = (m0 * Y - m1 * X) / determinant;
  }
  return best;
}

/** The codes of a record's code bytes, in halves. */
export function unpackHalves(bytes: Uint8Array, dimension: number): number[] {
  const half = Math.ceil(dimension / 2);
  return Array.from({ length: dimension }, (_, d) => (d < half ? bytes[d]! & 15 : bytes[d - half]! >> 4));
}
