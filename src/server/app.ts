import { readFileSync } from 'node:fs';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import type { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import type { ServerConfig } from './config.js';
import { Gate } from './gate.js';
import { LazyHistory } from './lazy-history.js';
import { authenticate } from './plugins/auth.js';
import { boundConnections, httpOptions, refuseConnection } from './plugins/connections.js';
import { serveDashboard } from './plugins/dashboard.js';
import { describeApi } from './plugins/docs.js';
import { speakBoth } from './plugins/encoding.js';
import { answerErrors } from './plugins/errors.js';
import { limit } from './plugins/limits.js';
import { refuseOtherOrigins } from './plugins/origin.js';
import { batchOptimization } from './routes/batch-optimization.js';
import { healthRoutes } from './routes/health.js';
import { historyRoutes } from './routes/history.js';
import { runRoutes } from './routes/runs.js';
import { trainingRoutes } from './routes/training.js';
import { Runs } from './runs/runs.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Code of the error that was answered, if one was. */
    refusal: string | undefined;
  }
}

const { version: VERSION } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** The HTTP service, not yet listening; `inject` works on it as it is. Closing it ends its runs. */
export async function createApp(
  optimizer: VectorBatchOptimizer,
  config: ServerConfig,
): Promise<FastifyInstance> {
  const app = fastify({
    logger: { level: 'warn', stream: process.stderr },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: config.requestTimeoutMs,
    http: httpOptions,
    clientErrorHandler: refuseConnection(() => {}),
    genReqId: () => crypto.randomUUID(),
    ajv: {
      customOptions: {
        // A number written as text is a mistake to report, and an unknown field is one too.
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        discriminator: true,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.decorateRequest('refusal', undefined);

  const gate = new Gate({
    running: 2,
    queueLimit: config.queueLimit,
    timeoutMs: config.requestTimeoutMs,
  });
  const histories = new LazyHistory(config.history);
  const runs = new Runs(config, {
    onRecord: (record) =>
      void histories
        .open()
        .then((history) => history.append([record]))
        .catch((error) => app.log.error(error)),
  });
  let isStopping = false;
  app.addHook('preClose', async () => {
    isStopping = true;
    await runs.close();
    await histories.close();
  });

  boundConnections(app, config, () => {});
  answerErrors(app);
  refuseOtherOrigins(app, config);
  speakBoth(app);
  await authenticate(app, config);
  await limit(app, config);

  await describeApi(app, VERSION);
  await app.register(healthRoutes, { isStopping: () => isStopping });
  await app.register(batchOptimization, { prefix: '/api/v1/batch-optimization', optimizer });
  await app.register(trainingRoutes, { prefix: '/api/v1/batch-optimization', optimizer, gate });
  await app.register(historyRoutes, { prefix: '/api/v1/history', history: () => histories.open(), gate });
  await app.register(runRoutes, { prefix: '/api/v1/runs', runs });
  await serveDashboard(app);
  return app;
}
