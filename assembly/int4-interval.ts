// The interval [a, b] of 16 levels for a vector v: optimized scalar quantization (Lucene's OSQ; the loss is ScaNN's
// anisotropic one, Guo et al. 2020). With levels a + k s, s = (b - a) / 15, and v' the nearest levels to v,
//
// a and b minimise the error along v, which moves inner products, more than that across it:
//
//   loss(a, b) = (1 - lambda) <v, v - v'>^2 / |v|^2 + lambda |v - v'|^2        lambda = 0.1
//
// For given codes, with t = k / 15, the loss is quadratic in (a, b), since v' = a (1 - t) + b t. With
//
//   A = sum (1 - t)^2   B = sum t (1 - t)   C = sum t^2   X = sum v (1 - t)   Y = sum v t    kappa = (1 - lambda) / |v|^2
//
// its minimum is where  | m0 m1 | a     X        m0 = kappa X^2 + lambda A,  m1 = kappa X Y + lambda B,
//                       | m1 m2 | b  =  Y,       m2 = kappa Y^2 + lambda C,
//
// and its value is (1 - lambda) (|v|^2 - aX - bY)^2 / |v|^2 + lambda (|v|^2 - 2 (aX + bY) + a^2 A + 2ab B + b^2 C).
// All six come from sum k, sum k^2 and sum v k: one pass over the vector both judges an interval and proposes the next.
// The start is the best interval for a normal distribution, mean +- 2.514 deviations, within the range of v; after at
// most five steps, or the first that does not lower the loss, the best interval makes the codes.
//
// In these steps a code is a fixed-point number of 8 fractional bits: adding 1.5 * 2^15 to (v - a) / s + 1/2 leaves it in
// the low mantissa bits, a saturating narrowing and a shift make k of it, eight at a time, and sums of products are those
// of integers, with w = round(v 8191 / max |v|) for v. The final codes are made from v itself.
//
// Preconditions: those of writeInterval; nothing overlaps.

const LAMBDA: f64 = 0.1;
const MAX_STEPS = 5;
/** The integers' range: sums of products with codes stay below 2^31 for any dimension. */
const MAX_INTEGER: f64 = 8191;
/** The half width of the best 16-level uniform quantizer of a standard normal variable. */
const GAUSSIAN_HALF_WIDTH: f64 = 2.514;
/** 1.5 * 2^23: adding it leaves the integer nearest to x (ties to even) in the low mantissa bits, -2^22 <= x < 2^22. */
const MAGIC: f32 = 12582912;
/** 1.5 * 2^15: the same in steps of 1/256, -2^14 <= x < 2^14. */
const FIXED_MAGIC: f32 = 49152;

const CONSTANTS = memory.data<f32>([
  MAGIC, MAGIC, MAGIC, MAGIC,
  FIXED_MAGIC, FIXED_MAGIC, FIXED_MAGIC, FIXED_MAGIC,
], 16);

/** 1 / step, or 0 where that is no float32 or the interval is not one. */
// @ts-ignore: decorator
@inline
export function inverseOf(step: f32): f32 {
  const inverse: f32 = 1 / step;
  return step > 0 && inverse <= f32.MAX_VALUE ? inverse : 0;
}

/**
 * Stores a and s, float32 each, at `target`. `v` are `dimension` float32 and zeros up to a multiple of 16, with room for as
 * many 16-bit integers behind them; `sum`, `square`, `least` and `most` are sum(v), |v|^2 and the range of v.
 */
export function writeInterval(
  v: usize, dimension: u32, sum: f64, square: f64, least: f64, most: f64, target: usize,
): void {
  const bytes = <usize>dimension << 2;
  const end = v + ((bytes + 63) & ~63);
  const zeros = <f64>((end - v - bytes) >> 2);
  const n = <f64>dimension;
  const mean = sum / n;
  const halfWidth = GAUSSIAN_HALF_WIDTH * sqrt(max<f64>(0, square / n - mean * mean));
  let a = min<f64>(most, max<f64>(least, mean - halfWidth));
  let b = min<f64>(most, mean + halfWidth);

  let bestA: f32 = <f32>a;
  let bestStep: f32 = 0;
  let bestLoss: f64 = Infinity;
  const unit = max<f64>(-least, most) / MAX_INTEGER;
  const integers = end;
  // Else constant, as near to it as to make no difference, or not finite.
  const first = square > 0 && <f32>(1 / unit) <= f32.MAX_VALUE ? 0 : MAX_STEPS + 1;
  const kappa = (1 - LAMBDA) / square;
  const productUnit = unit / 15;
  const ones = i16x8.splat(1);
  const zero = i16x8.splat(0);
  const maxCodes = i16x8.splat(15);
  const fixedMagic = v128.load(CONSTANTS, 16);
  if (first == 0) toIntegers(v, end, integers, <f32>(1 / unit));
  for (let step = first; step <= MAX_STEPS; step++) {
    const width = <f32>((b - a) * (1.0 / 15));
    const inverse = inverseOf(width);
    if (inverse == 0) break;
    const inverses = f32x4.splat(inverse);
    const offsets = f32x4.splat(<f32>(<f64>FIXED_MAGIC + 0.5 - a * <f64>inverse));
    let codes = i64x2.splat(0);
    let codeSquares = codes;
    let products = codes;
    for (let p = v, w = integers; p < end; p += 64, w += 32) {
      const k = fixedCodes(v128.load(p), v128.load(p, 16), inverses, offsets, fixedMagic, zero, maxCodes);
      const l = fixedCodes(v128.load(p, 32), v128.load(p, 48), inverses, offsets, fixedMagic, zero, maxCodes);
      codes = i32x4.add(codes, i32x4.dot_i16x8_s(i16x8.add(k, l), ones));
      codeSquares = i32x4.add(codeSquares, i32x4.add(i32x4.dot_i16x8_s(k, k), i32x4.dot_i16x8_s(l, l)));
      products = i32x4.add(products, i32x4.add(
        i32x4.dot_i16x8_s(k, v128.load(w)), i32x4.dot_i16x8_s(l, v128.load(w, 16))));
    }
    const ofZero = <f64>i16x8.extract_lane_s(
      fixedCodes(zero, zero, inverses, offsets, fixedMagic, zero, maxCodes), 0);
    const t1 = (<f64>addIntegers(codes) - zeros * ofZero) * (1.0 / 15);
    const t2 = (<f64>addIntegers(codeSquares) - zeros * ofZero * ofZero) * (1.0 / 225);
    const A = n - 2 * t1 + t2;
    const B = t1 - t2;
    const C = t2;
    const Y = <f64>addIntegers(products) * productUnit;
    const X = sum - Y;
    const along = square - a * X - b * Y;
    const loss = kappa * along * along
      + LAMBDA * (along - a * X - b * Y + a * a * A + 2 * a * b * B + b * b * C);
    if (!(loss < bestLoss)) break;
    bestLoss = loss;
    bestA = <f32>a;
    bestStep = width;
    const m0 = kappa * X * X + LAMBDA * A;
    const m1 = kappa * X * Y + LAMBDA * B;
    const m2 = kappa * Y * Y + LAMBDA * C;
    const determinant = m0 * m2 - m1 * m1;
    if (!(determinant > 1e-12 * m0 * m2)) break;
    const scale = 1 / determinant;
    a = (m2 * X - m1 * Y) * scale;
    b = (m0 * Y - m1 * X) * scale;
  }

  store<f32>(target, bestA);
  store<f32>(target, bestStep, 4);
}

/** Float32 from `v` to `end`, times `factor`, as 16-bit integers. */
// @ts-ignore: decorator
@inline
function toIntegers(v: usize, end: usize, target: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  const magic = v128.load(CONSTANTS, 0);
  for (; v < end; v += 32, target += 16) {
    const low = i32x4.sub(f32x4.add(f32x4.mul(v128.load(v), factors), magic), magic);
    const high = i32x4.sub(f32x4.add(f32x4.mul(v128.load(v, 16), factors), magic), magic);
    v128.store(target, i16x8.narrow_i32x4_s(low, high));
  }
}

/** Eight codes; see the head of the file. */
// @ts-ignore: decorator
@inline
function fixedCodes(
  v0: v128, v1: v128, inverses: v128, offsets: v128, magic: v128, zero: v128, maxCodes: v128,
): v128 {
  const low = i32x4.sub(f32x4.add(f32x4.mul(v0, inverses), offsets), magic);
  const high = i32x4.sub(f32x4.add(f32x4.mul(v1, inverses), offsets), magic);
  return i16x8.min_s(maxCodes, i16x8.max_s(zero, i16x8.shr_s(i16x8.narrow_i32x4_s(low, high), 8)));
}

// @ts-ignore: decorator
@inline
function addIntegers(x: v128): i32 {
  const pair = i32x4.add(x, v128.shuffle<i64>(x, x, 1, 0));
  return i32x4.extract_lane(pair, 0) + i32x4.extract_lane(pair, 1);
}
