// Optimized scalar quantization to 4 bits (Lucene's OSQ; the loss is ScaNN's anisotropic one, Guo et al. 2020).
//
// Of v = x - centre (the mean of the data) each vector keeps 16 levels of its own interval [a, b]:
//
//   k = roundHalfEven(clamp((v - a) * 15 / (b - a), 0, 15))        v ~ v' = a + s k,  s = (b - a) / 15
//
// a and b are the interval of int4-interval.ts, which moves inner products least.
//
//   record   | f32 a | f32 s | f32 <centre, x> | f32 |x|^2 | code bytes |      16 + ceil(D / 2) bytes
//   byte j of the codes: element j in the low half, element j + ceil(D / 2) in the high half
//
// For a query q and its difference to the centre, q' = q - centre,
//
//   <q, x> = <q', v> + <centre, x> + <centre, q> - |centre|^2,     <q', v> ~ a sum(q') + s sum(q' k),
//
// so only <q', v> is estimated. The query is q' ~ scale * q16, as code-sums.ts wants it.
//
// Elements that are not finite, and vectors whose squares leave float32, give unspecified codes, never an access
// outside the record. Preconditions: strides >= the row's bytes; source, centre and targets do not overlap.

import { sumNibbles } from "./code-sums";
import { inverseOf, writeInterval } from "./int4-interval";
import { zeroPadding } from "./padding";

/** 1.5 * 2^23: adding it leaves the integer nearest to x (ties to even) in the low mantissa bits, -2^22 <= x < 2^22. */
const MAGIC: f32 = 12582912;
const INT4_FACTOR_BYTES: usize = 16;

const CONSTANTS = memory.data<f32>([
  MAGIC, MAGIC, MAGIC, MAGIC,
], 16);

// @ts-ignore: decorator
@inline
function addLanes(x: v128): f64 {
  const pair = f64x2.add(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(v128.shuffle<f64>(x, x, 1, 1)));
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
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

  // v, and its moments.
  let sums = f32x4.splat(0);
  let squares = f32x4.splat(0);
  let norms = f32x4.splat(0);
  let dots = f32x4.splat(0);
  let mins = f32x4.splat(Infinity as f32);
  let maxs = f32x4.splat(-Infinity as f32);
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    const x0 = v128.load(source + i);
    const x1 = v128.load(source + i, 16);
    const c0 = v128.load(centre + i);
    const c1 = v128.load(centre + i, 16);
    const v0 = f32x4.sub(x0, c0);
    const v1 = f32x4.sub(x1, c1);
    v128.store(scratch + i, v0);
    v128.store(scratch + i, v1, 16);
    sums = f32x4.add(sums, f32x4.add(v0, v1));
    squares = f32x4.add(squares, f32x4.add(f32x4.mul(v0, v0), f32x4.mul(v1, v1)));
    norms = f32x4.add(norms, f32x4.add(f32x4.mul(x0, x0), f32x4.mul(x1, x1)));
    dots = f32x4.add(dots, f32x4.add(f32x4.mul(x0, c0), f32x4.mul(x1, c1)));
    mins = f32x4.pmin(mins, f32x4.pmin(v0, v1));
    maxs = f32x4.pmax(maxs, f32x4.pmax(v0, v1));
  }
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
  writeInterval(scratch, dimension, sum, square, leastLane(mins), -leastLane(f32x4.neg(maxs)), target);
  store<f32>(target, <f32>dotCentre, 8);
  store<f32>(target, <f32>norm, 12);
  writeCodes(scratch, dimension, target + INT4_FACTOR_BYTES, load<f32>(target), inverseOf(load<f32>(target, 4)));
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
