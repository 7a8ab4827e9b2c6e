// Eight decimal digits at once: three steps that each split every lane of one 64-bit register in two, quotient and
// remainder, by a multiplication with the reciprocal (Paul Khuong, "How to print integers really fast", 2017).
//
//   u32   12345678
//   2x32  1234 | 5678          / 10000
//   4x16  12 | 34 | 56 | 78    / 100
//   8x8   1|2|3|4|5|6|7|8      / 10       the first digit in the lowest byte, so a little-endian store writes text

/** Adds '0' to each of eight digits. */
export const ASCII_ZEROS: u64 = 0x3030303030303030;

/** The digits of value < 10^8 as bytes 0 .. 9, leading zeros included, the first in the lowest byte. */
// @ts-ignore: decorator
@inline
export function eightDigits(value: u32): u64 {
  const upper = <u64>value * 3518437209 >> 45; // / 10000
  const fours = (<u64>value << 32) - upper * ((<u64>10000 << 32) - 1);
  const upperTwos = ((fours * 10486) >> 20) & 0x0000007f0000007f; // / 100, exact below 10^4
  const twos = (fours << 16) - upperTwos * ((100 << 16) - 1);
  const upperOnes = ((twos * 103) >> 10) & 0x000f000f000f000f; // / 10, exact below 100
  return (twos << 8) - upperOnes * ((10 << 8) - 1);
}
