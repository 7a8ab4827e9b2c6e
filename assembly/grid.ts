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
//   bounds        | memory base | memory per vector | request base | request per vector |
//                 | max memory | max request | max rows | max latency | max concurrency | items |      f64
//   scratch       | feasible minima f64[n] | free minima f64[n] | limits u32[n] |
//   result        | u32 feasible cells | u32 top cells |
//                 | best | plateau | free best | free plateau | top 0 | top 1 | ...
//                 cell = { u32 i, u32 j, f64 cost }
//
// "Feasible" cells obey the bounds, "free" ones ignore them. Each bound is monotone in c, so the feasible cells of a
// row are a prefix of its columns: limits[i] says how many.
//
// Ties: rounding is monotone, so min_j fl(t_j + S) = fl(min_j t_j + S), and a row's minimum needs no index; the
// few rows that hold an answer are read again, in order, for the first column that reaches it. A row is not read at
// all when its lower bound (the same expression on the least u, v and c; monotone again, hence exact) is
// above everything that is still asked for.
//
// Preconditions: b and c ascending and >= 1; service, P, Q, R, S, u, v finite and >= 0; v ascending; n, m, top >= 1.

const CELL_BYTES: usize = 16;
const RESULT_HEADER: usize = 8;

/** The plain formula of one cell, the order of which every other place here must keep. */
// @ts-ignore: decorator
@inline
function cellCost(row: usize, rowBytes: usize, column: usize, columnBytes: usize): f64 {
  return load<f64>(row + 2 * rowBytes) * load<f64>(column + 2 * columnBytes)
    + load<f64>(row + 3 * rowBytes) * load<f64>(column + columnBytes)
    + load<f64>(row + 4 * rowBytes) * load<f64>(column)
    + load<f64>(row + 5 * rowBytes);
}

// @ts-ignore: decorator
@inline
function pair(p: v128, q: v128, r: v128, column: usize, columnBytes: usize): v128 {
  return f64x2.add(
    f64x2.add(
      f64x2.mul(p, v128.load(column + 2 * columnBytes)),
      f64x2.mul(q, v128.load(column + columnBytes)),
    ),
    f64x2.mul(r, v128.load(column)),
  );
}

/** The least P u + Q v + R c of a row over the columns [from, to); Infinity if there are none. */
function leastTerm(row: usize, rowBytes: usize, columns: usize, columnBytes: usize, from: u32, to: u32): f64 {
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
    least0 = f64x2.pmin(least0, pair(ps, qs, rs, column, columnBytes));
    least1 = f64x2.pmin(least1, pair(ps, qs, rs, column + 16, columnBytes));
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

// @ts-ignore: decorator
@inline
function leastOf(values: usize, count: u32): f64 {
  let least: f64 = Infinity;
  for (let i: u32 = 0; i < count; i++) {
    const value = load<f64>(values + (<usize>i << 3));
    if (value < least) least = value;
  }
  return least;
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

/** Writes limits[i]; returns the number of feasible cells. The limit walks from the row before: O(n + m) when it is monotone. */
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

// @ts-ignore: decorator
@inline
function storeCell(cell: usize, i: u32, j: u32, cost: f64): void {
  store<u32>(cell, i);
  store<u32>(cell, j, 4);
  store<f64>(cell, cost, 8);
}

/**
 * Writes the best cell and the plateau cell: among the cells of cost <= best * plateauFactor the one with the least
 * b * c, the first such in the order of rows and columns. `limits` = 0: all m columns of each row.
 */
function selectCells(
  n: u32, m: u32, rowTable: usize, columnTable: usize, minima: usize, limits: usize, plateauFactor: f64, cells: usize,
): void {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  const best = leastOf(minima, n);
  const threshold = best * plateauFactor;
  const firstConcurrency = load<f64>(columnTable);
  let found = false;
  let leastInFlight: f64 = Infinity;
  for (let i: u32 = 0; i < n; i++) {
    const minimum = load<f64>(minima + (<usize>i << 3));
    if (minimum > threshold) continue;
    const row = rowTable + (<usize>i << 3);
    const limit = limits == 0 ? m : load<u32>(limits + (<usize>i << 2));
    const b = load<f64>(row);
    if (b * firstConcurrency < leastInFlight) {
      for (let j: u32 = 0; j < limit; j++) {
        const column = columnTable + (<usize>j << 3);
        const inFlight = b * load<f64>(column);
        if (inFlight >= leastInFlight) break;
        const cost = cellCost(row, rowBytes, column, columnBytes);
        if (cost <= threshold) {
          leastInFlight = inFlight;
          storeCell(cells + CELL_BYTES, i, j, cost);
          break;
        }
      }
    }
    if (!found && minimum == best) {
      found = true;
      for (let j: u32 = 0; j < limit; j++) {
        if (cellCost(row, rowBytes, columnTable + (<usize>j << 3), columnBytes) == best) {
          storeCell(cells, i, j, best);
          break;
        }
      }
    }
  }
}

/** Inserts a cell into the ascending list of `count` cells, behind its equals; returns the new count, at most `top`. */
function insertCell(list: usize, count: u32, top: u32, i: u32, j: u32, cost: f64): u32 {
  let at = list + <usize>count * CELL_BYTES;
  if (count == top) at -= CELL_BYTES;
  else count++;
  for (; at > list && load<f64>(at - CELL_BYTES, 8) > cost; at -= CELL_BYTES) {
    v128.store(at, v128.load(at - CELL_BYTES));
  }
  storeCell(at, i, j, cost);
  return count;
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
  const feasible = findLimits(n, m, rowTable, columnTable, bounds, limits);

  for (let i: u32 = 0; i < n; i++) {
    const row = rowTable + (<usize>i << 3);
    const limit = load<u32>(limits + (<usize>i << 2));
    const rowConstant = load<f64>(row + 5 * rowBytes);
    const least = leastTerm(row, rowBytes, columnTable, columnBytes, 0, limit);
    const rest = leastTerm(row, rowBytes, columnTable, columnBytes, limit, m);
    store<f64>(minima + (<usize>i << 3), least + rowConstant);
    store<f64>(freeMinima + (<usize>i << 3), min(least, rest) + rowConstant);
  }

  const cells = result + RESULT_HEADER;
  const topCells = cells + 4 * CELL_BYTES;
  let count: u32 = 0;
  if (feasible > 0) {
    selectCells(n, m, rowTable, columnTable, minima, limits, plateauFactor, cells);
    count = selectTop(n, m, rowTable, columnTable, minima, limits, top, topCells);
  }
  selectCells(n, m, rowTable, columnTable, freeMinima, 0, plateauFactor, cells + 2 * CELL_BYTES);
  store<u32>(result, feasible);
  store<u32>(result, count, 4);
  return feasible;
}

/** Writes the `top` cheapest feasible cells in order; returns how many there are. */
function selectTop(
  n: u32, m: u32, rowTable: usize, columnTable: usize, minima: usize, limits: usize, top: u32, list: usize,
): u32 {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  // The top-th least row minimum is at least the top-th least cost: rows above it hold no answer.
  let count: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const minimum = load<f64>(minima + (<usize>i << 3));
    if (minimum != Infinity && (count < top || minimum < load<f64>(list + <usize>(top - 1) * CELL_BYTES, 8))) {
      count = insertCell(list, count, top, i, 0, minimum);
    }
  }
  const threshold: f64 = count == top ? load<f64>(list + <usize>(top - 1) * CELL_BYTES, 8) : Infinity;
  count = 0;
  for (let i: u32 = 0; i < n; i++) {
    if (load<f64>(minima + (<usize>i << 3)) > threshold) continue;
    const row = rowTable + (<usize>i << 3);
    const limit = load<u32>(limits + (<usize>i << 2));
    for (let j: u32 = 0; j < limit; j++) {
      const cost = cellCost(row, rowBytes, columnTable + (<usize>j << 3), columnBytes);
      if (count < top || cost < load<f64>(list + <usize>(top - 1) * CELL_BYTES, 8)) {
        count = insertCell(list, count, top, i, j, cost);
      }
    }
  }
  return count;
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
      v128.store(target, f64x2.add(pair(p, q, r, columnTable + (<usize>j << 3), columnBytes), s));
      target += 16;
    }
    for (; j < m; j++) {
      store<f64>(target, j < limit ? cellCost(row, rowBytes, columnTable + (<usize>j << 3), columnBytes) : Infinity);
      target += 8;
    }
  }
}
