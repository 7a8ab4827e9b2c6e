import { readFileSync } from 'node:fs';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import type { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { AuditLog } from './audit/audit-log.js';
import type { ServerConfig } from './config.js';
import { logFailure } from './failure-log.js';
import { Gate } from './gate.js';
import { Metrics } from './metrics/metrics.js';
import { auditMutations, eventOf, nameMutations } from './plugins/audit.js';
import { authenticate } from './plugins/auth.js';
import { boundConnections, httpOptions, type OnRefused, refuseConnection } from './plugins/connections.js';
import { serveDashboard } from './plugins/dashboard.js';
import { describeApi } from './plugins/docs.js';
import { speakBoth } from './plugins/encoding.js';
import { answerErrors, answerUnrouted, type OnRefusal } from './plugins/errors.js';
import { boundBodies, limitRate } from './plugins/limits.js';
import { measure } from './plugins/metrics.js';
import { refuseOtherOrigins } from './plugins/origin.js';
import { secureHeaders } from './plugins/secure-headers.js';
import { endStalledReaders } from './plugins/stalled-readers.js';
import { RecentRecords } from './recent-records.js';
import { requestIds } from './request-ids.js';
import { batchOptimization } from './routes/batch-optimization.js';
import { healthRoutes } from './routes/health.js';
import { historyRoutes } from './routes/history.js';
import { layoutRoute } from './routes/layout.js';
import { runRoutes } from './routes/runs.js';
import { trainingRoutes } from './routes/training.js';
import { Runs } from './runs/runs.js';
import { schemaCompilers } from './schema-compilers.js';

const { version: VERSION } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** Heavy requests that are worked on at a time; each can use every thread of the pool. */
const HEAVY_AT_A_TIME = 2;

/**
 * The HTTP service, not yet listening; `inject` works on it as it is. Closing it ends its runs.
 * @throws VBO_ERR_AUDIT, VBO_ERR_ARGUMENT for a key of JWTs that is of no use
 */
export async function createApp(
  optimizer: VectorBatchOptimizer,
  config: ServerConfig,
): Promise<FastifyInstance> {
  const metrics = new Metrics();
  const log = config.auditLog === undefined ? undefined : await AuditLog.open(config.auditLog);
  const onRefusedConnection: OnRefused = ({ statusCode: status, code, address, requestId }) => {
    metrics.refused(code, status);
    void log?.append({
      ...{ event: 'request', request_id: requestId, status, code, principal: 'anonymous' },
      ...(address === undefined ? {} : { address }),
    });
  };
  const onRefusal: OnRefusal = (request, { statusCode, code }) => {
    metrics.refused(code, statusCode);
    void log?.append(eventOf(request, statusCode, code));
  };
  const app = fastify({
    frameworkErrors: answerUnrouted(onRefusal),
    // Its own logger would listen to every answer, of which none is logged.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: config.requestTimeoutMs,
    http: httpOptions,
    clientErrorHandler: refuseConnection(onRefusedConnection),
    genReqId: requestIds(),
    schemaController: { compilersFactory: schemaCompilers },
    // It bounds closing too, which waits for runs to reach the end of a batch, however long a database takes for one.
    pluginTimeout: 0,
    // Runs may take a while to end. Until then they can be watched, and what is refused is refused as everything else is.
    return503OnClosing: false,
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
  app.decorateRequest('runId', undefined);

  const gate = new Gate({
    running: HEAVY_AT_A_TIME,
    queueLimit: config.queueLimit,
    timeoutMs: config.requestTimeoutMs,
  });
  const histories = new RecentRecords();
  let isStopping = false;
  const history = async () => optimizer.history ?? histories.open();
  const runs = new Runs(config, {
    historyPath: optimizer.history?.path,
    onRecord: (record) =>
      void history()
        .then((open) => open.append([record]))
        .catch((error) => logFailure('A record of a run is not kept.', error)),
    onProgress: (run) => metrics.advanced(run),
    onEnd: (run) => {
      metrics.ended(run);
      // The run's process has recorded it; without new records of one's own this learns from those.
      if (optimizer.history)
        void optimizer.batchSize.trainPerformanceModel([]).catch((error) => {
          // A service that stops has ended its runs and its learner; the next one learns from the file.
          if (!isStopping) logFailure('The records of a run are not learnt from.', error);
        });
    },
  });
  metrics.watch({ optimizer, gate, runs, auditLines: () => log?.head.seq ?? 0 });

  app.addHook('preClose', async () => {
    isStopping = true;
    await runs.close();
    await histories.close();
  });
  app.addHook('onClose', async () => log?.close());

  boundConnections(app, config, onRefusedConnection);
  endStalledReaders(app, config.requestTimeoutMs);
  answerErrors(app, onRefusal);
  secureHeaders(app);
  refuseOtherOrigins(app, config);
  speakBoth(app);
  await authenticate(app, config, await limitRate(app, config));
  boundBodies(app, config, () => isStopping);
  nameMutations(app);
  if (log) auditMutations(app, log);
  describeApi(app, VERSION);
  measure(app, metrics);

  const optimization = { prefix: '/api/v1/batch-optimization', optimizer };
  await app.register(healthRoutes, { isStopping: () => isStopping });
  await app.register(batchOptimization, { ...optimization, metrics });
  await app.register(layoutRoute, { ...optimization, gate, metrics, config });
  await app.register(trainingRoutes, { ...optimization, gate, metrics });
  await app.register(historyRoutes, { prefix: '/api/v1/history', history, gate });
  await app.register(runRoutes, { prefix: '/api/v1/runs', runs });
  await serveDashboard(app);
  return app;
}
