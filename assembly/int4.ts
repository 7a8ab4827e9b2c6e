// Optimized scalar quantization to 4 bits (Lucene's OSQ; the loss is ScaNN's anisotropic one, Guo et al. 2020).
//
// Of v = x - centre (the mean of the data) each vector keeps 16 levels of its own interval [a, b]:
//
//   k = roundHalfEven(clamp((v - a) * 15 / (b - a), 0, 15))        v ~ v' = a + s k,  s = (b - a) / 15
//
// a and b minimise the error along v, which moves inner products, more than the error across it:
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
//   record   | f32 a | f32 s | f32 <centre, x> | f32 |x|^2 | code bytes |      16 + ceil(D / 2) bytes
//   byte j of the codes: element j in the low half, element j + ceil(D / 2) in the high half
//
// For a query q and its difference to the centre, q' = q - centre,
//
//   <q, x> = <q', v> + <centre, x> + <centre, q> - |centre|^2,     <q', v> ~ a sum(q') + s sum(q' k),
//
// so only <q', v> is estimated. As in int8-rows.ts a query is q' ~ scale * q16; a lane's sum of products
// with codes <= 15 stays below 2^31 for 16,384 elements.
//
// Elements that are not finite, and vectors whose squares leave float32, give unspecified codes, never an access
// outside the record. Preconditions: strides >= the row's bytes; source, centre and targets do not overlap.

import { zeroPadding } from "./padding";

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
export const INT4_FACTOR_BYTES: usize = 16;
/** Elements whose products one i32 lane can add: 16384 / 4 * 32767 * 15 < 2^31. */
const RUN: usize = 16384;

const CONSTANTS = memory.data<f32>([
  MAGIC, MAGIC, MAGIC, MAGIC,
  FIXED_MAGIC, FIXED_MAGIC, FIXED_MAGIC, FIXED_MAGIC,
], 16);

// @ts-ignore: decorator
@inline
function addLanes(x: v128): f64 {
  const pair = f64x2.add(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(v128.shuffle<f64>(x, x, 1, 1)));
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

/** 1 / step, or 0 where that is no float32 or the interval is not one. */
// @ts-ignore: decorator
@inline
function inverseOf(step: f32): f32 {
  const inverse: f32 = 1 / step;
  return step > 0 && inverse <= f32.MAX_VALUE ? inverse : 0;
}

/**
 * float32 rows -> records. `centre` is `dimension` float32. `scratch` takes `dimension`, rounded up to 16, float32 and as
 * many 16-bit integers: the centred vector and zeros. What the zeros add to the sums of codes is taken off again, so
 * no loop has a tail.
 */
export function encodeInt4(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  centre: usize, scratch: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    encodeRow(source, dimension, target, centre, scratch);
    zeroPadding(target + INT4_FACTOR_BYTES + ((<usize>dimension + 1) >> 1), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

function encodeRow(source: usize, dimension: u32, target: usize, centre: usize, scratch: usize): void {
  const bytes = <usize>dimension << 2;
  const end = scratch + ((bytes + 63) & ~63);
  const zeros = <f64>((end - scratch - bytes) >> 2);
  const n = <f64>dimension;

  // v, and its moments.
  let sums = f32x4.splat(0);
  let squares = f32x4.splat(0);
  let norms = f32x4.splat(0);
  let dots = f32x4.splat(0);
  let mins = f32x4.splat(Infinity as f32);
  let maxs = f32x4.splat(-Infinity as f32);
  let i: usize = 0;
  // Two chains each: one of each would wait for itself.
  let sums1 = sums;
  let squares1 = sums;
  let norms1 = sums;
  let dots1 = sums;
  for (; i + 32 <= bytes; i += 32) {
    const x0 = v128.load(source + i);
    const x1 = v128.load(source + i, 16);
    const c0 = v128.load(centre + i);
    const c1 = v128.load(centre + i, 16);
    const v0 = f32x4.sub(x0, c0);
    const v1 = f32x4.sub(x1, c1);
    v128.store(scratch + i, v0);
    v128.store(scratch + i, v1, 16);
    sums = f32x4.add(sums, v0);
    sums1 = f32x4.add(sums1, v1);
    squares = f32x4.add(squares, f32x4.mul(v0, v0));
    squares1 = f32x4.add(squares1, f32x4.mul(v1, v1));
    norms = f32x4.add(norms, f32x4.mul(x0, x0));
    norms1 = f32x4.add(norms1, f32x4.mul(x1, x1));
    dots = f32x4.add(dots, f32x4.mul(x0, c0));
    dots1 = f32x4.add(dots1, f32x4.mul(x1, c1));
    mins = f32x4.pmin(mins, f32x4.pmin(v0, v1));
    maxs = f32x4.pmax(maxs, f32x4.pmax(v0, v1));
  }
  sums = f32x4.add(sums, sums1);
  squares = f32x4.add(squares, squares1);
  norms = f32x4.add(norms, norms1);
  dots = f32x4.add(dots, dots1);
  let norm = addLanes(norms);
  let dotCentre = addLanes(dots);
  for (; i < bytes; i += 4) {
    const x = load<f32>(source + i);
    const c = load<f32>(centre + i);
    const v: f32 = x - c;
    store<f32>(scratch + i, v);
    sums = f32x4.add(sums, f32x4.replace_lane(f32x4.splat(0), 0, v));
    squares = f32x4.add(squares, f32x4.replace_lane(f32x4.splat(0), 0, v * v));
    norm += <f64>x * <f64>x;
    dotCentre += <f64>x * <f64>c;
    mins = f32x4.pmin(mins, f32x4.splat(v));
    maxs = f32x4.pmax(maxs, f32x4.splat(v));
  }
  for (let p = scratch + bytes; p < end; p += 4) store<f32>(p, 0);
  const sum = addLanes(sums);
  const square = addLanes(squares);
  const mean = sum / n;
  const halfWidth = GAUSSIAN_HALF_WIDTH * sqrt(max<f64>(0, square / n - mean * mean));
  const least = leastLane(mins);
  const most = -leastLane(f32x4.neg(maxs));
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
  if (first == 0) toIntegers(scratch, end, integers, <f32>(1 / unit));
  for (let step = first; step <= MAX_STEPS; step++) {
    const width = <f32>((b - a) * (1.0 / 15));
    const inverse = inverseOf(width);
    if (inverse == 0) break;
    const inverses = f32x4.splat(inverse);
    const offsets = f32x4.splat(<f32>(<f64>FIXED_MAGIC + 0.5 - a * <f64>inverse));
    let codes = i64x2.splat(0);
    let codeSquares = codes;
    let products = codes;
    for (let p = scratch, w = integers; p < end; p += 64, w += 32) {
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
  store<f32>(target, <f32>dotCentre, 8);
  store<f32>(target, <f32>norm, 12);
  writeCodes(scratch, dimension, target + INT4_FACTOR_BYTES, bestA, inverseOf(bestStep));
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

// @ts-ignore: decorator
@inline
function leastLane(x: v128): f64 {
  const pair = f32x4.pmin(x, v128.shuffle<f64>(x, x, 1, 0));
  return <f64>min<f32>(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}

/** Sixteen codes, one a byte: the narrowing takes what is below 0, the minimum what is above 15. */
// @ts-ignore: decorator
@inline
function codes16(p: usize, lower: v128, inverse: v128, magic: v128): v128 {
  const low = i16x8.narrow_i32x4_s(
    code4(v128.load(p), lower, inverse, magic), code4(v128.load(p, 16), lower, inverse, magic));
  const high = i16x8.narrow_i32x4_s(
    code4(v128.load(p, 32), lower, inverse, magic), code4(v128.load(p, 48), lower, inverse, magic));
  return i8x16.min_u(i8x16.narrow_i16x8_u(low, high), i8x16.splat(15));
}

// @ts-ignore: decorator
@inline
function code4(v: v128, lower: v128, inverse: v128, magic: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(f32x4.sub(v, lower), inverse), magic), magic);
}

/** The code of one element. */
// @ts-ignore: decorator
@inline
function code1(p: usize, lower: v128, inverse: v128, magic: v128): i32 {
  return max(0, min(15, i32x4.extract_lane(code4(v128.load32_splat(p), lower, inverse, magic), 0)));
}

function writeCodes(v: usize, dimension: u32, target: usize, lower: f32, inverse: f32): void {
  const magic = v128.load(CONSTANTS, 0);
  const lowers = f32x4.splat(lower);
  const inverses = f32x4.splat(inverse);
  const half = (<usize>dimension + 1) >> 1;
  const upper = v + (half << 2);
  let j: usize = 0;
  for (; j + 16 <= half; j += 16) {
    const low = codes16(v + (j << 2), lowers, inverses, magic);
    const high = codes16(upper + (j << 2), lowers, inverses, magic);
    v128.store(target + j, v128.or(low, i16x8.shl(high, 4)));
  }
  for (; j < half; j++) {
    const low = code1(v + (j << 2), lowers, inverses, magic);
    const high = code1(upper + (j << 2), lowers, inverses, magic);
    store<u8>(target + j, <u8>(low | (high << 4)));
  }
  if (dimension & 1) store<u8>(target + half - 1, load<u8>(target + half - 1) & 15);
}

/** Records -> float32 rows, centre + a + s k; padding zeroed. */
export function decodeInt4(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32, centre: usize,
): void {
  const half = (<usize>dimension + 1) >> 1;
  const rest = <usize>dimension - half;
  const nibble = i16x8.splat(15);
  for (let row: u32 = 0; row < rows; row++) {
    const lower = load<f32>(source);
    const step = load<f32>(source, 4);
    const lowers = f32x4.splat(lower);
    const steps = f32x4.splat(step);
    const codes = source + INT4_FACTOR_BYTES;
    const upper = target + (half << 2);
    const upperCentre = centre + (half << 2);
    let j: usize = 0;
    for (; j + 8 <= rest; j += 8) {
      const pairs = v128.load8x8_u(codes + j);
      const at = j << 2;
      dequantize8(v128.and(pairs, nibble), lowers, steps, centre + at, target + at);
      dequantize8(i16x8.shr_u(pairs, 4), lowers, steps, upperCentre + at, upper + at);
    }
    for (; j < half; j++) {
      const pair = load<u8>(codes + j);
      const at = j << 2;
      store<f32>(target + at, (<f32>(pair & 15) * step + lower) + load<f32>(centre + at));
      if (j < rest) store<f32>(upper + at, (<f32>(pair >> 4) * step + lower) + load<f32>(upperCentre + at));
    }
    zeroPadding(target + (<usize>dimension << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

// @ts-ignore: decorator
@inline
function dequantize8(codes: v128, lowers: v128, steps: v128, centre: usize, target: usize): void {
  const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(codes));
  const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(codes));
  v128.store(target, f32x4.add(f32x4.add(f32x4.mul(low, steps), lowers), v128.load(centre)));
  v128.store(target, f32x4.add(f32x4.add(f32x4.mul(high, steps), lowers), v128.load(centre, 16)), 16);
}

/** sum(q16 * code) over `dimension` 4-bit codes in halves; exact up to {@link RUN} elements. */
// @ts-ignore: decorator
@inline
export function sumNibbles(query: usize, codes: usize, dimension: u32): f32 {
  const half = (<usize>dimension + 1) >> 1;
  const upper = query + (half << 1);
  const nibbles = i8x16.splat(15);
  const bulk = half & ~15;
  let j: usize = 0;
  let total: f32 = 0;
  while (j < bulk) {
    const run = min(bulk, j + (RUN >> 1));
    let sum = i64x2.splat(0);
    for (; j < run; j += 16) {
      const pairs = v128.load(codes + j);
      const low = v128.and(pairs, nibbles);
      const high = v128.and(i16x8.shr_u(pairs, 4), nibbles);
      const q = query + (j << 1);
      const u = upper + (j << 1);
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q), i16x8.extend_low_i8x16_u(low)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q, 16), i16x8.extend_high_i8x16_u(low)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(u), i16x8.extend_low_i8x16_u(high)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(u, 16), i16x8.extend_high_i8x16_u(high)));
    }
    const lanes = f32x4.convert_i32x4_s(sum);
    const pair = f32x4.add(lanes, v128.shuffle<f64>(lanes, lanes, 1, 0));
    total += f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
  }
  const rest = <usize>dimension - half;
  let tail: i32 = 0;
  for (; j < half; j++) {
    const pair = <i32>load<u8>(codes + j);
    tail += <i32>load<i16>(query + (j << 1)) * (pair & 15);
    if (j < rest) tail += <i32>load<i16>(upper + (j << 1)) * (pair >> 4);
  }
  return total + <f32>tail;
}

/**
 * target[row] = s * scale * sum(q16 * k) + a * querySum + <centre, x> + constant, float32. `querySum` is
 * scale * sum(q16), `constant` what does not depend on the row: <centre, q> - |centre|^2 makes it the dot product.
 */
export function scanInt4(
  query: usize, records: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
  scale: f32, querySum: f32, constant: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const sum = scale * sumNibbles(query, records + INT4_FACTOR_BYTES, dimension);
    const estimate = load<f32>(records, 4) * sum + load<f32>(records) * querySum;
    store<f32>(target, estimate + load<f32>(records, 8) + constant);
    records += strideBytes;
    target += 4;
  }
}
