import { checkNumber } from '../core/check.js';
import type { Random } from '../core/random.js';
import type { Metric } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import { type CompactOptions, compact } from './compact.js';
import type { CompactBlock } from './compact-block.js';
import type { Encoding } from './encoding.js';
import { nearestRows } from './exact.js';
import { pack, type VectorContext } from './pack.js';
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

const SAMPLE_K = 10;
const MOST_QUERIES = 100;

export interface SampleRecall {
  encoding: Encoding;
  /** recall@k of a search of the codes against an exact one. */
  recall: number;
  /** The same with the best `10 * k` scored again from float32. */
  recallRescored: number;
}

export interface SampleRecallReport {
  k: number;
  /** Vectors searched, and vectors held out of them as queries. */
  rows: number;
  queries: number;
  encodings: SampleRecall[];
}

/**
 * What encodings cost in recall@10 by cosine on a sample of vectors: every tenth vector, 100 at most, is held out as a
 * query and searched among the others. The sample is shuffled in place, by `random`.
 * @throws VBO_ERR_ARGUMENT for fewer than 2 vectors, VBO_ERR_DIMENSION, VBO_ERR_NOT_FINITE, VBO_ERR_MEMORY
 */
export async function recallOnSample(
  context: VectorContext,
  sample: Float32Array[],
  formats: readonly CompactOptions[],
  random: Random,
): Promise<SampleRecallReport> {
  checkNumber(sample.length, 'sample.length', { min: 2, max: Number.MAX_SAFE_INTEGER, integer: true });
  random.shuffle(sample);
  const held = Math.max(1, Math.min(MOST_QUERIES, Math.floor(sample.length / 10)));
  // A zero vector has no direction to be near to.
  const queries = sample.slice(0, held).filter((query) => query.some((x) => x !== 0));
  using vectors = await pack(context, sample.slice(held));
  const k = Math.min(SAMPLE_K, vectors.rows);
  const expected = nearestByQuery(context.kernels, vectors, queries, k);
  const encodings: SampleRecall[] = [];
  for (const format of formats) {
    using block = await compact(context, vectors, format);
    encodings.push({
      encoding: format.encoding,
      recall: recallOf(block, vectors, queries, expected, { k }),
      recallRescored: recallOf(block, vectors, queries, expected, { k, candidates: 10 * k }),
    });
  }
  return { k, rows: vectors.rows, queries: queries.length, encodings };
}
