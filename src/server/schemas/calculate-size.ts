import { type Static, Type } from 'typebox';
import {
  BatchSize,
  Concurrency,
  CostModelSchema,
  closed,
  DatabaseName,
  Dimension,
  ItemCount,
  ObjectiveName,
} from './common.js';

export const CalculateSizeBody = Type.Object(
  {
    item_count: ItemCount,
    vector_dimension: Dimension,
    database_type: DatabaseName,
    system_resources: Type.Object(
      {
        available_memory: Type.Number({ minimum: 1, maximum: 1e9, description: 'MB' }),
        cpu_cores: Type.Integer({ minimum: 1, maximum: 4096 }),
        io_bandwidth: Type.Number({ minimum: 0.001, maximum: 1e9, description: 'MB/s' }),
      },
      closed,
    ),
    objective: Type.Optional(ObjectiveName),
  },
  {
    ...closed,
    examples: [
      {
        item_count: 1_000_000,
        vector_dimension: 1536,
        database_type: 'qdrant',
        system_resources: { available_memory: 8192, cpu_cores: 4, io_bandwidth: 1000 },
      },
    ],
  },
);
export type CalculateSizeBody = Static<typeof CalculateSizeBody>;

const Predicted = {
  throughput_vps: Type.Number({ description: 'Vectors per second, sustained' }),
  batch_latency_ms: Type.Number({ description: 'From sending a request to its acknowledgement' }),
  p95_latency_ms: Type.Number({ description: '95th percentile of the same' }),
  memory_mb: Type.Number({ description: 'Held by vectors in flight, all copies counted' }),
  process_peak_mb: Type.Number({ description: 'Peak resident memory of the loading process' }),
};

export const CalculateSizeAnswer = Type.Object({
  recommended_batch_size: BatchSize,
  recommended_concurrency: Concurrency,
  predicted: Type.Object(Predicted),
  confidence: Type.Number({ description: '0 to 1; below 0.5 nothing was measured on this machine' }),
  interval: Type.Object(
    { low: Type.Number(), high: Type.Number() },
    { description: 'Rate in which four of five loads should fall, vectors per second' },
  ),
  binding_constraint: Type.String({ description: 'What keeps the answer from being faster, or none' }),
  alternatives: Type.Array(
    Type.Object({
      batch_size: Type.Integer(),
      concurrency: Type.Integer(),
      ...Predicted,
      why: Type.String({ description: 'What it is good for' }),
    }),
    { description: 'Other points of the Pareto front of rate, p95 latency, memory and number of requests' },
  ),
  explanation: Type.String(),
  model: Type.Object({
    database: Type.String(),
    basis: Type.String(),
    records: Type.Integer({ description: 'Records behind the answer; 0 for a prior' }),
    cost: CostModelSchema,
  }),
});
export type CalculateSizeAnswer = Static<typeof CalculateSizeAnswer>;
