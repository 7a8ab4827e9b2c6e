import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { BatchExecutionRecord } from '../../core/types.js';
import { toWire } from '../../core/wire.js';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { Metrics } from '../metrics/metrics.js';
import { AdaptDimensionAnswer, AdaptDimensionBody } from '../schemas/adapt-dimension.js';
import { CalculateSizeAnswer, CalculateSizeBody } from '../schemas/calculate-size.js';
import { OptimizeConcurrencyAnswer, OptimizeConcurrencyBody } from '../schemas/optimize-concurrency.js';
import { OptimizeStrategyAnswer, OptimizeStrategyBody } from '../schemas/optimize-strategy.js';
import { sizeAnswer, sizeAnswerText } from '../size-answer.js';
import { together } from '../together.js';

/** The four optimizers under `/api/v1/batch-optimization`. */
export const batchOptimization: FastifyPluginAsyncTypebox<{
  optimizer: VectorBatchOptimizer;
  metrics: Metrics;
}> = async (app, { optimizer, metrics }) => {
  const config = { scope: 'recommend' } as const;
  const tags = ['optimization'];
  const observe = {
    size: metrics.algorithm('calculate-size'),
    strategy: metrics.algorithm('optimize-strategy'),
    dimension: metrics.algorithm('adapt-dimension'),
    concurrency: metrics.algorithm('optimize-concurrency'),
  };

  app.post(
    '/calculate-size',
    {
      config,
      schema: {
        ...{ tags, summary: 'How many vectors per request, how many requests in flight' },
        body: CalculateSizeBody,
        response: { 200: CalculateSizeAnswer },
      },
      serializerCompiler: () => sizeAnswerText,
    },
    // Of the routes this is the one that is asked most.
    together<CalculateSizeBody, CalculateSizeAnswer>((body) => {
      const { available_memory, cpu_cores, io_bandwidth } = body.system_resources;
      const startMs = performance.now();
      const answer = optimizer.batchSize.recommend({
        itemCount: body.item_count,
        vectorDimension: body.vector_dimension,
        databaseType: body.database_type,
        systemResources: {
          availableMemoryMb: available_memory,
          cpuCores: cpu_cores,
          ioBandwidthMbps: io_bandwidth,
        },
        ...(body.objective === undefined ? {} : { objective: body.objective }),
      });
      observe.size(performance.now() - startMs);
      return sizeAnswer(answer);
    }),
  );

  app.post(
    '/optimize-strategy',
    {
      config,
      schema: {
        ...{ tags, summary: 'What to change in a load that runs' },
        body: OptimizeStrategyBody,
        response: { 200: OptimizeStrategyAnswer },
      },
    },
    async ({ body }) => {
      const now = body.current_performance;
      const startMs = performance.now();
      const answer = await optimizer.strategy.optimizeBatchStrategy({
        currentPerformance: {
          executionTimeMs: now.execution_time,
          successRate: now.success_rate,
          memoryUsageMb: now.memory_usage,
          ...(now.batch_size === undefined ? {} : { batchSize: now.batch_size }),
          ...(now.concurrency === undefined ? {} : { concurrency: now.concurrency }),
          ...(now.database_type === undefined ? {} : { databaseType: now.database_type }),
          ...(now.vector_dimension === undefined ? {} : { vectorDimension: now.vector_dimension }),
        },
        historicalPatterns: body.historical_patterns as BatchExecutionRecord[],
        optimizationGoal: body.optimization_goal,
      });
      observe.strategy(performance.now() - startMs);
      return toWire(answer) as OptimizeStrategyAnswer;
    },
  );

  app.post(
    '/adapt-dimension',
    {
      config,
      schema: {
        ...{ tags, summary: 'What a dimension means for batch size, memory layout and encoding' },
        body: AdaptDimensionBody,
        response: { 200: AdaptDimensionAnswer },
      },
    },
    async ({ body }) => {
      const startMs = performance.now();
      const answer = await optimizer.dimension.adaptBatchSizeForDimension({
        vectorDimension: body.vector_dimension,
        baseBatchSize: body.base_batch_size,
        memoryConstraintMb: body.memory_constraints,
      });
      observe.dimension(performance.now() - startMs);
      return toWire(answer) as AdaptDimensionAnswer;
    },
  );

  app.post(
    '/optimize-concurrency',
    {
      config,
      schema: {
        ...{ tags, summary: 'How many requests in flight for a given batch size' },
        body: OptimizeConcurrencyBody,
        response: { 200: OptimizeConcurrencyAnswer },
      },
    },
    async ({ body }) => {
      const { max_concurrent_operations, memory_threshold } = body.system_capacity;
      const startMs = performance.now();
      const answer = await optimizer.concurrency.optimizeConcurrentExecution({
        totalItems: body.total_items,
        batchSize: body.batch_size,
        systemCapacity: {
          maxConcurrentOperations: max_concurrent_operations,
          memoryThresholdPercent: memory_threshold,
        },
        ...(body.database_type === undefined ? {} : { databaseType: body.database_type }),
        ...(body.vector_dimension === undefined ? {} : { vectorDimension: body.vector_dimension }),
      });
      observe.concurrency(performance.now() - startMs);
      return toWire(answer) as OptimizeConcurrencyAnswer;
    },
  );
};
