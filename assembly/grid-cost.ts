// The cost of a cell of the grid, of two neighbours, and the least of a run. The tables are drawn in grid.ts: `row` and
// `column` point to an entry of a table's first array, `rowBytes` and `columnBytes` are the lengths of its arrays.

/** The plain formula of one cell, whose order of operations everything in the grid search keeps. */
// @ts-ignore: decorator
@inline
export function cellCost(row: usize, rowBytes: usize, column: usize, columnBytes: usize): f64 {
  return load<f64>(row + 2 * rowBytes) * load<f64>(column + 2 * columnBytes)
    + load<f64>(row + 3 * rowBytes) * load<f64>(column + columnBytes)
    + load<f64>(row + 4 * rowBytes) * load<f64>(column)
    + load<f64>(row + 5 * rowBytes);
}

/** P u + Q v + R c of two neighbouring columns. */
// @ts-ignore: decorator
@inline
export function pairTerms(p: v128, q: v128, r: v128, column: usize, columnBytes: usize): v128 {
  return f64x2.add(
    f64x2.add(
      f64x2.mul(p, v128.load(column + 2 * columnBytes)),
      f64x2.mul(q, v128.load(column + columnBytes)),
    ),
    f64x2.mul(r, v128.load(column)),
  );
}

/** The least P u + Q v + R c of a row over the columns [from, to); Infinity if there are none. */
export function leastTerm(row: usize, rowBytes: usize, columns: usize, columnBytes: usize, from: u32, to: u32): f64 {
  const p = load<f64>(row + 2 * rowBytes);
  const q = load<f64>(row + 3 * rowBytes);
  const r = load<f64>(row + 4 * rowBytes);
  const ps = f64x2.splat(p);
  const qs = f64x2.splat(q);
  const rs = f64x2.splat(r);
  let least0 = f64x2.splat(Infinity);
  let least1 = least0;
  let column = columns + (<usize>from << 3);
  const end = columns + (<usize>to << 3);
  for (; column + 32 <= end; column += 32) {
    least0 = f64x2.pmin(least0, pairTerms(ps, qs, rs, column, columnBytes));
    least1 = f64x2.pmin(least1, pairTerms(ps, qs, rs, column + 16, columnBytes));
  }
  least0 = f64x2.pmin(least0, least1);
  let least = f64x2.extract_lane(least0, 0);
  if (f64x2.extract_lane(least0, 1) < least) least = f64x2.extract_lane(least0, 1);
  for (; column < end; column += 8) {
    const term = p * load<f64>(column + 2 * columnBytes) + q * load<f64>(column + columnBytes) + r * load<f64>(column);
    if (term < least) least = term;
  }
  return least;
}

/** The least of `count` f64; Infinity if there are none. */
// @ts-ignore: decorator
@inline
export function leastOf(values: usize, count: u32): f64 {
  let least: f64 = Infinity;
  for (let i: u32 = 0; i < count; i++) {
    const value = load<f64>(values + (<usize>i << 3));
    if (value < least) least = value;
  }
  return least;
}
