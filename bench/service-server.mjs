/**
 * `node bench/service-server.mjs service|same-answer|ok`: listens on a free port of loopback and prints its URL. For
 * bench/service.ts. It runs what was built, as its users do: compiled while it is loaded, every function would be wrapped.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import fastify from 'fastify';
import { createApp } from '../dist/server/app.js';
import { readServerConfig } from '../dist/server/config.js';
import { CalculateSizeAnswer, CalculateSizeBody } from '../dist/server/schemas/calculate-size.js';
import { VectorBatchOptimizer } from '../dist/vector-batch-optimizer.js';

const PATH = '/api/v1/batch-optimization/calculate-size';

/** What Fastify alone does: the same body, validated by the same schema, and always the same answer. */
async function bare(answer, response) {
  const app = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } });
  app.post(PATH, { schema: { body: CalculateSizeBody, ...response } }, async () => answer);
  return app;
}

/** One of the service's own answers, to be written by its response schema. */
async function sameAnswer() {
  const app = await service();
  const payload = CalculateSizeBody.examples[0];
  const answer = await app.inject({ method: 'POST', url: PATH, payload });
  await app.close();
  return bare(answer.json(), { response: { 200: CalculateSizeAnswer } });
}

const service = async () =>
  createApp(await VectorBatchOptimizer.create(), readServerConfig({ VBO_BODY_LIMIT: '300MB' }));

const SERVERS = { service, 'same-answer': sameAnswer, ok: () => bare({ ok: true }) };
const app = await SERVERS[process.argv[2]]();
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}${PATH}`);
// `watch` begins to measure how late the event loop is, `report` says so, ms.
const delay = monitorEventLoopDelay({ resolution: 1 });
process.on('message', (word) => {
  if (word === 'watch') {
    delay.reset();
    delay.enable();
    process.send('watching');
  } else
    process.send({ p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 });
});
process.on('disconnect', () => process.exit());
