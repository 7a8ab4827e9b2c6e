// One query against float16 rows and against sign bits.
//
// float16 meets the query in float32, eight lanes, element i in lane i mod 8, added as in distance.ts.
//
// Bits meet a query of 16-bit integers, q ~ scale * q16 (code-sums.ts). A bit stands for +1 or -1:
//
//   <q, x> ~ scale * (2 * sum(q16 where the bit is set) - sum(q16))
//
// Preconditions: strideBytes >= the row's bytes; the query has `dimension` elements; target does not overlap.

import { sumBits } from "./code-sums";

const CONSTANTS = memory.data<u32>([
  0x77800000, 0x77800000, 0x77800000, 0x77800000, // 2^112
  0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000,
  0x7fff7fff, 0x7fff7fff, 0x7fff7fff, 0x7fff7fff,
  0x7bff7bff, 0x7bff7bff, 0x7bff7bff, 0x7bff7bff,
], 16);
const INFINITY_BITS: u32 = 0x7f800000;

/** target[row] = sum(query * row), float32. See float16.ts for the decoding. */
export function scanFloat16(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const scale = v128.load(CONSTANTS, 0);
  const signAndMagnitude = v128.load(CONSTANTS, 16);
  const abs16 = v128.load(CONSTANTS, 32);
  const maxFinite = v128.load(CONSTANTS, 48);
  const bulk = <usize>dimension & ~7;
  for (let row: u32 = 0; row < rows; row++) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let q = query;
    let p = source;
    for (const end = source + (bulk << 1); p < end; p += 16, q += 32) {
      const h = v128.load(p);
      let low = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), signAndMagnitude), scale);
      let high = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), signAndMagnitude), scale);
      const special = i16x8.gt_s(v128.and(h, abs16), maxFinite);
      if (v128.any_true(special)) {
        const exponent = i32x4.splat(INFINITY_BITS);
        low = v128.or(low, v128.and(exponent, i32x4.extend_low_i16x8_s(special)));
        high = v128.or(high, v128.and(exponent, i32x4.extend_high_i16x8_s(special)));
      }
      sum0 = f32x4.add(sum0, f32x4.mul(v128.load(q), low));
      sum1 = f32x4.add(sum1, f32x4.mul(v128.load(q, 16), high));
    }
    const sum = f32x4.add(sum0, sum1);
    const pair = f32x4.add(sum, v128.shuffle<f64>(sum, sum, 1, 0));
    let total = f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
    for (const end = source + (<usize>dimension << 1); p < end; p += 2, q += 4) {
      const h = <u32>load<u16>(p);
      let bits = reinterpret<u32>(reinterpret<f32>((h & 0x7fff) << 13) * reinterpret<f32>(0x77800000));
      if ((h & 0x7fff) > 0x7bff) bits |= INFINITY_BITS;
      total += load<f32>(q) * reinterpret<f32>(bits | ((h & 0x8000) << 16));
    }
    store<f32>(target, total);
    source += strideBytes;
    target += 4;
  }
}

/** target[row] = scale * sum(q16 where the bit is set) + constant, float32. */
export function scanBits(
  query: usize, bits: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
  scale: f32, constant: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    store<f32>(target, scale * sumBits(query, bits, dimension) + constant);
    bits += strideBytes;
    target += 4;
  }
}
