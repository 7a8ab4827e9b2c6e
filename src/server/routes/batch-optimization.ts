import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { toWire } from '../../core/wire.js';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import { CalculateSizeBody } from '../schemas/batch-size.js';

/** The routes under `/api/v1/batch-optimization`. */
export const batchOptimization: FastifyPluginAsyncTypebox<{ optimizer: VectorBatchOptimizer }> = async (
  app,
  { optimizer },
) => {
  app.post('/calculate-size', { schema: { body: CalculateSizeBody } }, async ({ body }) => {
    const answer = await optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: body.item_count,
      vectorDimension: body.vector_dimension,
      databaseType: body.database_type,
      systemResources: {
        availableMemoryMb: body.system_resources.available_memory,
        cpuCores: body.system_resources.cpu_cores,
        ioBandwidthMbps: body.system_resources.io_bandwidth,
      },
      ...(body.objective === undefined ? {} : { objective: body.objective }),
    });
    return toWire(answer);
  });
};
