import { type Static, Type } from 'typebox';
import { BatchSize, Concurrency, closed, DatabaseName, Dimension, ItemCount } from './common.js';

export const OptimizeConcurrencyBody = Type.Object(
  {
    total_items: ItemCount,
    batch_size: BatchSize,
    system_capacity: Type.Object(
      {
        max_concurrent_operations: Concurrency,
        memory_threshold: Type.Number({
          minimum: 0.001,
          maximum: 100,
          description: 'Share of the server’s memory that vectors in flight may take, %',
        }),
      },
      closed,
    ),
    database_type: Type.Optional(DatabaseName),
    vector_dimension: Type.Optional(Dimension),
  },
  {
    ...closed,
    examples: [
      {
        total_items: 1_000_000,
        batch_size: 256,
        system_capacity: { max_concurrent_operations: 32, memory_threshold: 80 },
      },
    ],
  },
);
export type OptimizeConcurrencyBody = Static<typeof OptimizeConcurrencyBody>;

export const OptimizeConcurrencyAnswer = Type.Object({
  concurrency: Concurrency,
  batches: Type.Integer(),
  waves: Type.Integer({ description: 'How often the requests in flight turn over' }),
  predicted_duration_ms: Type.Number(),
  memory_mb: Type.Number(),
  explanation: Type.String(),
});
export type OptimizeConcurrencyAnswer = Static<typeof OptimizeConcurrencyAnswer>;
