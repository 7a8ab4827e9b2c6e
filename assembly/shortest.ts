// The shortest decimal that reads back to a float32, for every finite float32 but zero: Schubfach (Raffaello Giulietti,
// "The Schubfach way to render doubles", 2020), at the width of a float32 as in Alexander Bolz's Drachennest.
//
// x = c 2^q. Every decimal that is nearer to x than to x's neighbours reads back to x; with an even c the two midpoints
// do as well, since a tie goes to the even neighbour. That rounding interval is 2^q wide (3/4 of it at a power of two,
// whose lower neighbour is half as far away). Take
//
//   k = floor(log10(width)),  so  1 <= width / 10^k < 10
//
// Then the interval holds at least one multiple of 10^k and at most one of 10^(k+1). If it holds the latter, that is
// the shortest (up to trailing zeros, which are dropped later); else the multiple of 10^k nearest to x.
//
// Interval and x are compared as 4 c 10^-k 2^q, in integers with two bits below the unit: a product of c with 64 bits
// of 10^-k, whose lower bits are folded into the last one ("round to odd"), which keeps every comparison exact.

/** 10^k for k = MIN_POWER .. 45: 64 bits, the highest set, rounded up. */
const POWERS = memory.data<u64>([
  0x81ceb32c4b43fcf5, 0xa2425ff75e14fc32, 0xcad2f7f5359a3b3f, 0xfd87b5f28300ca0e, 0x9e74d1b791e07e49,
  0xc612062576589ddb, 0xf79687aed3eec552, 0x9abe14cd44753b53, 0xc16d9a0095928a28, 0xf1c90080baf72cb2,
  0x971da05074da7bef, 0xbce5086492111aeb, 0xec1e4a7db69561a6, 0x9392ee8e921d5d08, 0xb877aa3236a4b44a,
  0xe69594bec44de15c, 0x901d7cf73ab0acda, 0xb424dc35095cd810, 0xe12e13424bb40e14, 0x8cbccc096f5088cc,
  0xafebff0bcb24aaff, 0xdbe6fecebdedd5bf, 0x89705f4136b4a598, 0xabcc77118461cefd, 0xd6bf94d5e57a42bd,
  0x8637bd05af6c69b6, 0xa7c5ac471b478424, 0xd1b71758e219652c, 0x83126e978d4fdf3c, 0xa3d70a3d70a3d70b,
  0xcccccccccccccccd, 0x8000000000000000, 0xa000000000000000, 0xc800000000000000, 0xfa00000000000000,
  0x9c40000000000000, 0xc350000000000000, 0xf424000000000000, 0x9896800000000000, 0xbebc200000000000,
  0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000, 0xe8d4a51000000000, 0x9184e72a00000000,
  0xb5e620f480000000, 0xe35fa931a0000000, 0x8e1bc9bf04000000, 0xb1a2bc2ec5000000, 0xde0b6b3a76400000,
  0x8ac7230489e80000, 0xad78ebc5ac620000, 0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400,
  0xd3c21bcecceda100, 0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a, 0x813f3978f8940985,
  0xa18f07d736b90be6, 0xc9f2c9cd04674edf, 0xfc6f7c4045812297, 0x9dc5ada82b70b59e, 0xc5371912364ce306,
  0xf684df56c3e01bc7, 0x9a130b963a6c115d, 0xc097ce7bc90715b4, 0xf0bdc21abb48db21, 0x96769950b50d88f5,
  0xbc143fa4e250eb32, 0xeb194f8e1ae525fe, 0x92efd1b8d0cf37bf, 0xb7abc627050305ae, 0xe596b7b0c643c71a,
  0x8f7e32ce7bea5c70, 0xb35dbf821ae4f38c,
]);
const MIN_POWER = -31;

/** The decimal D 10^k as one number: D in the lower 32 bits, k + EXPONENT_BIAS above. */
export const EXPONENT_BIAS = 64;

// @ts-ignore: decorator
@inline
function decimal(digits: u32, exponent: i32): u64 {
  return (<u64>(exponent + EXPONENT_BIAS) << 32) | <u64>digits;
}

/** floor(power * scaled / 2^64), the last bit set too if anything was cut off. */
// @ts-ignore: decorator
@inline
function multiplyRoundToOdd(power: u64, scaled: u32): u32 {
  const low = (power & 0xffffffff) * <u64>scaled;
  const high = (power >> 32) * <u64>scaled + (low >> 32);
  return <u32>(high >> 32) | <u32>(<u32>high > 1);
}

/**
 * The one float32 whose shortest decimal, 7.038531e-26, is so near to a midpoint that a reader that goes by way of a
 * float64 (JavaScript, most JSON parsers) lands on the midpoint and from there on the neighbour: it gets one more
 * digit. `bench/verify-text.ts --all` shows that there is no other.
 */
const TWICE_ROUNDED_BITS: u32 = 0x15ae43fd;

/**
 * The shortest decimal of the float32 with these bits (no sign, neither zero nor infinite nor NaN), the nearest to it
 * if there are several; see EXPONENT_BIAS for the form. D has at most 9 digits and may end in zeros.
 */
export function shortestDecimal(bits: u32): u64 {
  if (bits == TWICE_ROUNDED_BITS) return decimal(70385307, -33);
  const field = bits >> 23;
  const fraction = bits & 0x7fffff;
  const c = field != 0 ? fraction | 0x800000 : fraction;
  const q = <i32>max(field, 1) - 150;
  const odd = c & 1;
  // The lower neighbour of a power of two is half as far away.
  const uneven = <u32>(fraction == 0 && field > 1);

  // floor(log10(2^q)) or floor(log10(3/4 2^q)); then the shift that aligns the product.
  const k = (q * 1262611 - (uneven != 0 ? 524031 : 0)) >> 22;
  const shift = q + ((-k * 1741647) >> 19) + 1;
  const power = load<u64>(POWERS + (<usize>(-k - MIN_POWER) << 3));

  const value = multiplyRoundToOdd(power, (4 * c) << shift);
  const lower = multiplyRoundToOdd(power, (4 * c - 2 + uneven) << shift) + odd;
  const upper = multiplyRoundToOdd(power, (4 * c + 2) << shift) - odd;

  const floor: u32 = value >> 2;
  if (floor >= 10) {
    const tens: u32 = floor / 10;
    const downInside = lower <= tens * 40;
    const upInside = tens * 40 + 40 <= upper;
    if (downInside != upInside) return decimal(tens + <u32>upInside, k + 1);
  }
  const downInside = lower <= floor * 4;
  const upInside = floor * 4 + 4 <= upper;
  if (downInside != upInside) return decimal(floor + <u32>upInside, k);
  const middle: u32 = floor * 4 + 2;
  const up = value > middle || (value == middle && (floor & 1) != 0);
  return decimal(floor + <u32>up, k);
}
