import type { Arena } from './arena.js';
import type { KernelCall } from './kernels.js';
import type { At } from './records.js';
import type { KernelTask } from './task.js';

/** In place, dot products -> cosines: dot * inverseLength / sqrt(square of the row); 0 for a zero vector. */
export function cosineScores(scores: At, squares: At, rows: number, inverseLength: number): KernelCall {
  return {
    name: 'cosineScores',
    args: [scores.pointer, squares.pointer, rows, inverseLength],
    workBytes: 8 * rows,
  };
}

/** In place, dot products -> negative squared distances, at most 0. */
export function l2Scores(scores: At, squares: At, rows: number, querySquare: number): KernelCall {
  return {
    name: 'l2Scores',
    args: [scores.pointer, squares.pointer, rows, querySquare],
    workBytes: 8 * rows,
  };
}

/** Rows and their scores, best first. */
export interface Ranking {
  readonly rows: Uint32Array<ArrayBuffer>;
  readonly scores: Float32Array<ArrayBuffer>;
}

/** Bytes of scratch memory that {@link topK} needs. */
export const topKBytes = (k: number): number => 8 * k;

/**
 * The `k` greatest of `count` scores, best first, equals by row. NaN counts as -Infinity. `heap` points to
 * {@link topKBytes} bytes that must stay allocated until the task is finished; `k` is 1 to `count`.
 */
export function topK(arena: Arena, scores: At, count: number, k: number, heap: At): KernelTask<Ranking> {
  return {
    calls: [{ name: 'topK', args: [scores.pointer, count, k, heap.pointer], workBytes: 4 * count }],
    finish() {
      const pairs = arena.float32(heap.pointer, 2 * k);
      const rowsOf = new Uint32Array(arena.memory.buffer, heap.pointer, 2 * k);
      return {
        rows: Uint32Array.from({ length: k }, (_, i) => rowsOf[2 * i + 1]!),
        scores: Float32Array.from({ length: k }, (_, i) => pairs[2 * i]!),
      };
    },
  };
}
