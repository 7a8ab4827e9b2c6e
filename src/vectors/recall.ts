import type { Metric } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import type { CompactBlock } from './compact-block.js';
import { nearestRows } from './exact.js';
import type { VectorBlock } from './vector-block.js';

export interface RecallOptions {
  k: number;
  /** Default `cosine`. */
  metric?: Metric;
  /** How many of the best rows are scored again from float32 first. Default: none. */
  candidates?: number;
}

/** For each query the rows of its k nearest vectors, best first, by an exact scan. */
export function nearestByQuery(
  kernels: Kernels,
  vectors: VectorBlock,
  queries: readonly Float32Array[],
  k: number,
  metric: Metric = 'cosine',
): Uint32Array[] {
  const { matrix, release } = vectors.rowMatrix();
  try {
    return queries.map((query) => nearestRows(kernels, matrix, query, k, metric).rows);
  } finally {
    release();
  }
}

/**
 * recall@k: the share of the rows in `expected` (see {@link nearestByQuery}) that a search of the codes finds among its k
 * best, over all queries; 1 if there is nothing to find.
 */
export function recallOf(
  block: CompactBlock,
  vectors: VectorBlock,
  queries: readonly Float32Array[],
  expected: readonly Uint32Array[],
  { k, metric = 'cosine', candidates }: RecallOptions,
): number {
  let hits = 0;
  let wanted = 0;
  for (const [i, query] of queries.entries()) {
    const options = candidates === undefined ? { metric } : { metric, rescore: { vectors, candidates } };
    const found = new Set(block.search(query, k, options).ids);
    for (const row of expected[i]!) if (found.has(row)) hits++;
    wanted += expected[i]!.length;
  }
  return wanted === 0 ? 1 : hits / wanted;
}
