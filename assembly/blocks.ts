// Rows of float32 <-> blocks of 64 vectors, dimension-major inside (PDX, Kuffo et al., SIGMOD 2025).
//
//   row-major    v0: d0 d1 d2 ...        block k holds vectors 64k .. 64k+63:
//                v1: d0 d1 d2 ...          d0: v0 v1 v2 ... v63      256 bytes
//                ...                       d1: v0 v1 v2 ... v63
//                                          ...                       dimension x 256 bytes a block
//
// A missing vector of the last block is zeros. To blocks, the kernel moves 16 vectors x 16 dimensions at a time, as
// four steps of 16 vectors x 4 dimensions: a step fills four cache lines of the target whole, and the source's 16
// lines stay in L1 for the next three. (Walking 64 rows per dimension instead hits four L1 sets only when the stride
// is a multiple of 1 KiB.) The way back moves 4 vectors x 16 dimensions. A 4 x 4 tile is transposed by
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
/** Dimensions that `blocksToRows` writes of four rows before it turns to the next four: 32 KiB of the block. */
const STRETCH: u32 = 128;

/**
 * Writes the four floats at a, b, c and d (four rows) to four lines (four dimensions) from `to` on. The distance of
 * the lines is an immediate of the store instruction.
 */
// @ts-ignore: decorator
@inline
function tileToLines(a: usize, b: usize, c: usize, d: usize, to: usize): void {
  const x = v128.load(a);
  const y = v128.load(b);
  const z = v128.load(c);
  const w = v128.load(d);
  const xyLow = v128.shuffle<f32>(x, y, 0, 4, 1, 5);
  const xyHigh = v128.shuffle<f32>(x, y, 2, 6, 3, 7);
  const zwLow = v128.shuffle<f32>(z, w, 0, 4, 1, 5);
  const zwHigh = v128.shuffle<f32>(z, w, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(xyLow, zwLow, 0, 2));
  v128.store(to, v128.shuffle<f64>(xyLow, zwLow, 1, 3), LINE_BYTES);
  v128.store(to, v128.shuffle<f64>(xyHigh, zwHigh, 0, 2), 2 * LINE_BYTES);
  v128.store(to, v128.shuffle<f64>(xyHigh, zwHigh, 1, 3), 3 * LINE_BYTES);
}

/** The way back: four floats of four lines from `from` on become the first four at a, b, c and d. */
// @ts-ignore: decorator
@inline
function tileToRows(from: usize, a: usize, b: usize, c: usize, d: usize): void {
  const x = v128.load(from);
  const y = v128.load(from, LINE_BYTES);
  const z = v128.load(from, 2 * LINE_BYTES);
  const w = v128.load(from, 3 * LINE_BYTES);
  const xyLow = v128.shuffle<f32>(x, y, 0, 4, 1, 5);
  const xyHigh = v128.shuffle<f32>(x, y, 2, 6, 3, 7);
  const zwLow = v128.shuffle<f32>(z, w, 0, 4, 1, 5);
  const zwHigh = v128.shuffle<f32>(z, w, 2, 6, 3, 7);
  v128.store(a, v128.shuffle<f64>(xyLow, zwLow, 0, 2));
  v128.store(b, v128.shuffle<f64>(xyLow, zwLow, 1, 3));
  v128.store(c, v128.shuffle<f64>(xyHigh, zwHigh, 0, 2));
  v128.store(d, v128.shuffle<f64>(xyHigh, zwHigh, 1, 3));
}

/** Four rows from `row` on, four floats each, to four lines from `to` on. */
// @ts-ignore: decorator
@inline
function rowsToLines(row: usize, stride: usize, to: usize): void {
  tileToLines(row, row + stride, row + 2 * stride, row + 3 * stride, to);
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
      let row = source + (<usize>d << 2);
      let to = target + <usize>d * LINE_BYTES;
      let v: u32 = 0;
      for (; v + 16 <= fours; v += 16) {
        for (let step = 0; step < 4; step++) {
          rowsToLines(row, stride, to);
          rowsToLines(row + 4 * stride, stride, to + 16);
          rowsToLines(row + 8 * stride, stride, to + 32);
          rowsToLines(row + 12 * stride, stride, to + 48);
          row += 16;
          to += 4 * LINE_BYTES;
        }
        row += 16 * stride - 64;
        to += 64 - 16 * LINE_BYTES;
      }
      for (; v < fours; v += 4) {
        for (let step: usize = 0; step < 4; step++) {
          rowsToLines(row + 16 * step, stride, to + 4 * step * LINE_BYTES);
        }
        row += 4 * stride;
        to += 16;
      }
    }
    for (; d + 4 <= dimension; d += 4) {
      let row = source + (<usize>d << 2);
      let to = target + <usize>d * LINE_BYTES;
      for (let v: u32 = 0; v < fours; v += 4) {
        rowsToLines(row, stride, to);
        row += 4 * stride;
        to += 16;
      }
    }
    for (let v: u32 = 0; v < count; v++) {
      const row = source + <usize>v * stride;
      const to = target + (<usize>v << 2);
      // Vectors behind the last four have every dimension left, the others those behind the last four.
      for (let k = v < fours ? d : 0; k < dimension; k++) {
        store<f32>(to + <usize>k * LINE_BYTES, load<f32>(row + (<usize>k << 2)));
      }
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
    const sixteens = dimension & ~15;
    // Whole rows of a stretch of dimensions: writes to one page for a while are faster than a line here and there.
    for (let begin: u32 = 0; begin < sixteens; begin += STRETCH) {
      const end = min(begin + STRETCH, sixteens);
      for (let v: u32 = 0; v < fours; v += 4) {
        let from = source + <usize>begin * LINE_BYTES + (<usize>v << 2);
        let row0 = target + <usize>v * stride + (<usize>begin << 2);
        let row1 = row0 + stride;
        let row2 = row1 + stride;
        let row3 = row2 + stride;
        for (let d = begin; d < end; d += 16) {
          tileToRows(from, row0, row1, row2, row3);
          tileToRows(from + 4 * LINE_BYTES, row0 + 16, row1 + 16, row2 + 16, row3 + 16);
          tileToRows(from + 8 * LINE_BYTES, row0 + 32, row1 + 32, row2 + 32, row3 + 32);
          tileToRows(from + 12 * LINE_BYTES, row0 + 48, row1 + 48, row2 + 48, row3 + 48);
          from += 16 * LINE_BYTES;
          row0 += 64;
          row1 += 64;
          row2 += 64;
          row3 += 64;
        }
      }
    }
    let d = sixteens;
    for (; d + 4 <= dimension; d += 4) {
      let from = source + <usize>d * LINE_BYTES;
      let row = target + (<usize>d << 2);
      for (let v: u32 = 0; v < fours; v += 4) {
        tileToRows(from, row, row + stride, row + 2 * stride, row + 3 * stride);
        from += 16;
        row += stride << 2;
      }
    }
    for (let v: u32 = 0; v < count; v++) {
      const from = source + (<usize>v << 2);
      const row = target + <usize>v * stride;
      for (let k = v < fours ? d : 0; k < dimension; k++) {
        store<f32>(row + (<usize>k << 2), load<f32>(from + <usize>k * LINE_BYTES));
      }
      zeroPadding(row + (<usize>dimension << 2), row + stride);
    }
    source += blockBytes;
    target += stride * BLOCK;
  }
}
