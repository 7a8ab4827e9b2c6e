// RaBitQ: B bits per dimension, B = 1, 2 or 4, with an unbiased estimate of inner products and a bound on its error
// (Gao & Long, SIGMOD 2024; Gao et al., SIGMOD 2025).
//
// r = P (x - centre) with a random rotation P (`hadamard.ts`) of n = D rounded up to 64 elements. Each element's code u
// stands for z = u - (2^B - 1) / 2, that is the sign of r and a magnitude:
//
//   e = B - 1 bits of magnitude   k = min(floor(t |r|), 2^e - 1)     |z| = k + 1/2
//   u = 2^e + k where r >= 0, 2^e - 1 - k where r < 0
//
// t is chosen per vector to maximise the cosine of z and r: among 16 candidates around the best uniform quantizer of a
// normal distribution (a rotated vector looks like one), 12 at 12 % from each other, then four closer ones around the
// best. For B = 1 there is nothing to choose.
//
// With F = |r|^2 / <r, z>, the estimate <r, p> ~ F <z, p> is unbiased over rotations for any p, as the error of z is
// equally likely to lie in every direction across r. Its standard error is
//
//   |r| |p| sqrt((|r|^2 |z|^2 / <r, z>^2 - 1) / (n - 1))
//
// Only inner products with q' = q - centre are estimated:
//
//   <q, x> = <P q', r> + <centre, x> + <centre, q> - |centre|^2,     <P q', r> ~ F (sum(q' u) - (2^B - 1) / 2 sum(q'))
//
//   record   | f32 F | f32 <centre, x> | f32 |x|^2 | codes |      12 + n B / 8 bytes
//   codes    B = 1: element d is bit d mod 8 of byte d / 8
//            B = 2: byte j holds elements j, j + n/4, j + n/2, j + 3n/4, two bits each, lowest first
//            B = 4: byte j holds element j in the low half and j + n/2 in the high half
//
// x = centre gives F = 0. Elements that are not finite, and vectors whose squares leave float32, give unspecified
// codes, never an access outside the record. Preconditions: n is D rounded up to 64; strides >= the row's bytes; source,
// centre, signs, scratch and targets do not overlap.

import { sumBits, sumNibbles, sumPairs } from "./code-sums";
import { rotate, subtractCentre, unrotate } from "./hadamard";
import { zeroPadding } from "./padding";

const FACTOR_BYTES: usize = 12;
/** t * deviation of the best uniform quantizer of a normal variable with 4 and with 16 levels (Max 1960): 1 / step. */
const GAUSSIAN_T_2: f32 = 1.0043;
const GAUSSIAN_T_4: f32 = 2.983;

/** 2^(-5/6) .. 2^1 in steps of 2^(1/6); then 2^(-2/30) .. 2^(2/30) around the best of them. */
const CANDIDATES = memory.data<f32>([
  0.56123102, 0.62996052, 0.70710678, 0.79370053,
  0.89089872, 1, 1.12246205, 1.25992105,
  1.41421356, 1.58740105, 1.78179744, 2,
  0.95484160, 0.97715997, 1.02337389, 1.04729412,
], 16);

// @ts-ignore: decorator
@inline
function addLanes(x: v128): f32 {
  const pair = f32x4.add(x, v128.shuffle<f64>(x, x, 1, 0));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/** sum(x * y) over `dimension` elements, float32. */
// @ts-ignore: decorator
@inline
function dot(x: usize, y: usize, dimension: u32): f32 {
  const bytes = <usize>dimension << 2;
  let sum = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  let total = addLanes(sum);
  for (; i < bytes; i += 4) total += load<f32>(x + i) * load<f32>(y + i);
  return total;
}

/**
 * float32 rows -> records of `bits` = 1, 2 or 4 bits a dimension. `padded` is n, `centre` is `dimension` float32, `signs`
 * the rotation's 4 n float32, `scratch` takes n float32.
 */
export function encodeRabitq(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  bits: u32, padded: u32, centre: usize, signs: usize, scratch: usize,
): void {
  const recordBytes = FACTOR_BYTES + ((<usize>padded * bits) >> 3);
  for (let row: u32 = 0; row < rows; row++) {
    subtractCentre(source, centre, dimension, padded, scratch);
    rotate(scratch, padded, signs);
    const square = dot(scratch, scratch, padded);
    const codes = target + FACTOR_BYTES;
    let along: f32;
    if (bits == 1) along = writeSigns(scratch, padded, codes);
    else {
      const deviation: f32 = sqrt<f32>(square / <f32>padded);
      const start: f32 = (bits == 2 ? GAUSSIAN_T_2 : GAUSSIAN_T_4) / deviation;
      const most: f32 = bits == 2 ? 1 : 7;
      // 0 and infinity of a zero vector, or one next to it, would put NaN into codes.
      const t = start <= f32.MAX_VALUE ? bestFactor(scratch, padded, start, most) : 0;
      along = bits == 2 ? writePairs(scratch, padded, codes, t) : writeNibbles(scratch, padded, codes, t);
    }
    const factor: f32 = square / along;
    store<f32>(target, factor <= f32.MAX_VALUE ? factor : 0);
    store<f32>(target, dot(source, centre, dimension), 4);
    store<f32>(target, dot(source, source, dimension), 8);
    zeroPadding(target + recordBytes, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** The factor t, of the 16 candidates around `start`, whose codes have the greatest cosine with r; the first of equals. */
function bestFactor(r: usize, n: u32, start: f32, most: f32): f32 {
  let best: f32 = start;
  let bestScore: f32 = -1;
  let around = start;
  for (let group: usize = 0; group < 64; group += 16) {
    if (group == 48) around = best;
    const factors = f32x4.mul(f32x4.splat(around), v128.load(CANDIDATES + group));
    let scores = scoreFactors(r, n, factors, most);
    for (let lane = 0; lane < 4; lane++) {
      if (f32x4.extract_lane(scores, 0) > bestScore) {
        bestScore = f32x4.extract_lane(scores, 0);
        best = around * load<f32>(CANDIDATES + group + (<usize>lane << 2));
      }
      scores = v128.shuffle<f32>(scores, scores, 1, 2, 3, 0);
    }
  }
  return best;
}

/** For each of four t: <z, |r|>^2 / |z|^2, which grows with the cosine. */
function scoreFactors(r: usize, n: u32, factors: v128, most: f32): v128 {
  const abs = i32x4.splat(0x7fffffff);
  const half = f32x4.splat(0.5);
  const mosts = f32x4.splat(most);
  const t0 = v128.shuffle<f32>(factors, factors, 0, 0, 0, 0);
  const t1 = v128.shuffle<f32>(factors, factors, 1, 1, 1, 1);
  const t2 = v128.shuffle<f32>(factors, factors, 2, 2, 2, 2);
  const t3 = v128.shuffle<f32>(factors, factors, 3, 3, 3, 3);
  let dot0 = f32x4.splat(0);
  let dot1 = dot0;
  let dot2 = dot0;
  let dot3 = dot0;
  let square0 = dot0;
  let square1 = dot0;
  let square2 = dot0;
  let square3 = dot0;
  for (const end = r + (<usize>n << 2); r < end; r += 16) {
    const a = v128.and(v128.load(r), abs);
    const z0 = f32x4.add(f32x4.floor(f32x4.pmin(mosts, f32x4.mul(a, t0))), half);
    const z1 = f32x4.add(f32x4.floor(f32x4.pmin(mosts, f32x4.mul(a, t1))), half);
    const z2 = f32x4.add(f32x4.floor(f32x4.pmin(mosts, f32x4.mul(a, t2))), half);
    const z3 = f32x4.add(f32x4.floor(f32x4.pmin(mosts, f32x4.mul(a, t3))), half);
    dot0 = f32x4.add(dot0, f32x4.mul(z0, a));
    dot1 = f32x4.add(dot1, f32x4.mul(z1, a));
    dot2 = f32x4.add(dot2, f32x4.mul(z2, a));
    dot3 = f32x4.add(dot3, f32x4.mul(z3, a));
    square0 = f32x4.add(square0, f32x4.mul(z0, z0));
    square1 = f32x4.add(square1, f32x4.mul(z1, z1));
    square2 = f32x4.add(square2, f32x4.mul(z2, z2));
    square3 = f32x4.add(square3, f32x4.mul(z3, z3));
  }
  const dots = transposedSum(dot0, dot1, dot2, dot3);
  return f32x4.div(f32x4.mul(dots, dots), transposedSum(square0, square1, square2, square3));
}

/** Lane i of the result is the sum of the lanes of the i-th argument. */
// @ts-ignore: decorator
@inline
function transposedSum(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 1, 4, 5), v128.shuffle<f32>(c, d, 2, 3, 6, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

/** One bit an element, set where r >= 0; returns <r, z>. */
function writeSigns(r: usize, n: u32, target: usize): f32 {
  const abs = i32x4.splat(0x7fffffff);
  let sum = f32x4.splat(0);
  for (const end = r + (<usize>n << 2); r < end; r += 32, target++) {
    const low = v128.load(r);
    const high = v128.load(r, 16);
    store<u8>(target, <u8>(i32x4.bitmask(low) | (i32x4.bitmask(high) << 4)) ^ 255);
    sum = f32x4.add(sum, f32x4.add(v128.and(low, abs), v128.and(high, abs)));
  }
  return addLanes(sum) * 0.5;
}

/** Four codes as integers. */
// @ts-ignore: decorator
@inline
function code4(r: v128, t: v128, most: v128, shift: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.add(signedCode(r, t, most), shift));
}

/** Four z at the factor t, with the sign of r. */
// @ts-ignore: decorator
@inline
function signedCode(r: v128, t: v128, most: v128): v128 {
  const sign = i32x4.splat(0x80000000);
  const magnitude = f32x4.floor(f32x4.pmin(most, f32x4.mul(v128.andnot(r, sign), t)));
  return v128.or(f32x4.add(magnitude, f32x4.splat(0.5)), v128.and(r, sign));
}

/** Sixteen codes at r, one a byte: z + shift, which is a whole number of 0 .. 2^B - 1. */
// @ts-ignore: decorator
@inline
function codes16(r: usize, t: v128, most: v128, shift: v128): v128 {
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(code4(v128.load(r), t, most, shift), code4(v128.load(r, 16), t, most, shift)),
    i16x8.narrow_i32x4_s(code4(v128.load(r, 32), t, most, shift), code4(v128.load(r, 48), t, most, shift)),
  );
}

/** <r, z> for the codes at the factor t. */
function sumAlong(r: usize, n: u32, t: v128, most: v128): f32 {
  let sum = f32x4.splat(0);
  for (const end = r + (<usize>n << 2); r < end; r += 16) {
    const x = v128.load(r);
    sum = f32x4.add(sum, f32x4.mul(x, signedCode(x, t, most)));
  }
  return addLanes(sum);
}

/** Two bits an element; returns <r, z>. */
function writePairs(r: usize, n: u32, target: usize, t: f32): f32 {
  const ts = f32x4.splat(t);
  const most = f32x4.splat(1);
  const shift = f32x4.splat(1.5);
  const quarter = <usize>n;
  for (let j: usize = 0; j < quarter; j += 64, target += 16) {
    const p = r + j;
    const a = codes16(p, ts, most, shift);
    const b = codes16(p + quarter, ts, most, shift);
    const c = codes16(p + 2 * quarter, ts, most, shift);
    const d = codes16(p + 3 * quarter, ts, most, shift);
    const low = v128.or(a, i16x8.shl(b, 2));
    v128.store(target, v128.or(low, v128.or(i16x8.shl(c, 4), i16x8.shl(d, 6))));
  }
  return sumAlong(r, n, ts, most);
}

/** Four bits an element; returns <r, z>. */
function writeNibbles(r: usize, n: u32, target: usize, t: f32): f32 {
  const ts = f32x4.splat(t);
  const most = f32x4.splat(7);
  const shift = f32x4.splat(7.5);
  const half = <usize>n << 1;
  for (let j: usize = 0; j < half; j += 64, target += 16) {
    const p = r + j;
    const low = codes16(p, ts, most, shift);
    v128.store(target, v128.or(low, i16x8.shl(codes16(p + half, ts, most, shift), 4)));
  }
  return sumAlong(r, n, ts, most);
}

/** The code of element `d`. */
// @ts-ignore: decorator
@inline
function codeAt(codes: usize, d: u32, bits: u32, padded: u32): u32 {
  if (bits == 1) return (load<u8>(codes + (d >> 3)) >> <u8>(d & 7)) & 1;
  const groups = padded * bits >> 3;
  const group = d / groups;
  return (load<u8>(codes + (d - group * groups)) >> <u8>(group * bits)) & ((1 << bits) - 1);
}

/**
 * Records -> float32 rows: centre + P^-1 (<r, z> / |z|^2 z), of all multiples of z the nearest to r. `centreSquare` is
 * |centre|^2; `scratch` takes n float32; padding zeroed.
 */
export function decodeRabitq(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  bits: u32, padded: u32, centre: usize, signs: usize, scratch: usize, centreSquare: f32,
): void {
  const middle: f32 = <f32>((1 << bits) - 1) * 0.5;
  for (let row: u32 = 0; row < rows; row++) {
    const codes = source + FACTOR_BYTES;
    let square: f32 = 0;
    for (let d: u32 = 0; d < padded; d++) {
      const z = <f32>codeAt(codes, d, bits, padded) - middle;
      store<f32>(scratch + (<usize>d << 2), z);
      square += z * z;
    }
    unrotate(scratch, padded, signs);
    const factor = load<f32>(source);
    // |r|^2 = |x|^2 - 2 <centre, x> + |centre|^2 may come out a hair below 0 for x next to the centre.
    const length = max<f32>(0, load<f32>(source, 8) - 2 * load<f32>(source, 4) + centreSquare);
    const scale: f32 = factor > 0 ? length / (factor * square) : 0;
    for (let d: u32 = 0; d < dimension; d++) {
      const at = <usize>d << 2;
      store<f32>(target + at, load<f32>(scratch + at) * scale + load<f32>(centre + at));
    }
    zeroPadding(target + (<usize>dimension << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/**
 * target[row] = F (scale * sum(q16 * u) - shift) + <centre, x> + constant, float32. `shift` is (2^B - 1) / 2 * scale *
 * sum(q16), `constant` what does not depend on the row: <centre, q> - |centre|^2 makes it the dot product.
 */
export function scanRabitq(
  query: usize, records: usize, strideBytes: u32, rows: u32, padded: u32, target: usize,
  bits: u32, scale: f32, shift: f32, constant: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const codes = records + FACTOR_BYTES;
    let sum: f32;
    if (bits == 1) sum = sumBits(query, codes, padded);
    else if (bits == 2) sum = sumPairs(query, codes, padded);
    else sum = sumNibbles(query, codes, padded);
    store<f32>(target, load<f32>(records) * (scale * sum - shift) + load<f32>(records, 4) + constant);
    records += strideBytes;
    target += 4;
  }
}
