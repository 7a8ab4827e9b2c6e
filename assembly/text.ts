// float32 rows -> JSON text, `[0.25,-15e-8,...]`, with the fewest digits that read back to the same float32.
//
// Elements in [2^-13, 2^23), nearly all there are, take a path with hardly a branch. There x = m 2^-s with
// 2^23 <= m < 2^24 and 1 <= s <= 36; k = ceil(s log10 2), 1 to 11, makes
//
//   v = x 10^k = m 10^k / 2^s         w = ulp(x) 10^k = 10^k / 2^s,  1 < w < 10
//
// and m 10^k < 2^64, so v is held exactly, with s fraction bits. It is Schubfach's choice of k (see shortest.ts): the
// rounding interval v +- w/2 holds an integer and at most one multiple of ten, t. D = t if |t - v| <= w/2 (< for an odd
// m), else the integer nearest to v, ties to even. D < 1.68 * 10^8. At a power of two the interval's lower half is only
// w/4; the 36 of them here come out right all the same, because v is a multiple of ten down to 2^-9, and from 2^-10 on
// the nearest integer is inside and no multiple of ten is within w/2. All else goes to shortest.ts.
//
// Below 1 the text is "0." and D padded to k digits, above it D with a point before the last k, in both cases without
// the zeros at the end of the fraction.
//
// Form: the shorter of plain (`0.01`, `12.5`, `100`) and whole digits with an exponent (`1e-3`, `15e-7`, `1e21`), plain
// if equal; no shorter JSON number reads back. Zero is `0`, and `-0` keeps its sign: JSON.parse("-0") is -0. The
// longest element is `-123456789e-45`, 14 bytes. With places after the point, n digits and z zeros between them, the
// exponent saves something when z + 2 > 2 + (digits of places):
//
//   z >= 2 and places < 10   or   z >= 3
//
// In [0.001, 0.01), where z = 2, k is 10, so that places < 10 exactly when D was a multiple of ten; below, z >= 3.
//
//   target    [a,b,c][d,e,f][g,h,i]...
//   offsets   0      7      14     ...  end      u32 from target, rows + 1 of them
//
// Preconditions: dimension >= 1; target holds rows * (15 * dimension + 1) + 32 bytes of slack; nothing overlaps.

import { ASCII_ZEROS, eightDigits } from "./digits";
import { EXPONENT_BIAS, shortestDecimal } from "./shortest";

/** 10^k by exponent field, from that of 2^-13 to that of 2^22. */
const SCALES = memory.data<u64>([
  100000000000, 100000000000, 100000000000, 10000000000, 10000000000, 10000000000, 10000000000,
  1000000000, 1000000000, 1000000000, 100000000, 100000000, 100000000,
  10000000, 10000000, 10000000, 10000000, 1000000, 1000000, 1000000, 100000, 100000, 100000,
  10000, 10000, 10000, 10000, 1000, 1000, 1000, 100, 100, 100, 10, 10, 10,
]);
const SCALED_FIELDS: u32 = 36;
const FIRST_SCALED_FIELD: u32 = 114;
const ONE_BITS: u32 = 0x3f800000;
const FRACTION: u32 = 0x7fffff;
const IMPLICIT: u32 = 0x800000;
const INFINITY_BITS: u32 = 0x7f800000;
/** "0.000000" */
const ZERO_POINT: u64 = 0x3030303030302e30;
/** "e-0" and "e-10" */
const E_MINUS: u32 = 0x00302d65;
const E_MINUS_TEN: u32 = 0x30312d65;
/** The least float32 whose shortest decimal is at least 0.01, 0.001. */
const HUNDREDTH_BITS: u32 = 0x3c23d70a;
const THOUSANDTH_BITS: u32 = 0x3a83126f;

/** Returns row * dimension + component of the first NaN or infinity, at which it stops; -1 if there is none. */
export function textFloat32(
  source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize, offsets: usize,
): i32 {
  const start = target;
  for (let row: u32 = 0; row < rows; row++) {
    store<u32>(offsets, <u32>(target - start));
    store<u8>(target++, 0x5b); // [
    const end = source + (<usize>dimension << 2);
    for (let p = source; p < end; p += 4) {
      const bits = load<u32>(p);
      const magnitude = bits & 0x7fffffff;
      store<u8>(target, 0x2d); // -
      target += bits >>> 31;
      const index = (magnitude >> 23) - FIRST_SCALED_FIELD;
      if (index < SCALED_FIELDS) {
        const m = (magnitude & FRACTION) | IMPLICIT;
        const scale = load<u64>(SCALES + (<usize>index << 3));
        const s: u32 = 36 - index;
        const k: u32 = ((s * 77) >> 8) + 1;
        const v = <u64>m * scale;
        const floor = v >> s;
        const nearest = <u32>((v + ((<u64>1 << (s - 1)) - 1 + (floor & 1))) >> s);
        const tens: u32 = ((<u32>floor + 5) / 10) * 10;
        const distance = <i64>((<u64>tens << s) - v);
        const inside = (distance < 0 ? -distance : distance) < <i64>((scale >> 1) + (~m & 1));
        const digits = inside ? tens : nearest;

        const ninth = <u32>(digits >= 100000000);
        const eight = eightDigits(digits - ninth * 100000000);
        const zeros = <u32>clz(eight) >> 3;
        if (magnitude >= ONE_BITS) {
          target = zeros <= k + 2
            ? writeFromOne(ninth, eight, zeros, k, target)
            : writeWhole(digits, -<i32>k, target);
        } else if (magnitude < THOUSANDTH_BITS || (inside && magnitude < HUNDREDTH_BITS)) {
          target = writeSmall(eight, zeros, k, target);
        } else {
          target = writeBelowOne(ninth, eight, zeros, k, target);
        }
      } else if (magnitude == 0) {
        store<u8>(target++, 0x30);
      } else if (magnitude >= INFINITY_BITS) {
        return <i32>(row * dimension) + <i32>((p - source) >> 2);
      } else {
        const decimal = shortestDecimal(magnitude);
        target = writeWhole(<u32>decimal, <i32>(decimal >> 32) - EXPONENT_BIAS, target);
      }
      store<u8>(target++, 0x2c); // ,
    }
    store<u8>(target - 1, 0x5d); // ]
    source += strideBytes;
    offsets += 4;
  }
  store<u32>(offsets, <u32>(target - start));
  return -1;
}

// The three forms of D = ninth * 10^8 + eight, the last `zeros` of its digits 0, times 10^-k. Each returns the end of
// the text and may overwrite up to 9 bytes beyond it.

/** `0.0ddd`: D padded to k digits, k >= 8. */
// @ts-ignore: decorator
@inline
function writeBelowOne(ninth: u32, eight: u64, zeros: u32, k: u32, target: usize): usize {
  // The ninth digit from the end stands k - 7 bytes into "0.000000"; for k = 8 that is the point, and the digit is 0.
  store<u64>(target, ZERO_POINT + (<u64>ninth << ((k - 7) << 3)));
  store<u64>(target + k - 6, eight | ASCII_ZEROS);
  return target + 2 + k - zeros;
}

/** `ddde-9`: D < 10^8 without zeros at either end, 1 <= k - zeros < 20. */
// @ts-ignore: decorator
@inline
function writeSmall(eight: u64, zeros: u32, k: u32, target: usize): usize {
  const leading = <u32>ctz(eight) >> 3;
  const places = k - zeros;
  store<u64>(target, (eight | ASCII_ZEROS) >> (leading << 3));
  target += 8 - leading - zeros;
  store<u32>(target, places < 10 ? E_MINUS + (places << 16) : E_MINUS_TEN + ((places - 10) << 24));
  return target + (places < 10 ? 3 : 4);
}

/** `dd.d`, or `dd00` with at most two zeros: D >= 10^k, 1 <= k <= 7, zeros <= k + 2. */
// @ts-ignore: decorator
@inline
function writeFromOne(ninth: u32, eight: u64, zeros: u32, k: u32, target: usize): usize {
  const leading = ninth != 0 ? 0 : <u32>ctz(eight) >> 3;
  const text = (eight | ASCII_ZEROS) >> (leading << 3);
  const whole = 8 - leading - k;
  store<u8>(target, 0x31); // 1
  target += ninth;
  store<u64>(target, text);
  store<u8>(target + whole, 0x2e); // .
  store<u64>(target + whole + 1, text >> (whole << 3));
  const fraction: u32 = zeros < k ? k - zeros + 1 : 0;
  return target + whole + fraction;
}

/**
 * `ddd`, `ddd0`, `ddd00` or `ddde-9`: digits * 10^exponent, 0 < digits < 10^9, where that is the shortest form: a whole
 * number, or less than 0.001. Returns the end of the text.
 */
function writeWhole(digits: u32, exponent: i32, target: usize): usize {
  // Nine digits, the first not 0, then without the zeros at the end.
  while (digits < 100000000) {
    digits *= 10;
    exponent--;
  }
  const first = digits / 100000000;
  const eight = eightDigits(digits - first * 100000000);
  const zeros = <u32>clz(eight) >> 3;
  store<u8>(target, <u8>(first + 0x30));
  store<u64>(target + 1, eight | ASCII_ZEROS);
  target += 9 - zeros;
  exponent += zeros;
  if (<u32>exponent <= 2) {
    store<u16>(target, 0x3030);
    return target + exponent;
  }
  store<u8>(target++, 0x65); // e
  if (exponent < 0) store<u8>(target++, 0x2d); // -
  const power = <u32>abs(exponent);
  if (power >= 10) store<u8>(target++, <u8>(power / 10 + 0x30));
  store<u8>(target, <u8>(power % 10 + 0x30));
  return target + 1;
}
