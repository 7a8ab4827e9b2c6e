// One bit per dimension: x > 0. Zeros of either sign and NaN are 0.
//
//   element d -> byte d >> 3, bit d & 7 (least significant first); a row is ceil(dimension / 8) bytes,
//   its unused last bits and its padding are zero, so Hamming distances may run over whole words.
//
// Preconditions: strides >= the row's bytes; source and target do not overlap.

import { zeroPadding } from "./padding";

// @ts-ignore: decorator
@inline
function signs16(p: usize, zero: v128): u32 {
  const low = i16x8.narrow_i32x4_s(f32x4.gt(v128.load(p), zero), f32x4.gt(v128.load(p, 16), zero));
  const high = i16x8.narrow_i32x4_s(f32x4.gt(v128.load(p, 32), zero), f32x4.gt(v128.load(p, 48), zero));
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

/** float32 rows -> sign bits. */
export function encodeBits(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  const zero = f32x4.splat(0);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source;
    let to = target;
    const end = source + (<usize>dimension << 2);
    for (; from + 256 <= end; from += 256, to += 8) {
      const low = signs16(from, zero) | (signs16(from + 64, zero) << 16);
      const high = signs16(from + 128, zero) | (signs16(from + 192, zero) << 16);
      store<u64>(to, <u64>low | (<u64>high << 32));
    }
    for (; from + 64 <= end; from += 64, to += 2) store<u16>(to, <u16>signs16(from, zero));
    while (from < end) {
      let byte: u32 = 0;
      for (let bit: u32 = 0; bit < 8 && from < end; bit++, from += 4) byte |= <u32>(load<f32>(from) > 0) << bit;
      store<u8>(to++, <u8>byte);
    }
    zeroPadding(to, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** Sign bits -> float32 rows of +1 and -1; padding zeroed. */
export function decodeBits(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  const lowBits = i32x4(1, 2, 4, 8);
  const highBits = i32x4(16, 32, 64, 128);
  const minusOne = f32x4.splat(-1);
  const signBit = i32x4.splat(0x80000000);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source;
    let to = target;
    const end = target + (<usize>dimension << 2);
    for (; to + 32 <= end; to += 32, from++) {
      const byte = i32x4.splat(load<u8>(from));
      // A set bit flips the sign of -1.
      v128.store(to, v128.xor(minusOne, v128.and(signBit, i32x4.eq(v128.and(byte, lowBits), lowBits))));
      v128.store(to, v128.xor(minusOne, v128.and(signBit, i32x4.eq(v128.and(byte, highBits), highBits))), 16);
    }
    for (let bit: u32 = 0; to < end; to += 4, bit++) {
      store<f32>(to, (load<u8>(from) >> bit) & 1 ? 1 : -1);
    }
    zeroPadding(end, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** target[row] = number of differing bits between `query` and the row, i32, over `rowBytes` bytes. */
export function hammingBits(
  query: usize, bits: usize, strideBytes: u32, rows: u32, rowBytes: u32, target: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    let q = query;
    let p = bits;
    const end = bits + rowBytes;
    let count0: u64 = 0;
    let count1: u64 = 0;
    let count2: u64 = 0;
    let count3: u64 = 0;
    for (; p + 32 <= end; p += 32, q += 32) {
      count0 += popcnt(load<u64>(q) ^ load<u64>(p));
      count1 += popcnt(load<u64>(q, 8) ^ load<u64>(p, 8));
      count2 += popcnt(load<u64>(q, 16) ^ load<u64>(p, 16));
      count3 += popcnt(load<u64>(q, 24) ^ load<u64>(p, 24));
    }
    for (; p + 8 <= end; p += 8, q += 8) count0 += popcnt(load<u64>(q) ^ load<u64>(p));
    for (; p < end; p++, q++) count0 += popcnt(<u64>(load<u8>(q) ^ load<u8>(p)));
    store<i32>(target, <i32>(count0 + count1 + count2 + count3));
    bits += strideBytes;
    target += 4;
  }
}
