import { Random } from '../../src/core/random.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { type CostModel, vectorsPerSecond } from '../../src/model/cost.js';

const DATABASES = ['qdrant', 'lancedb', 'chroma', 'pgvector', 'sqlite', 'nebula'];
const DIMENSIONS = [128, 384, 768, 1536];
/** What {@link manyRecords} are made of. */
export const TRUE_COST: CostModel = {
  ...{ fixedMs: 10, perVectorMs: 0.1, superLinearMs: 0, sigma: 1, kappa: 0.01 },
};

/** Records of 24 pairs of database and dimension, all of {@link TRUE_COST}, with 15 % noise; one in fifty failed. */
export function manyRecords(count: number, nowMs: number): BatchExecutionRecord[] {
  const random = new Random(5);
  return Array.from({ length: count }, (_, n) => {
    const setting = { batchSize: 2 ** (3 + random.integer(11)), concurrency: 2 ** random.integer(4) };
    const rate = vectorsPerSecond(TRUE_COST, setting) * Math.exp(0.15 * random.normal());
    const success = n % 50 !== 7;
    return {
      ...{ database_type: DATABASES[n % 6]!, deployment: 'http' as const, ts: nowMs - count + n },
      vector_dimension: DIMENSIONS[Math.floor(n / 6) % 4]!,
      ...{ batch_size: setting.batchSize, concurrency: setting.concurrency, item_count: 1_000_000 },
      ...{ bytes_per_vector: 512, execution_time_ms: 1e9 / rate, throughput_vps: success ? rate : null },
      batch_p50_ms: (1000 * setting.batchSize * setting.concurrency) / rate,
      ...{ batch_p95_ms: null, peak_rss_mb: 200, success, error: success ? null : '503 overloaded' },
      ...{ batches: 12, client_version: '1.0' },
    };
  });
}
