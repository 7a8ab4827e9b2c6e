import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { toWire } from '../../core/wire.js';
import { PROFILES } from '../../model/profiles.js';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { Gate } from '../gate.js';
import type { Metrics } from '../metrics/metrics.js';
import { ModelAnswer, TrainAnswer, TrainBody } from '../schemas/training.js';

/** Teaching the model and asking what it was taught, under `/api/v1/batch-optimization`. */
export const trainingRoutes: FastifyPluginAsyncTypebox<{
  optimizer: VectorBatchOptimizer;
  gate: Gate;
  metrics: Metrics;
}> = async (app, { optimizer, gate, metrics }) => {
  const tags = ['model'];
  const observe = metrics.algorithm('train');

  app.post(
    '/train',
    {
      config: { scope: 'learn', mutates: true },
      schema: {
        ...{ tags, summary: 'Fit the model to execution records' },
        body: TrainBody,
        response: { 200: TrainAnswer },
      },
    },
    async ({ body }) => {
      const report = await gate.run(async () => {
        const startMs = performance.now();
        const made = await optimizer.batchSize.trainPerformanceModel(body.records);
        observe(performance.now() - startMs);
        return made;
      });
      return toWire(report) as TrainAnswer;
    },
  );

  app.get(
    '/model',
    {
      config: { scope: 'recommend' },
      schema: { tags, summary: 'What the model rests on', response: { 200: ModelAnswer } },
    },
    async () => ({
      databases: optimizer.batchSize
        .modelState()
        .databases.flatMap(({ database, fits }) =>
          fits.map((fit) => toWire({ database, ...fit }) as ModelAnswer['databases'][number]),
        ),
      state: { ...optimizer.batchSize.modelState() },
      priors: PROFILES.map(({ name, basis, source }) => ({ database: name, basis, source: source.law })),
    }),
  );
};
