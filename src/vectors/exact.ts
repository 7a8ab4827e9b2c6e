import type { Metric } from '../core/types.js';
import { dotFloat32, squaredL2Float32 } from '../kernels/distance.js';
import type { Kernels } from '../kernels/kernels.js';
import { allocateMatrix, type Matrix } from '../kernels/matrix.js';
import type { At } from '../kernels/records.js';
import { cosineScores, type Ranking, topK, topKBytes } from '../kernels/scores.js';
import { callTask } from '../kernels/task.js';

/** target[row] = |row|^2, float32. */
export function squaredLengths(kernels: Kernels, matrix: Matrix<'float32'>, target: At): void {
  const { arena } = kernels;
  const origin = allocateMatrix(arena, 'float32', 1, matrix.dimension);
  try {
    arena.float32(origin.pointer, matrix.dimension).fill(0);
    for (const call of squaredL2Float32(origin, matrix, target)) kernels.call(call);
  } finally {
    arena.free(origin.span);
  }
}

/** Euclidean length of a vector, summed in float64. */
export function lengthOf(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let d = 0; d < vector.length; d++) squares += vector[d]! * vector[d]!;
  return Math.sqrt(squares);
}

/**
 * The `k` rows of a float32 matrix nearest to a query, best first, by an exact scan. Scores are those of a
 * {@link Ranking}: greater is better, a squared distance is negative.
 */
export function nearestRows(
  kernels: Kernels,
  matrix: Matrix<'float32'>,
  query: Float32Array,
  k: number,
  metric: Metric,
): Ranking {
  const { arena } = kernels;
  const { rows, dimension } = matrix;
  const most = Math.min(k, rows);
  if (most === 0) return { rows: new Uint32Array(0), scores: new Float32Array(0) };
  const at = allocateMatrix(arena, 'float32', 1, dimension);
  const scores = arena.allocate(4 * rows);
  const squares = arena.allocate(4 * rows);
  const heap = arena.allocate(topKBytes(most));
  try {
    arena.float32(at.pointer, dimension).set(query);
    const scan = metric === 'l2' ? squaredL2Float32 : dotFloat32;
    for (const call of scan(at, matrix, scores)) kernels.call(call);
    if (metric === 'cosine') {
      squaredLengths(kernels, matrix, squares);
      kernels.call(cosineScores(scores, squares, rows, 1 / lengthOf(query)));
    } else if (metric === 'l2') {
      const distances = arena.float32(scores.pointer, rows);
      for (let row = 0; row < rows; row++) distances[row] = -distances[row]!;
    }
    return callTask(kernels, topK(arena, scores, rows, most, heap));
  } finally {
    for (const span of [at.span, scores, squares, heap]) arena.free(span);
  }
}
