import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { toWire } from '../../core/wire.js';
import { PROFILES } from '../../model/profiles.js';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { Gate } from '../gate.js';
import { ModelAnswer, TrainAnswer, TrainBody } from '../schemas/training.js';

/** Teaching the model and asking what it was taught, under `/api/v1/batch-optimization`. */
export const trainingRoutes: FastifyPluginAsyncTypebox<{
  optimizer: VectorBatchOptimizer;
  gate: Gate;
  onTrained: (answer: TrainAnswer) => void;
}> = async (app, { optimizer, gate, onTrained }) => {
  const tags = ['model'];
  const fits = new Map<string, TrainAnswer['databases'][number]>();
  let trainedAt: string | null = null;

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
      const report = await gate.run(() => optimizer.batchSize.trainPerformanceModel(body.records));
      const answer = toWire(report) as TrainAnswer;
      for (const fit of answer.databases) fits.set(`${fit.database} ${fit.dimension}`, fit);
      trainedAt = new Date().toISOString();
      onTrained(answer);
      return answer;
    },
  );

  app.get(
    '/model',
    {
      config: { scope: 'recommend' },
      schema: { tags, summary: 'What the model rests on', response: { 200: ModelAnswer } },
    },
    async () => ({
      trained_at: trainedAt,
      databases: [...fits.values()],
      state: { ...optimizer.batchSize.modelState() },
      priors: PROFILES.map(({ name, basis, source }) => ({ database: name, basis, source: source.law })),
    }),
  );
};
