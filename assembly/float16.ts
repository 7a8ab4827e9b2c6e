// float32 <-> IEEE 754 binary16, round to nearest even.
//
//   float32   s eeeeeeee mmmmmmmmmm mmmmmmmmmmmmm     bias 127
//   float16   s    eeeee mmmmmmmmmm                   bias 15
//
// Encode, for |x| in [2^-14, 65536) ("normal"): with a = |x| as bits, h = (a - (112 << 23) + 0xfff + bit13(a)) >> 13.
// The addition rounds to nearest even, and its carry walks into the exponent, up to infinity for |x| >= 65520.
// Below 2^-14 the sum |x| + 0.5 has an ulp of 2^-24, the spacing of float16 subnormals, so the adder of the
// processor rounds for us. From 65536 up: infinity; NaN keeps its sign and its upper payload, made quiet.
// (F. Giesen, "float_to_half_fast3_rtne", public domain.)
//
// Sixteen normal lanes take a shorter way to the same bits. It works three bits further left, where the half is the
// upper 16 bits and the sign falls off the top, to come back together with the bit that rounds to even:
//
//   d           = x - 2^-14 as bits + 0xfff        the sign may ride along: no borrow reaches it
//   d << 3      = 0eeeemmmmmmmmmmm rrrrrrrrrrrrr000  e: less 1, the first exponent of a normal half
//   x >> 10     = s...                   o...        o = bit13(x), now bit 3; masked to these two
//   their sum   = sign and half less 0x400 in the upper 16 bits
//
// d is also the test: lanes in [2^-14, 4), where embeddings are, have no bit of 0x78000000 set, and that takes one
// `or` a register; up to 65536 a comparison decides. What lies so little below 2^-14 that 0xfff lifts it over rounds
// to 2^-14, as it must. Other lanes below 65536 take a middle way, infinities and NaN the long one.
//
// Decode: the 15 lower bits << 13, read as float32, are the value times 2^-112, also for subnormals;
// one exact multiplication undoes it. Infinity and NaN then get exponent 255; payload and quietness stay.
//
// Layout: `rows` rows of `dimension` elements, strides in bytes; padding of target rows is zeroed.
// Preconditions: strides >= the row's bytes; source and target do not overlap.

import { zeroPadding } from "./padding";

const ABS: u32 = 0x7fffffff;
const MIN_NORMAL: u32 = 0x38800000; // 2^-14
const OVERFLOW: u32 = 0x47800000; // 2^16
const INFINITY_BITS: u32 = 0x7f800000;
/** Rounding half less one, and the change of bias. */
const ROUND_REBIAS: u32 = 0xfff - (112 << 23);
const SUBNORMAL_MAGIC: u32 = 0x3f000000; // 0.5
/** Turns x into d, see above. */
const REBIAS: u32 = 0xfff - MIN_NORMAL;

// Vector constants are loaded, not splatted: V8 would rebuild a constant splat in each iteration.
const CONSTANTS = memory.data<u32>([
  ABS, ABS, ABS, ABS,
  MIN_NORMAL, MIN_NORMAL, MIN_NORMAL, MIN_NORMAL,
  OVERFLOW - 1, OVERFLOW - 1, OVERFLOW - 1, OVERFLOW - 1,
  ROUND_REBIAS, ROUND_REBIAS, ROUND_REBIAS, ROUND_REBIAS,
  0x77800000, 0x77800000, 0x77800000, 0x77800000, // 2^112
  0x7fff7fff, 0x7fff7fff, 0x7fff7fff, 0x7fff7fff,
  0x7bff7bff, 0x7bff7bff, 0x7bff7bff, 0x7bff7bff,
  0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000,
  SUBNORMAL_MAGIC, SUBNORMAL_MAGIC, SUBNORMAL_MAGIC, SUBNORMAL_MAGIC,
  REBIAS, REBIAS, REBIAS, REBIAS,
  0x78000000, 0x78000000, 0x78000000, 0x78000000,
  0x80000008, 0x80000008, 0x80000008, 0x80000008, // the sign, and what rounds an odd half up
  0x04000400, 0x04000400, 0x04000400, 0x04000400,
  OVERFLOW - 1 + REBIAS, OVERFLOW - 1 + REBIAS, OVERFLOW - 1 + REBIAS, OVERFLOW - 1 + REBIAS,
], 16);

/** float32 rows -> float16 rows. */
export function encodeFloat16(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    encodeRow(source, dimension, target);
    zeroPadding(target + (<usize>dimension << 1), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** float16 rows -> float32 rows. */
export function decodeFloat16(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    decodeRow(source, dimension, target);
    zeroPadding(target + (<usize>dimension << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

function encodeRow(source: usize, count: u32, target: usize): void {
  const absMask = v128.load(CONSTANTS, 0);
  const minNormal = v128.load(CONSTANTS, 16);
  const roundRebias = v128.load(CONSTANTS, 48);
  const rebias = v128.load(CONSTANTS, 144);
  const notSmall = v128.load(CONSTANTS, 160);
  const signAndOdd = v128.load(CONSTANTS, 176);
  const firstNormal = v128.load(CONSTANTS, 192);
  const end = target + (<usize>count << 1);
  for (; target + 32 <= end; target += 32, source += 64) {
    const x0 = v128.load(source);
    const x1 = v128.load(source, 16);
    const x2 = v128.load(source, 32);
    const x3 = v128.load(source, 48);
    const d0 = i32x4.add(x0, rebias);
    const d1 = i32x4.add(x1, rebias);
    const d2 = i32x4.add(x2, rebias);
    const d3 = i32x4.add(x3, rebias);
    if (
      !v128.any_true(v128.and(v128.or(v128.or(d0, d1), v128.or(d2, d3)), notSmall)) ||
      !v128.any_true(i32x4.gt_s(greatestOf(d0, d1, d2, d3, absMask), v128.load(CONSTANTS, 208)))
    ) {
      v128.store(target, encodeNormal(x0, d0, x1, d1, signAndOdd, firstNormal));
      v128.store(target, encodeNormal(x2, d2, x3, d3, signAndOdd, firstNormal), 16);
      continue;
    }
    const a0 = v128.and(x0, absMask);
    const a1 = v128.and(x1, absMask);
    const a2 = v128.and(x2, absMask);
    const a3 = v128.and(x3, absMask);
    if (!v128.any_true(i32x4.gt_s(greatestOf(x0, x1, x2, x3, absMask), v128.load(CONSTANTS, 32)))) {
      const magic = v128.load(CONSTANTS, 128);
      v128.store(target, i16x8.narrow_i32x4_s(
        encodeFinite(x0, a0, roundRebias, minNormal, magic), encodeFinite(x1, a1, roundRebias, minNormal, magic)));
      v128.store(target, i16x8.narrow_i32x4_s(
        encodeFinite(x2, a2, roundRebias, minNormal, magic), encodeFinite(x3, a3, roundRebias, minNormal, magic)), 16);
    } else {
      v128.store(target, i16x8.narrow_i32x4_s(encodeAny(x0), encodeAny(x1)));
      v128.store(target, i16x8.narrow_i32x4_s(encodeAny(x2), encodeAny(x3)), 16);
    }
  }
  for (; target < end; target += 2, source += 4) {
    store<u16>(target, <u16>i32x4.extract_lane(encodeAny(v128.load32_zero(source)), 0));
  }
}

/** The greatest of the four registers, lane by lane, signs cleared. */
// @ts-ignore: decorator
@inline
function greatestOf(x0: v128, x1: v128, x2: v128, x3: v128, absMask: v128): v128 {
  return i32x4.max_s(
    i32x4.max_s(v128.and(x0, absMask), v128.and(x1, absMask)),
    i32x4.max_s(v128.and(x2, absMask), v128.and(x3, absMask)),
  );
}

/** |x| of four normal lanes, `a` = |x|. */
// @ts-ignore: decorator
@inline
function magnitudeOfNormal(a: v128, roundRebias: v128): v128 {
  // -bit13(a) in every lane, subtracted: adds one to an odd mantissa.
  const odd = i32x4.shr_s(i32x4.shl(a, 18), 31);
  return i32x4.shr_u(i32x4.sub(i32x4.add(a, roundRebias), odd), 13);
}

/** Adds the sign of x, extended to 32 bits, so that the saturating narrowing keeps it. */
// @ts-ignore: decorator
@inline
function withSign(magnitude: v128, x: v128, a: v128): v128 {
  return v128.or(magnitude, i32x4.shr_s(v128.xor(x, a), 16));
}

/** Eight normal lanes x and y with their d. */
// @ts-ignore: decorator
@inline
function encodeNormal(x: v128, dx: v128, y: v128, dy: v128, signAndOdd: v128, firstNormal: v128): v128 {
  return i16x8.add(firstNormal, i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(i32x4.shl(dx, 3), v128.and(i32x4.shr_s(x, 10), signAndOdd)), 16),
    i32x4.shr_s(i32x4.add(i32x4.shl(dy, 3), v128.and(i32x4.shr_s(y, 10), signAndOdd)), 16),
  ));
}

/** Four lanes below 65536: normal, subnormal or zero. */
// @ts-ignore: decorator
@inline
function encodeFinite(x: v128, a: v128, roundRebias: v128, minNormal: v128, magic: v128): v128 {
  const subnormal = i32x4.sub(f32x4.add(a, magic), magic);
  const normal = magnitudeOfNormal(a, roundRebias);
  return withSign(v128.bitselect(subnormal, normal, i32x4.gt_s(minNormal, a)), x, a);
}

/** Four lanes of any kind. */
function encodeAny(x: v128): v128 {
  const a = v128.and(x, i32x4.splat(ABS));
  const finite = encodeFinite(
    x, a, i32x4.splat(ROUND_REBIAS), i32x4.splat(MIN_NORMAL), i32x4.splat(SUBNORMAL_MAGIC));
  const payload = v128.or(i32x4.splat(0x200), v128.and(i32x4.shr_u(a, 13), i32x4.splat(0x3ff)));
  const isNan = i32x4.gt_s(a, i32x4.splat(INFINITY_BITS));
  const special = withSign(v128.or(i32x4.splat(0x7c00), v128.and(payload, isNan)), x, a);
  return v128.bitselect(special, finite, i32x4.gt_s(a, i32x4.splat(OVERFLOW - 1)));
}

function decodeRow(source: usize, count: u32, target: usize): void {
  const scale = v128.load(CONSTANTS, 64);
  const abs16 = v128.load(CONSTANTS, 80);
  const maxFinite = v128.load(CONSTANTS, 96);
  const signAndMagnitude = v128.load(CONSTANTS, 112);
  const end = target + (<usize>count << 2);
  for (; target + 32 <= end; target += 32, source += 16) {
    const h = v128.load(source);
    // Sign extension fills bits 15 .. 31; after the shift only bit 31 of them is kept.
    let low = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), signAndMagnitude), scale);
    let high = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), signAndMagnitude), scale);
    const special = i16x8.gt_s(v128.and(h, abs16), maxFinite);
    if (v128.any_true(special)) {
      const exponent = i32x4.splat(INFINITY_BITS);
      low = v128.or(low, v128.and(exponent, i32x4.extend_low_i16x8_s(special)));
      high = v128.or(high, v128.and(exponent, i32x4.extend_high_i16x8_s(special)));
    }
    v128.store(target, low);
    v128.store(target, high, 16);
  }
  for (; target < end; target += 4, source += 2) {
    const h = <u32>load<u16>(source);
    const a = h & 0x7fff;
    let bits = reinterpret<u32>(reinterpret<f32>(a << 13) * reinterpret<f32>(0x77800000));
    if (a > 0x7bff) bits |= INFINITY_BITS;
    store<u32>(target, bits | ((h & 0x8000) << 16));
  }
}
