// Exhaustive search of the cost surface over batch sizes (rows i) x concurrencies (columns j).
//
// The cost model is separable, so a cell needs no logarithm and no division:
//
//   cost(i, j) = ((P_i u_j + Q_i v_j) + R_i c_j) + S_i          f64, in this order, no fused steps
//
//   P weighted ms per vector alone    u_j = contention(c_j) / c_j
//   Q weighted service time           v_j = contention(c_j)
//   R weighted memory per permit      c_j
//   S weighted requests per vector and base memory
//
//   rowTable      | b[n] | service[n] | P[n] | Q[n] | R[n] | S[n] |      f64
//   columnTable   | c[m] | v[m] | u[m] |                                  f64
//   tileTable     | c[t] | v[t] | u[t] |  the least of each tile, t = ceil(m / 64) * 2
//   bounds        | memory base | memory per vector | request base | request per vector |
//                 | max memory | max request | max rows | max latency | max concurrency | items |      f64
//   scratch       | feasible minima f64[n] | free minima f64[n] | limits u32[n] | tileTable |
//   result        | u32 feasible cells | u32 top cells |
//                 | best | plateau | free best | free plateau | top 0 | top 1 | ...
//                 cell = { u32 i, u32 j, f64 cost }
//
// "Feasible" cells obey the bounds, "free" ones ignore them. Each bound is monotone in c, so the feasible cells of a
// row are a prefix of its columns: limits[i] says how many.
//
// Ties: rounding is monotone, so min_j fl(t_j + S) = fl(min_j t_j + S), and a row's minimum needs no index; the
// few rows that hold an answer are read again, in order, for the first column that reaches it.
//
// Pruning: columns come in tiles of 32. The formula on a tile's least u, v and c is a lower bound of its cells, exact
// in floating point (monotone again), so a tile is read only when its bound does not exceed what is still asked
// for: best * plateauFactor, or the top-th least row minimum. A minimum is exact wherever it is at most the final
// threshold; elsewhere it is too large or Infinity, and never looked at. The worst case (a flat surface) reads all.
//
// Preconditions: b and c ascending and >= 1; service, P, Q, R, S, u, v finite and >= 0; v ascending; n, m, top >= 1.

import { CELL_BYTES, insertCell, selectCells, selectTop } from "./grid-cells";
import { cellCost, leastOf, leastTerm, pairTerms } from "./grid-cost";

const RESULT_HEADER: usize = 8;
const TILE: u32 = 32;

/** Tiles of 32 columns, rounded up to pairs. */
// @ts-ignore: decorator
@inline
function tileCount(m: u32): u32 {
  return (m + 2 * TILE - 1) / (2 * TILE) * 2;
}

/** Writes the tile table. c and v ascend, u may not. */
function findTiles(m: u32, columnTable: usize, tileTable: usize): void {
  const tiles = tileCount(m);
  const columnBytes = <usize>m << 3;
  const tileBytes = <usize>tiles << 3;
  // A tile behind the last column is NaN, which no threshold admits.
  for (let k: u32 = 0; k < 3 * tiles; k++) store<f64>(tileTable + (<usize>k << 3), NaN);
  for (let t: u32 = 0; t * TILE < m; t++) {
    const column = columnTable + (<usize>(t * TILE) << 3);
    const tile = tileTable + (<usize>t << 3);
    store<f64>(tile, load<f64>(column));
    store<f64>(tile + tileBytes, load<f64>(column + columnBytes));
    store<f64>(tile + 2 * tileBytes, leastOf(column + 2 * columnBytes, min(TILE, m - t * TILE)));
  }
}

/** Does cell (b, service) x (c, v) obey the bounds that depend on the column? */
// @ts-ignore: decorator
@inline
function obeys(bounds: usize, b: f64, service: f64, c: f64, v: f64): bool {
  return c <= load<f64>(bounds, 64)
    && b * c <= load<f64>(bounds, 72)
    && load<f64>(bounds) + load<f64>(bounds, 8) * (b * c) <= load<f64>(bounds, 32)
    && service * v <= load<f64>(bounds, 56);
}

/** Of every 16th row the one with the least lower bound. */
function findStart(n: u32, rowTable: usize, tileTable: usize, tiles: u32): u32 {
  const rowBytes = <usize>n << 3;
  const tileBytes = <usize>tiles << 3;
  let start: u32 = 0;
  let least: f64 = Infinity;
  for (let i: u32 = 0; i < n; i += 16) {
    for (let t: u32 = 0; t < tiles; t++) {
      const bound = cellCost(rowTable + (<usize>i << 3), rowBytes, tileTable + (<usize>t << 3), tileBytes);
      if (bound < least) {
        least = bound;
        start = i;
      }
    }
  }
  return start;
}

/**
 * Writes limits[i]; returns the number of feasible cells. A limit walks from that of the row before: O(n + m) steps
 * when limits only fall, and right when they do not.
 */
function findLimits(n: u32, m: u32, rowTable: usize, columnTable: usize, bounds: usize, limits: usize): u32 {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  let feasible: u32 = 0;
  let limit = m;
  for (let i: u32 = 0; i < n; i++) {
    const row = rowTable + (<usize>i << 3);
    const b = load<f64>(row);
    const service = load<f64>(row + rowBytes);
    const request = load<f64>(bounds, 16) + load<f64>(bounds, 24) * b;
    if (request <= load<f64>(bounds, 40) && b <= load<f64>(bounds, 48)) {
      let column = columnTable + (<usize>limit << 3);
      while (limit < m && obeys(bounds, b, service, load<f64>(column), load<f64>(column + columnBytes))) {
        limit++;
        column += 8;
      }
      while (limit > 0 && !obeys(bounds, b, service, load<f64>(column - 8), load<f64>(column + columnBytes - 8))) {
        limit--;
        column -= 8;
      }
      store<u32>(limits + (<usize>i << 2), limit);
      feasible += limit;
    } else {
      store<u32>(limits + (<usize>i << 2), 0);
    }
  }
  return feasible;
}

/**
 * Searches the surface; see the layout above. `plateauFactor` = 1 + tolerance.
 * Returns the number of feasible cells; 0: only the free cells of the result are written.
 */
export function searchGrid(
  n: u32, m: u32, rowTable: usize, columnTable: usize, bounds: usize,
  plateauFactor: f64, top: u32, scratch: usize, result: usize,
): u32 {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  const minima = scratch;
  const freeMinima = scratch + rowBytes;
  const limits = freeMinima + rowBytes;
  const tileTable = limits + ((<usize>n + 1) >> 1 << 3);
  const cells = result + RESULT_HEADER;
  const topCells = cells + 4 * CELL_BYTES;
  const feasible = findLimits(n, m, rowTable, columnTable, bounds, limits);
  findTiles(m, columnTable, tileTable);
  const tiles = tileCount(m);
  const tileBytes = <usize>tiles << 3;

  let best: f64 = Infinity;
  let freeBest: f64 = Infinity;
  let topMinimum: f64 = Infinity;
  let count: u32 = 0;
  // From a promising row outwards, so that the thresholds are low from the start.
  const start = findStart(n, rowTable, tileTable, tiles);
  for (let step: u32 = 0; step < n; step++) {
    const i = step <= start ? start - step : step;
    const row = rowTable + (<usize>i << 3);
    const limit = load<u32>(limits + (<usize>i << 2));
    const rowConstant = load<f64>(row + 5 * rowBytes);
    const threshold = max(best * plateauFactor, topMinimum);
    const freeThreshold = freeBest * plateauFactor;
    let least: f64 = Infinity;
    let rest: f64 = Infinity;
    const ps = v128.load64_splat(row + 2 * rowBytes);
    const qs = v128.load64_splat(row + 3 * rowBytes);
    const rs = v128.load64_splat(row + 4 * rowBytes);
    const thresholds = f64x2.splat(threshold);
    for (let t: u32 = 0; t < tiles; t += 2) {
      const lower = f64x2.add(pairTerms(ps, qs, rs, tileTable + (<usize>t << 3), tileBytes), f64x2.splat(rowConstant));
      // The threshold of all cells is at most that of the feasible ones: one comparison passes over both.
      if (!v128.any_true(f64x2.le(lower, thresholds))) continue;
      for (let lane: u32 = 0; lane < 2; lane++) {
        const bound = lane == 0 ? f64x2.extract_lane(lower, 0) : f64x2.extract_lane(lower, 1);
        const from = (t + lane) * TILE;
        const to = min(from + TILE, m);
        const split = min(max(limit, from), to);
        if (from < split && bound <= threshold) {
          least = min(least, leastTerm(row, rowBytes, columnTable, columnBytes, from, split));
        }
        if (split < to && bound <= freeThreshold) {
          rest = min(rest, leastTerm(row, rowBytes, columnTable, columnBytes, split, to));
        }
      }
    }
    rest = min(least, rest) + rowConstant;
    least += rowConstant;
    store<f64>(minima + (<usize>i << 3), least);
    store<f64>(freeMinima + (<usize>i << 3), rest);
    best = min(best, least);
    freeBest = min(freeBest, rest);
    if (least < topMinimum) {
      count = insertCell(topCells, count, top, i, 0, least);
      if (count == top) topMinimum = load<f64>(topCells + <usize>(top - 1) * CELL_BYTES, 8);
    }
  }

  count = 0;
  if (feasible > 0) {
    selectCells(n, m, rowTable, columnTable, minima, limits, plateauFactor, cells);
    count = selectTop(n, m, rowTable, columnTable, minima, limits, topMinimum, top, topCells);
  }
  selectCells(n, m, rowTable, columnTable, freeMinima, 0, plateauFactor, cells + 2 * CELL_BYTES);
  store<u32>(result, feasible);
  store<u32>(result, count, 4);
  return feasible;
}

/** Writes cost(i, j) to target[i * m + j], Infinity behind limits[i]. */
export function costSurface(n: u32, m: u32, rowTable: usize, columnTable: usize, limits: usize, target: usize): void {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  for (let i: u32 = 0; i < n; i++) {
    const row = rowTable + (<usize>i << 3);
    const limit = load<u32>(limits + (<usize>i << 2));
    const p = f64x2.splat(load<f64>(row + 2 * rowBytes));
    const q = f64x2.splat(load<f64>(row + 3 * rowBytes));
    const r = f64x2.splat(load<f64>(row + 4 * rowBytes));
    const s = f64x2.splat(load<f64>(row + 5 * rowBytes));
    let j: u32 = 0;
    for (; j + 2 <= limit; j += 2) {
      v128.store(target, f64x2.add(pairTerms(p, q, r, columnTable + (<usize>j << 3), columnBytes), s));
      target += 16;
    }
    for (; j < m; j++) {
      store<f64>(target, j < limit ? cellCost(row, rowBytes, columnTable + (<usize>j << 3), columnBytes) : Infinity);
      target += 8;
    }
  }
}
