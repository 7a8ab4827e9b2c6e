// Rows of float32 <-> blocks of 64 vectors, dimension-major inside (PDX, Kuffo et al., SIGMOD 2025).
//
//   row-major    v0: d0 d1 d2 ...        block k holds vectors 64k .. 64k+63:
//                v1: d0 d1 d2 ...          d0: v0 v1 v2 ... v63      256 bytes
//                ...                       d1: v0 v1 v2 ... v63
//                                          ...                       dimension x 256 bytes a block
//
// A missing vector of the last block is zeros. The kernels move 4 vectors x 16 dimensions at a time, so that a
// source cache line is read once, whole, and the 16 target lines in use stay in L1 (walking 64 rows per dimension
// instead hits four L1 sets only when the stride is a multiple of 1 KiB). A 4 x 4 tile is transposed by
//
//   a0 a1 a2 a3      a0 b0 a1 b1      a0 b0 c0 d0
//   b0 b1 b2 b3  ->  a2 b2 a3 b3  ->  a1 b1 c1 d1
//   c0 c1 c2 c3      c0 d0 c1 d1      a2 b2 c2 d2
//   d0 d1 d2 d3      c2 d2 c3 d3      a3 b3 c3 d3
//
// Preconditions: strideBytes >= 4 * dimension; source and target do not overlap.

import { zeroPadding } from "./padding";

const BLOCK: u32 = 64;
const LINE_BYTES: usize = 256;

/** Moves a 4 x 4 tile: columns of `source` (rows `sourceStride` apart) become rows of `target`. */
// @ts-ignore: decorator
@inline
function transposeTile(source: usize, sourceStride: usize, target: usize, targetStride: usize): void {
  const a = v128.load(source);
  const b = v128.load(source + sourceStride);
  const c = v128.load(source + 2 * sourceStride);
  const d = v128.load(source + 3 * sourceStride);
  const abLow = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cdLow = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<f64>(abLow, cdLow, 0, 2));
  v128.store(target + targetStride, v128.shuffle<f64>(abLow, cdLow, 1, 3));
  v128.store(target + 2 * targetStride, v128.shuffle<f64>(abHigh, cdHigh, 0, 2));
  v128.store(target + 3 * targetStride, v128.shuffle<f64>(abHigh, cdHigh, 1, 3));
}

/** Row-major float32 -> blocks. Writes ceil(rows / 64) * dimension * 256 bytes. */
export function rowsToBlocks(source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize): void {
  const blockBytes = <usize>dimension * LINE_BYTES;
  const stride = <usize>strideBytes;
  for (let first: u32 = 0; first < rows; first += BLOCK) {
    const count = min(BLOCK, rows - first);
    if (count < BLOCK) memory.fill(target, 0, blockBytes);
    const fours = count & ~3;
    let d: u32 = 0;
    for (; d + 16 <= dimension; d += 16) {
      let from = source + (<usize>d << 2);
      let to = target + <usize>d * LINE_BYTES;
      for (let v: u32 = 0; v < fours; v += 4) {
        transposeTile(from, stride, to, LINE_BYTES);
        transposeTile(from + 16, stride, to + 4 * LINE_BYTES, LINE_BYTES);
        transposeTile(from + 32, stride, to + 8 * LINE_BYTES, LINE_BYTES);
        transposeTile(from + 48, stride, to + 12 * LINE_BYTES, LINE_BYTES);
        from += stride << 2;
        to += 16;
      }
    }
    for (; d + 4 <= dimension; d += 4) {
      let from = source + (<usize>d << 2);
      let to = target + <usize>d * LINE_BYTES;
      for (let v: u32 = 0; v < fours; v += 4) {
        transposeTile(from, stride, to, LINE_BYTES);
        from += stride << 2;
        to += 16;
      }
    }
    for (; d < dimension; d++) {
      const from = source + (<usize>d << 2);
      const to = target + <usize>d * LINE_BYTES;
      for (let v: u32 = 0; v < fours; v++) store<f32>(to + (<usize>v << 2), load<f32>(from + <usize>v * stride));
    }
    for (let v = fours; v < count; v++) {
      const from = source + <usize>v * stride;
      const to = target + (<usize>v << 2);
      for (let d: u32 = 0; d < dimension; d++) store<f32>(to + <usize>d * LINE_BYTES, load<f32>(from + (<usize>d << 2)));
    }
    source += stride * BLOCK;
    target += blockBytes;
  }
}

/** Blocks -> row-major float32; padding of target rows is zeroed. */
export function blocksToRows(source: usize, rows: u32, dimension: u32, target: usize, strideBytes: u32): void {
  const blockBytes = <usize>dimension * LINE_BYTES;
  const stride = <usize>strideBytes;
  for (let first: u32 = 0; first < rows; first += BLOCK) {
    const count = min(BLOCK, rows - first);
    const fours = count & ~3;
    let d: u32 = 0;
    for (; d + 16 <= dimension; d += 16) {
      let from = source + <usize>d * LINE_BYTES;
      let to = target + (<usize>d << 2);
      for (let v: u32 = 0; v < fours; v += 4) {
        transposeTile(from, LINE_BYTES, to, stride);
        transposeTile(from + 4 * LINE_BYTES, LINE_BYTES, to + 16, stride);
        transposeTile(from + 8 * LINE_BYTES, LINE_BYTES, to + 32, stride);
        transposeTile(from + 12 * LINE_BYTES, LINE_BYTES, to + 48, stride);
        from += 16;
        to += stride << 2;
      }
    }
    for (; d + 4 <= dimension; d += 4) {
      let from = source + <usize>d * LINE_BYTES;
      let to = target + (<usize>d << 2);
      for (let v: u32 = 0; v < fours; v += 4) {
        transposeTile(from, LINE_BYTES, to, stride);
        from += 16;
        to += stride << 2;
      }
    }
    for (; d < dimension; d++) {
      const from = source + <usize>d * LINE_BYTES;
      const to = target + (<usize>d << 2);
      for (let v: u32 = 0; v < fours; v++) store<f32>(to + <usize>v * stride, load<f32>(from + (<usize>v << 2)));
    }
    for (let v = fours; v < count; v++) {
      const from = source + (<usize>v << 2);
      const to = target + <usize>v * stride;
      for (let d: u32 = 0; d < dimension; d++) store<f32>(to + (<usize>d << 2), load<f32>(from + <usize>d * LINE_BYTES));
    }
    for (let v: u32 = 0; v < count; v++) {
      const row = target + <usize>v * stride;
      zeroPadding(row + (<usize>dimension << 2), row + stride);
    }
    source += blockBytes;
    target += stride * BLOCK;
  }
}
