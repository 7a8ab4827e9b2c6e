// Rows of int8 codes <-> groups of four rows, four dimensions of each row side by side.
//
//   row-major  a: a0 a1 a2 a3 | a4 ..      group k holds rows 4k .. 4k + 3, ceil(dimension / 4) units of 16 bytes:
//              b: b0 b1 b2 b3 | b4 ..        unit 0: a0 a1 a2 a3  b0 b1 b2 b3  c0 c1 c2 c3  d0 d1 d2 d3
//              c: ...                        unit 1: a4 a5 a6 a7  b4 ..
//              d: ...                        ...
//
// Missing rows of the last group and missing dimensions of the last unit are zeros. With words of four codes this is a
// 4 x 4 transpose (of words, see blocks.ts), and a scan needs no sum across lanes: lane r of a register belongs
// to row r from the first product to the result,
//
//   lane r of dot_i16x8(x & 0x00ff.., q & 0x00ff..) = x0 q0 + x2 q2          the odd bytes after a shift: x1 q1 + x3 q3
//
// where dotInt8 adds four lanes for every row at its end, and that end is what short vectors are made of: against
// dotInt8 on rows without padding 2.5 - 5 times the speed at 16 and 20 dimensions; in cache 1.2 - 1.7 times at 64 and
// 100 and 1.05 at 768; from memory, beyond 64 dimensions, no difference that could be told from noise.
//
// Preconditions: strides >= dimension; codes <= 127 (as dotInt8); source and target do not overlap; 3 bytes behind the
// query can be read (they meet zeros, so what they hold does not matter).

import { zeroPadding } from "./padding";

// @ts-ignore: decorator
@inline
function unitsOf(dimension: u32): usize {
  return (<usize>dimension + 3) >>> 2;
}

/** Four registers of words, transposed, from a, b, c and d to p, q, r and s. */
// @ts-ignore: decorator
@inline
function transpose(a: usize, b: usize, c: usize, d: usize, p: usize, q: usize, r: usize, s: usize): void {
  const x = v128.load(a);
  const y = v128.load(b);
  const z = v128.load(c);
  const w = v128.load(d);
  const xyLow = v128.shuffle<i32>(x, y, 0, 4, 1, 5);
  const xyHigh = v128.shuffle<i32>(x, y, 2, 6, 3, 7);
  const zwLow = v128.shuffle<i32>(z, w, 0, 4, 1, 5);
  const zwHigh = v128.shuffle<i32>(z, w, 2, 6, 3, 7);
  v128.store(p, v128.shuffle<i64>(xyLow, zwLow, 0, 2));
  v128.store(q, v128.shuffle<i64>(xyLow, zwLow, 1, 3));
  v128.store(r, v128.shuffle<i64>(xyHigh, zwHigh, 0, 2));
  v128.store(s, v128.shuffle<i64>(xyHigh, zwHigh, 1, 3));
}

/** Row-major codes -> groups. Writes ceil(rows / 4) * ceil(dimension / 4) * 16 bytes. */
export function interleaveInt8(source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize): void {
  const stride = <usize>strideBytes;
  const groupBytes = unitsOf(dimension) << 4;
  for (let first: u32 = 0; first < rows; first += 4) {
    const count = min<u32>(4, rows - first);
    let i: usize = 0;
    if (count == 4) {
      for (; i + 16 <= <usize>dimension; i += 16) {
        const from = source + i;
        const to = target + (i << 2);
        transpose(from, from + stride, from + 2 * stride, from + 3 * stride, to, to + 16, to + 32, to + 48);
      }
    }
    // What is left: the last dimensions, or all of a group with missing rows.
    if (i < <usize>dimension) zeroPadding(target + (i << 2), target + groupBytes);
    for (let row: u32 = 0; i < <usize>dimension && row < count; row++) {
      let from = source + <usize>row * stride + i;
      let to = target + (i << 2) + (<usize>row << 2);
      let left = dimension - <u32>i;
      for (; left >= 4; left -= 4) {
        store<u32>(to, load<u32>(from));
        from += 4;
        to += 16;
      }
      for (; left > 0; left--) store<u8>(to++, load<u8>(from++));
    }
    source += stride << 2;
    target += groupBytes;
  }
}

/** Groups -> row-major codes; padding of target rows is zeroed. */
export function deinterleaveInt8(source: usize, rows: u32, dimension: u32, target: usize, strideBytes: u32): void {
  const stride = <usize>strideBytes;
  const groupBytes = unitsOf(dimension) << 4;
  for (let first: u32 = 0; first < rows; first += 4) {
    const count = min<u32>(4, rows - first);
    let i: usize = 0;
    if (count == 4) {
      for (; i + 16 <= <usize>dimension; i += 16) {
        const from = source + (i << 2);
        const to = target + i;
        transpose(from, from + 16, from + 32, from + 48, to, to + stride, to + 2 * stride, to + 3 * stride);
      }
    }
    for (let row: u32 = 0; row < count; row++) {
      let from = source + (i << 2) + (<usize>row << 2);
      let to = target + <usize>row * stride + i;
      let left = dimension - <u32>i;
      for (; left >= 4; left -= 4) {
        store<u32>(to, load<u32>(from));
        from += 16;
        to += 4;
      }
      for (; left > 0; left--) store<u8>(to++, load<u8>(from++));
      zeroPadding(to, target + <usize>(row + 1) * stride);
    }
    source += groupBytes;
    target += stride << 2;
  }
}

/** The products of a unit's four rows, added to their lanes. */
// @ts-ignore: decorator
@inline
function addProducts(sum: v128, even: v128, odd: v128, p: usize, evenMask: v128): v128 {
  const x = v128.load(p);
  const products = i32x4.dot_i16x8_s(even, v128.and(x, evenMask));
  return i32x4.add(i32x4.add(sum, products), i32x4.dot_i16x8_s(odd, i16x8.shr_u(x, 8)));
}

/** target[row] = sum(query code * code), i32. `query` is one row of codes, not interleaved. */
export function dotInt8Interleaved(query: usize, groups: usize, rows: u32, dimension: u32, target: usize): void {
  const evenMask = i16x8.splat(0xff);
  const groupBytes = unitsOf(dimension) << 4;
  let row: u32 = 0;
  // Sixteen rows share the query's two halves.
  for (; row + 16 <= rows; row += 16) {
    const b = groups + groupBytes;
    const c = b + groupBytes;
    const d = c + groupBytes;
    let sumA = i64x2.splat(0);
    let sumB = sumA;
    let sumC = sumA;
    let sumD = sumA;
    for (let i: usize = 0; i < groupBytes; i += 16) {
      const q = v128.load32_splat(query + (i >>> 2));
      const even = v128.and(q, evenMask);
      const odd = i16x8.shr_u(q, 8);
      sumA = addProducts(sumA, even, odd, groups + i, evenMask);
      sumB = addProducts(sumB, even, odd, b + i, evenMask);
      sumC = addProducts(sumC, even, odd, c + i, evenMask);
      sumD = addProducts(sumD, even, odd, d + i, evenMask);
    }
    v128.store(target, sumA);
    v128.store(target, sumB, 16);
    v128.store(target, sumC, 32);
    v128.store(target, sumD, 48);
    groups += groupBytes << 2;
    target += 64;
  }
  for (; row < rows; row += 4) {
    let sum = i64x2.splat(0);
    for (let i: usize = 0; i < groupBytes; i += 16) {
      const q = v128.load32_splat(query + (i >>> 2));
      sum = addProducts(sum, v128.and(q, evenMask), i16x8.shr_u(q, 8), groups + i, evenMask);
    }
    store<i32>(target, i32x4.extract_lane(sum, 0));
    if (row + 1 < rows) store<i32>(target, i32x4.extract_lane(sum, 1), 4);
    if (row + 2 < rows) store<i32>(target, i32x4.extract_lane(sum, 2), 8);
    if (row + 3 < rows) store<i32>(target, i32x4.extract_lane(sum, 3), 12);
    groups += groupBytes;
    target += 16;
  }
}
