/** `tsx bench/service-server.ts bare|service`: listens on a free port of loopback and prints its URL. For bench/service.ts. */
import fastify from 'fastify';
import { createApp } from '../src/server/app.js';
import { readServerConfig } from '../src/server/config.js';
import { CalculateSizeBody } from '../src/server/schemas/calculate-size.js';
import { VectorBatchOptimizer } from '../src/vector-batch-optimizer.js';

const PATH = '/api/v1/batch-optimization/calculate-size';

/** What Fastify alone does: the same body, validated by the same schema, and always the same answer. */
async function bare() {
  const app = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } });
  app.post(PATH, { schema: { body: CalculateSizeBody } }, async () => ({ ok: true }));
  return app;
}

const app =
  process.argv[2] === 'bare'
    ? await bare()
    : await createApp(await VectorBatchOptimizer.create(), readServerConfig({}));
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}${PATH}`);
process.on('disconnect', () => process.exit());
