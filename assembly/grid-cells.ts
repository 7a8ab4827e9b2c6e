// Picks cells out of the grid once the row minima are known: the best, the plateau, the cheapest few. The tables, the
// minima and the cells of 16 bytes are drawn in grid.ts.

import { cellCost, leastOf } from "./grid-cost";

export const CELL_BYTES: usize = 16;

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
export function selectCells(
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
export function insertCell(list: usize, count: u32, top: u32, i: u32, j: u32, cost: f64): u32 {
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
 * Writes the `top` cheapest feasible cells in order; returns how many there are. The top-th least row minimum is at
 * least the top-th least cost, so rows above it hold no answer.
 */
export function selectTop(
  n: u32, m: u32, rowTable: usize, columnTable: usize, minima: usize, limits: usize,
  topMinimum: f64, top: u32, list: usize,
): u32 {
  const rowBytes = <usize>n << 3;
  const columnBytes = <usize>m << 3;
  let count: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    if (load<f64>(minima + (<usize>i << 3)) > topMinimum) continue;
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
