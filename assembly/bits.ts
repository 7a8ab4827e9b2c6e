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

/**
 * The differing bits of the query and two rows: the first row's count in the low 32 bits, the second's in the high
 * ones. One word at a time: the processor counts the bits of 64 in one instruction, where SIMD needs seven for 128.
 * On its own and called twice, so that it is not inlined: with the caller's variables V8 runs out of registers.
 */
function hammingPair(query: usize, a: usize, b: usize, byteLength: usize): u64 {
  let countA: u64 = 0;
  let countB: u64 = 0;
  let q = query;
  const end = query + byteLength;
  for (; q + 16 <= end; q += 16) {
    const q0 = load<u64>(q, 0);
    const q1 = load<u64>(q, 8);
    countA += popcnt(q0 ^ load<u64>(a, 0));
    countB += popcnt(q0 ^ load<u64>(b, 0));
    countA += popcnt(q1 ^ load<u64>(a, 8));
    countB += popcnt(q1 ^ load<u64>(b, 8));
    a += 16;
    b += 16;
  }
  for (; q + 8 <= end; q += 8) {
    const q0 = load<u64>(q);
    countA += popcnt(q0 ^ load<u64>(a));
    countB += popcnt(q0 ^ load<u64>(b));
    a += 8;
    b += 8;
  }
  for (; q < end; q++) {
    const q0 = load<u8>(q);
    countA += popcnt(<u64>(q0 ^ load<u8>(a++)));
    countB += popcnt(<u64>(q0 ^ load<u8>(b++)));
  }
  return countA | (countB << 32);
}

/** target[row] = number of differing bits between `query` and the row, i32, over `rowBytes` bytes. */
export function hammingBits(
  query: usize, bits: usize, strideBytes: u32, rows: u32, rowBytes: u32, target: usize,
): void {
  const stride = <usize>strideBytes;
  for (const end = target + (<usize>(rows & ~1) << 2); target < end; target += 8) {
    store<u64>(target, hammingPair(query, bits, bits + stride, rowBytes));
    bits += 2 * stride;
  }
  if ((rows & 1) != 0) store<i32>(target, <i32>hammingPair(query, bits, bits, rowBytes));
}
