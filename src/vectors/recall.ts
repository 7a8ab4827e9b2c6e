import { dotFloat32 } from '../kernels/distance.js';
import type { Kernels } from '../kernels/kernels.js';
import { allocateMatrix, matrixAt } from '../kernels/matrix.js';

/**
 * recall@k: the share of each query's k nearest vectors by cosine among `exact` that are also among its k nearest in
 * `approximate`, averaged over the queries. Exact scans of both with the float32 query.
 * @param exact rows x dimension: the vectors themselves
 * @param approximate rows x dimension: what their codes decode to
 * @param queries queries x dimension, not among the rows
 */
export function recallAtK(
  kernels: Kernels,
  exact: Float32Array,
  approximate: Float32Array,
  queries: Float32Array,
  dimension: number,
  k: number,
): number {
  const expected = nearest(kernels, exact, queries, dimension, k);
  const found = nearest(kernels, approximate, queries, dimension, k);
  let hits = 0;
  let wanted = 0;
  for (const [query, rows] of expected.entries()) {
    const answer = new Set(found[query]);
    wanted += rows.length;
    for (const row of rows) if (answer.has(row)) hits++;
  }
  return wanted === 0 ? 1 : hits / wanted;
}

/** The k rows nearest to each query by cosine, best first, ties to the smaller row. */
function nearest(
  kernels: Kernels,
  vectors: Float32Array,
  queries: Float32Array,
  dimension: number,
  k: number,
): number[][] {
  const { arena } = kernels;
  const rows = vectors.length / dimension;
  const unit = normalized(vectors, dimension);
  const matrix = allocateMatrix(arena, 'float32', rows, dimension, 'contiguous');
  const query = allocateMatrix(arena, 'float32', 1, dimension, 'contiguous');
  const scores = allocateMatrix(arena, 'float32', rows, 1, 'contiguous');
  try {
    arena.float32(matrix.pointer, unit.length).set(unit);
    const answers: number[][] = [];
    for (let first = 0; first < queries.length; first += dimension) {
      arena.float32(query.pointer, dimension).set(queries.subarray(first, first + dimension));
      const all = matrixAt('float32', matrix, 0, rows, dimension);
      for (const call of dotFloat32(query, all, scores)) kernels.call(call);
      const score = arena.float32(scores.pointer, rows).slice();
      const order = Uint32Array.from({ length: rows }, (_, row) => row);
      order.sort((a, b) => score[b]! - score[a]! || a - b);
      answers.push([...order.subarray(0, k)]);
    }
    return answers;
  } finally {
    for (const made of [matrix, query, scores]) arena.free(made.span);
  }
}

function normalized(vectors: Float32Array, dimension: number): Float32Array {
  const unit = vectors.slice();
  for (let first = 0; first < unit.length; first += dimension) {
    let squares = 0;
    for (let i = first; i < first + dimension; i++) squares += unit[i]! * unit[i]!;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = first; i < first + dimension; i++) unit[i]! *= scale;
  }
  return unit;
}
