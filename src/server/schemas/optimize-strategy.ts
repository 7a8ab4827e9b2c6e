import { type Static, Type } from 'typebox';
import {
  BatchSize,
  Concurrency,
  closed,
  DatabaseName,
  Dimension,
  Milliseconds,
  ObjectiveName,
} from './common.js';
import { ExecutionRecord } from './record.js';

export const OptimizeStrategyBody = Type.Object(
  {
    current_performance: Type.Object(
      {
        execution_time: Milliseconds,
        success_rate: Type.Number({ minimum: 0, maximum: 1 }),
        memory_usage: Type.Number({ minimum: 0, maximum: 1e9, description: 'MB' }),
        batch_size: Type.Optional(BatchSize),
        concurrency: Type.Optional(Concurrency),
        database_type: Type.Optional(DatabaseName),
        vector_dimension: Type.Optional(Dimension),
      },
      closed,
    ),
    historical_patterns: Type.Array(ExecutionRecord, { maxItems: 1000 }),
    optimization_goal: ObjectiveName,
  },
  {
    ...closed,
    examples: [
      {
        current_performance: {
          execution_time: 120,
          success_rate: 1,
          memory_usage: 300,
          batch_size: 128,
          concurrency: 2,
          database_type: 'qdrant',
          vector_dimension: 768,
        },
        historical_patterns: [],
        optimization_goal: 'performance',
      },
    ],
  },
);
export type OptimizeStrategyBody = Static<typeof OptimizeStrategyBody>;

export const OptimizeStrategyAnswer = Type.Object({
  strategy: Type.Object({
    batch_size: BatchSize,
    concurrency: Concurrency,
    action: Type.Enum(['increase', 'decrease', 'rebalance', 'hold']),
  }),
  expected: Type.Object({
    throughput_vps: Type.Number(),
    batch_latency_ms: Type.Number(),
    memory_mb: Type.Number(),
    throughput_ratio: Type.Number({ description: 'Expected rate over the rate at the current setting' }),
  }),
  policy: Type.Enum(['back-off', 'history', 'prior']),
  explanation: Type.String(),
});
export type OptimizeStrategyAnswer = Static<typeof OptimizeStrategyAnswer>;
