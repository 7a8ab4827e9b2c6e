// float32 rows -> JSON text, `[0.25,-1.5e-7,...]`, with the fewest digits that read back to the same float32.
//
// Elements in [2^-16, 1), nearly all of an embedding, take a path without data-dependent branches. There
// x = m 2^-s with 2^23 <= m < 2^24 and 24 <= s <= 39; k = ceil(s log10 2), 8 to 12, makes
//
//   v = x 10^k = m 10^k / 2^s         w = ulp(x) 10^k = 10^k / 2^s,  1 <= w < 10
//
// and m 10^k < 2^64, so v is held exactly with s fraction bits. That is Schubfach's choice of k (see shortest.ts): the
// rounding interval v +- w/2 holds an integer and at most one multiple of ten, t. D = t if |t - v| <= w/2 (< for an odd
// m), else the integer nearest to v, ties to even. D < 1.68 * 10^8 and the text is "0." and D padded to k digits,
// without the zeros at its end. Powers of two, whose interval is uneven, and all else go to shortest.ts.
//
// Form: the shorter of plain (`0.001`, `12.5`) and whole digits with an exponent (`15e-7`, `1e21`), plain if equal. Both
// are JSON. Zero is `0`, and `-0` keeps its sign: JSON.parse("-0") is -0. The longest element is `-123456789e-45`,
// 14 bytes.
//
//   target    [a,b,c][d,e,f][g,h,i]...
//   offsets   0      7      14     ...  end      u32 from target, rows + 1 of them
//
// Preconditions: dimension >= 1; target holds rows * (15 * dimension + 1) + TEXT_SLACK bytes; nothing overlaps.

import { ASCII_ZEROS, eightDigits } from "./digits";
import { EXPONENT_BIAS, shortestDecimal } from "./shortest";

/** 10^k by exponent field, from that of 2^-16 on. */
const SCALES = memory.data<u64>([
  1000000000000, 1000000000000, 1000000000000, 100000000000, 100000000000, 100000000000, 10000000000, 10000000000,
  10000000000, 10000000000, 1000000000, 1000000000, 1000000000, 100000000, 100000000, 100000000,
]);
const SCALED_FIELDS: u32 = 16;
const FIRST_SCALED_FIELD: u32 = 111;
const FRACTION: u32 = 0x7fffff;
const IMPLICIT: u32 = 0x800000;
const INFINITY_BITS: u32 = 0x7f800000;
/** "0.000000" */
const ZERO_POINT: u64 = 0x3030303030302e30;
/** Below these the form with an exponent may be the shorter one; see the rule in writeDecimal. */
const HUNDREDTH_BITS: u32 = 0x3c23d70a;
const THOUSANDTH_BITS: u32 = 0x3a83126f;

/** Returns the index of the first NaN or infinity, at which it stops, row * dimension + component; -1 if there is none. */
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
      if (index < SCALED_FIELDS && (magnitude & FRACTION) != 0) {
        const m = (magnitude & FRACTION) | IMPLICIT;
        const scale = load<u64>(SCALES + (<usize>index << 3));
        const s: u32 = 39 - index;
        const k = ((s * 77) >> 8) + 1;
        const v = <u64>m * scale;
        const floor = v >> s;
        const tens = ((<u32>floor + 5) / 10) * 10;
        const nearest = <u32>((v + ((<u64>1 << (s - 1)) - 1 + (floor & 1))) >> s);
        const distance = <i64>((<u64>tens << s) - v);
        const inside = (distance < 0 ? -distance : distance) < <i64>((scale >> 1) + (~m & 1));
        const digits = inside ? tens : nearest;
        const ninth = <u32>(digits >= 100000000);
        const eight = eightDigits(digits - ninth * 100000000);
        const places = k - (<u32>clz(eight) >> 3);
        if (magnitude < (places < 10 ? HUNDREDTH_BITS : THOUSANDTH_BITS)) {
          target = writeDecimal(digits, -<i32>k, target);
        } else {
          // The ninth digit from the end stands k - 7 bytes into "0.000000"; for k = 8 that is the point, and it is 0.
          store<u64>(target, ZERO_POINT + (<u64>ninth << ((k - 7) << 3)));
          store<u64>(target + k - 6, eight | ASCII_ZEROS);
          target += places + 2;
        }
      } else if (magnitude == 0) {
        store<u8>(target++, 0x30);
      } else if (magnitude >= INFINITY_BITS) {
        return <i32>(row * dimension) + <i32>((p - source) >> 2);
      } else {
        const decimal = shortestDecimal(magnitude);
        target = writeDecimal(<u32>decimal, <i32>(decimal >> 32) - EXPONENT_BIAS, target);
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

/** Writes digits * 10^exponent, 0 < digits < 10^9, in the shorter form; returns the end of the text. */
function writeDecimal(digits: u32, exponent: i32, target: usize): usize {
  let count: i32 = 9;
  // Nine digits, the first not 0, then without the zeros at the end: `count` digits and their exponent.
  while (digits < 100000000) {
    digits *= 10;
    exponent--;
  }
  const first = digits / 100000000;
  const eight = eightDigits(digits - first * 100000000);
  const zeros = <i32>clz(eight) >> 3;
  count -= zeros;
  exponent += zeros;

  // count + exponent digits stand before the point; if negative, so many zeros follow it.
  const point = count + exponent;
  let at = target;
  const leading = exponent < 0 && point <= 0;
  // "0." and the zeros are 2 - point bytes; "e-" and the exponent are 3 or 4.
  const plainBelowOne = leading && 2 - point <= (exponent <= -10 ? 4 : 3);
  if (plainBelowOne) {
    store<u32>(at, 0x30302e30);
    at += 2 - point;
  }
  store<u8>(at, <u8>(first + 0x30));
  store<u64>(at + 1, eight | ASCII_ZEROS);
  at += count;
  if (plainBelowOne || exponent == 0) return at;
  if (exponent < 0 && !leading) {
    store<u64>(target + point + 1, load<u64>(target + point));
    store<u8>(target + point, 0x2e); // .
    return at + 1;
  }
  if (exponent > 0 && exponent <= 2) {
    store<u16>(at, 0x3030);
    return at + exponent;
  }
  store<u8>(at++, 0x65); // e
  if (exponent < 0) store<u8>(at++, 0x2d);
  const power = <u32>abs(exponent);
  if (power >= 10) store<u8>(at++, <u8>(power / 10 + 0x30));
  store<u8>(at, <u8>(power % 10 + 0x30));
  return at + 1;
}
