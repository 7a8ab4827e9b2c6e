import { type Static, Type } from 'typebox';
import { MAX_ITEMS } from '../../core/limits.js';
import { BatchSize, Concurrency, DatabaseName, Dimension } from './common.js';

const Measure = Type.Optional(
  Type.Union([Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()]),
);

const Count = Type.Optional(Type.Union([Type.Integer({ minimum: 0, maximum: MAX_ITEMS }), Type.Null()]));

/** A record as examples show it. */
export const RECORD_EXAMPLE = {
  database_type: 'qdrant',
  deployment: 'http',
  vector_dimension: 768,
  batch_size: 256,
  concurrency: 4,
  item_count: 100_000,
  throughput_vps: 8200,
  batch_p50_ms: 118,
  success: true,
};

/** What a load with one setting achieved; further fields are kept. */
export const ExecutionRecord = Type.Object(
  {
    database_type: DatabaseName,
    deployment: Type.Optional(Type.Enum(['in-process', 'http'])),
    vector_dimension: Dimension,
    batch_size: BatchSize,
    concurrency: Concurrency,
    item_count: Count,
    bytes_per_vector: Measure,
    execution_time_ms: Measure,
    throughput_vps: Measure,
    batch_p50_ms: Measure,
    batch_p95_ms: Measure,
    peak_rss_mb: Measure,
    collection_rows: Count,
    success: Type.Boolean(),
    error: Type.Optional(Type.Union([Type.String({ maxLength: 10_000 }), Type.Null()])),
    ts: Type.Optional(Type.Number({ minimum: 0, maximum: 1e15, description: 'Unix time, ms' })),
  },
  {
    additionalProperties: true,
    examples: [RECORD_EXAMPLE],
  },
);
export type ExecutionRecord = Static<typeof ExecutionRecord>;
