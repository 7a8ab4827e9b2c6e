// A forest of regression trees over rows of f64 features: the mean of the trees, and their variance.
//
// Ranks. A node sends x to the right unless x < threshold. Let t_0 < t_1 < ... be the distinct thresholds that the
// forest holds against one feature, and
//
//   rank(x) = number of j with !(x < t_j)                     found once per row, by binary search in f64
//
// The t_j ascend, so these j are a prefix and !(x < t_j) <=> rank(x) > j: a comparison of two small integers, exact
// whatever the floats were. NaN is less than nothing, has the highest rank and goes right everywhere, as it should.
// Ranks and thresholds are i16; a feature with more than 32,767 thresholds becomes several columns, each with a slice
// of them (a rank within a slice is the rank clamped to it, and only its own slice is compared with it).
//
// Treelets. Three levels of a tree, 7 nodes and 8 exits, are one cache line, and one hop decides all 7 for a row at
// once: select the ranks that the nodes ask for out of the row's register, compare, turn 7 bits into an exit. That is
// about 12 instructions for three levels, and no branch. Eight-byte nodes { rank, feature, child }, walked one by one,
// take about 9 for each level; 8 rows side by side, they measured 1.6 times the time of treelets.
//
//   treelet   | t0 .. t6 i16, window u16 | exit 0 .. 7 u32 | selectors u8[14], 0, 0 |    64 bytes, aligned to 64
//   leaf      | 32767 x 7,    0          | own address u32, 0 | value f64 |              32 bytes
//
//              0            node k has children 2k + 1 (left) and 2k + 2 (right); exits are addresses of treelets or
//          1       2        leaves, in order. Where the tree is shallower, a node never goes right (t = 32767) and
//        3   4   5   6      every exit below it is the same leaf. A leaf loops on itself, so a walk may take the
//       01  23  45  67      tree's greatest number of hops for every row. Of a leaf, only exit 0 is ever taken.
//
// Windows. Up to 8 columns, the ranks of a row are one register, and those of 8 rows stay in registers. Beyond, columns
// come in windows of 16, two registers, and all nodes of a treelet lie in one window; a child of another window is an
// exit. A selector >= 16 selects 0, so a byte of either register is swizzle(x, s) | swizzle(y, s ^ 16).
//
//   forest    | trees | columns | window bytes of a row | bytes of a group | columns at | trees at | u32
//             | .. 64: turns u8[256]: 4 * exit for each outcome, bit k: node k goes right; bit 7 is ignored |
//   column    | feature's offset in a row | thresholds >= 1 | address of f64[thresholds] | offset in a group | u32
//   tree      | address of the root | hops | u32
//   ranks     | group of 8 rows: | window 0: | row 0 | row 1 | .. row 7 | window 1: | .. | i16[8 or 16] per row
//   scratch   | ranks of 512 rows | leaves u32[512] | sum f64[512] | first, moment 1, moment 2 f64[512] |
//
// The sum runs over the trees in order, so the mean has the bits of a plain loop. The variance is taken around the
// first tree's value a, with d = value - a: (sum d^2 - (sum d)^2 / n) / n, one pass. By Samuelson's inequality a value
// lies within sqrt(n - 1) standard deviations of its mean, so sum d^2 <= n^2 variance and the subtraction costs
// at most a factor n, independent of how far the values are from 0: relative error below about 2 n^2 2^-53. Equal
// trees give exactly 0.
//
// Preconditions: records form trees as drawn; 32 readable bytes behind the last leaf; trees >= 1; source rows are f64,
// sourceStride bytes apart, and hold every column's feature; targets, scratch and source do not overlap.

/** Rows that pass through all trees together: their ranks, sums and one tree fit the first-level cache. */
const BLOCK: u32 = 512;
const TURNS: usize = 64;

/**
 * A step of the search for x in `half` + ... ascending thresholds from `at` on. `(x < t) - 1` is a mask: a select would
 * become a branch that is mispredicted half the time.
 */
// @ts-ignore: decorator
@inline
function advance(at: usize, x: f64, half: usize): usize {
  return at + ((<usize>(x < load<f64>(at + half - 8)) - 1) & half);
}

/** Writes the ranks of `rows` rows. The rest of the last group keeps whatever is there and is walked in vain. */
function rankRows(
  columnTable: usize, columns: u32, source: usize, sourceStride: u32, rows: u32,
  ranks: usize, windowBytes: usize, groupBytes: usize,
): void {
  const stride = <usize>sourceStride;
  for (let column: u32 = 0; column < columns; column++) {
    let from = source + <usize>load<u32>(columnTable);
    const count = load<u32>(columnTable, 4);
    const thresholds = <usize>load<u32>(columnTable, 8);
    const place = ranks + <usize>load<u32>(columnTable, 12);
    // Four searches side by side hide each other's latency.
    for (let row: u32 = 0; row < rows; row += 4) {
      const last = rows - row - 1;
      const x0 = load<f64>(from);
      const x1 = load<f64>(from + <usize>min(1, last) * stride);
      const x2 = load<f64>(from + <usize>min(2, last) * stride);
      const x3 = load<f64>(from + <usize>min(3, last) * stride);
      let at0 = thresholds;
      let at1 = thresholds;
      let at2 = thresholds;
      let at3 = thresholds;
      for (let left = count; left > 1; left -= left >>> 1) {
        const half = <usize>(left >>> 1) << 3;
        at0 = advance(at0, x0, half);
        at1 = advance(at1, x1, half);
        at2 = advance(at2, x2, half);
        at3 = advance(at3, x3, half);
      }
      const to = place + <usize>(row >>> 3) * groupBytes + <usize>(row & 4) * windowBytes;
      store<u16>(to, <u16>((advance(at0, x0, 8) - thresholds) >>> 3));
      store<u16>(to + windowBytes, <u16>((advance(at1, x1, 8) - thresholds) >>> 3));
      store<u16>(to + 2 * windowBytes, <u16>((advance(at2, x2, 8) - thresholds) >>> 3));
      store<u16>(to + 3 * windowBytes, <u16>((advance(at3, x3, 8) - thresholds) >>> 3));
      from += stride << 2;
    }
    columnTable += 16;
  }
}

/** The exit of a treelet for these ranks of its nodes' columns. */
// @ts-ignore: decorator
@inline
function exitOf(p: usize, ranks: v128, turns: usize): usize {
  const right = i16x8.bitmask(i16x8.gt_s(ranks, v128.load(p)));
  return <usize>load<u32>(p + <usize>load<u8>(turns + <usize>right), 16);
}

// @ts-ignore: decorator
@inline
function hop(p: usize, x: v128, turns: usize): usize {
  return exitOf(p, i8x16.swizzle(x, v128.load(p, 48)), turns);
}

/** `row` is a row's place in a window, the same in every window. */
// @ts-ignore: decorator
@inline
function hopWide(p: usize, group: usize, row: usize, turns: usize): usize {
  const window = group + <usize>load<u16>(p, 14) + row;
  const selectors = v128.load(p, 48);
  const low = i8x16.swizzle(v128.load(window), selectors);
  const high = i8x16.swizzle(v128.load(window, 16), v128.xor(selectors, i8x16.splat(16)));
  return exitOf(p, v128.or(low, high), turns);
}

/** Writes the leaf's address of each row; up to 8 columns. */
function walkNarrow(root: usize, hops: u32, turns: usize, ranks: usize, rows: u32, leaves: usize): void {
  for (let row: u32 = 0; row < rows; row += 8) {
    const x0 = v128.load(ranks);
    const x1 = v128.load(ranks, 16);
    const x2 = v128.load(ranks, 32);
    const x3 = v128.load(ranks, 48);
    const x4 = v128.load(ranks, 64);
    const x5 = v128.load(ranks, 80);
    const x6 = v128.load(ranks, 96);
    const x7 = v128.load(ranks, 112);
    let p0 = root;
    let p1 = root;
    let p2 = root;
    let p3 = root;
    let p4 = root;
    let p5 = root;
    let p6 = root;
    let p7 = root;
    for (let k: u32 = 0; k < hops; k++) {
      p0 = hop(p0, x0, turns);
      p1 = hop(p1, x1, turns);
      p2 = hop(p2, x2, turns);
      p3 = hop(p3, x3, turns);
      p4 = hop(p4, x4, turns);
      p5 = hop(p5, x5, turns);
      p6 = hop(p6, x6, turns);
      p7 = hop(p7, x7, turns);
    }
    store<u32>(leaves, <u32>p0);
    store<u32>(leaves, <u32>p1, 4);
    store<u32>(leaves, <u32>p2, 8);
    store<u32>(leaves, <u32>p3, 12);
    store<u32>(leaves, <u32>p4, 16);
    store<u32>(leaves, <u32>p5, 20);
    store<u32>(leaves, <u32>p6, 24);
    store<u32>(leaves, <u32>p7, 28);
    ranks += 128;
    leaves += 32;
  }
}

/** {@link walkNarrow} for rows of windows. */
function walkWide(
  root: usize, hops: u32, turns: usize, ranks: usize, groupBytes: usize, rows: u32, leaves: usize,
): void {
  for (let row: u32 = 0; row < rows; row += 8) {
    let p0 = root;
    let p1 = root;
    let p2 = root;
    let p3 = root;
    let p4 = root;
    let p5 = root;
    let p6 = root;
    let p7 = root;
    for (let k: u32 = 0; k < hops; k++) {
      p0 = hopWide(p0, ranks, 0, turns);
      p1 = hopWide(p1, ranks, 32, turns);
      p2 = hopWide(p2, ranks, 64, turns);
      p3 = hopWide(p3, ranks, 96, turns);
      p4 = hopWide(p4, ranks, 128, turns);
      p5 = hopWide(p5, ranks, 160, turns);
      p6 = hopWide(p6, ranks, 192, turns);
      p7 = hopWide(p7, ranks, 224, turns);
    }
    store<u32>(leaves, <u32>p0);
    store<u32>(leaves, <u32>p1, 4);
    store<u32>(leaves, <u32>p2, 8);
    store<u32>(leaves, <u32>p3, 12);
    store<u32>(leaves, <u32>p4, 16);
    store<u32>(leaves, <u32>p5, 20);
    store<u32>(leaves, <u32>p6, 24);
    store<u32>(leaves, <u32>p7, 28);
    ranks += groupBytes;
    leaves += 32;
  }
}

/** The values of two leaves. */
// @ts-ignore: decorator
@inline
function pairOfValues(leaves: usize): v128 {
  return v128.load64_lane(<usize>load<u32>(leaves, 4) + 24, v128.load64_zero(<usize>load<u32>(leaves) + 24), 1);
}

// @ts-ignore: decorator
@inline
function addTo(target: usize, x: v128): void {
  v128.store(target, f64x2.add(v128.load(target), x));
}

function addValues(leaves: usize, rows: u32, sums: usize): void {
  for (let row: u32 = 0; row < rows; row += 2) {
    addTo(sums, pairOfValues(leaves));
    leaves += 8;
    sums += 16;
  }
}

/** Adds a tree to the moments around the first tree's values, which the first tree sets. */
function addMoments(leaves: usize, rows: u32, first: usize, isFirst: bool): void {
  const blockBytes = <usize>BLOCK << 3;
  for (let row: u32 = 0; row < rows; row += 2) {
    const value = pairOfValues(leaves);
    if (isFirst) v128.store(first, value);
    const difference = f64x2.sub(value, v128.load(first));
    addTo(first + blockBytes, difference);
    addTo(first + 2 * blockBytes, f64x2.mul(difference, difference));
    leaves += 8;
    first += 16;
  }
}

/**
 * means[row] = mean over the trees and, unless `variances` is 0, variances[row] = their population variance, f64.
 * See the layouts above.
 */
export function predictForest(
  forest: usize, source: usize, sourceStride: u32, rows: u32, scratch: usize, means: usize, variances: usize,
): void {
  const trees = load<u32>(forest);
  const columns = load<u32>(forest, 4);
  const windowBytes = <usize>load<u32>(forest, 8);
  const groupBytes = <usize>load<u32>(forest, 12);
  const columnTable = <usize>load<u32>(forest, 16);
  const treeTable = <usize>load<u32>(forest, 20);
  const turns = forest + TURNS;
  const leaves = scratch + <usize>(BLOCK >>> 3) * groupBytes;
  const sums = leaves + (BLOCK << 2);
  const first = sums + (BLOCK << 3);
  const moments = first + (BLOCK << 3);
  const n = <f64>trees;
  for (let begin: u32 = 0; begin < rows; begin += BLOCK) {
    const count = min(BLOCK, rows - begin);
    rankRows(columnTable, columns, source, sourceStride, count, scratch, windowBytes, groupBytes);
    memory.fill(sums, 0, BLOCK << 3);
    memory.fill(moments, 0, BLOCK << 4);
    for (let tree: u32 = 0; tree < trees; tree++) {
      const root = <usize>load<u32>(treeTable + (<usize>tree << 3));
      const hops = load<u32>(treeTable + (<usize>tree << 3), 4);
      if (windowBytes == 16) walkNarrow(root, hops, turns, scratch, count, leaves);
      else walkWide(root, hops, turns, scratch, groupBytes, count, leaves);
      addValues(leaves, count, sums);
      if (variances != 0) addMoments(leaves, count, first, tree == 0);
    }
    for (let row: u32 = 0; row < count; row++) {
      const at = <usize>row << 3;
      store<f64>(means, load<f64>(sums + at) / n);
      means += 8;
      if (variances != 0) {
        const moment1 = load<f64>(moments + at);
        const moment2 = load<f64>(moments + at, <usize>BLOCK << 3);
        store<f64>(variances, max<f64>(0, (moment2 - moment1 * moment1 / n) / n));
        variances += 8;
      }
    }
    source += <usize>sourceStride * BLOCK;
  }
}
