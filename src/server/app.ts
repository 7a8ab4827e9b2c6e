import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { type ErrorCode, VectorBatchError } from '../core/errors.js';
import type { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import type { ServerConfig } from './config.js';
import { HttpError, requireApiKey } from './plugins/api-keys.js';
import { batchOptimization } from './routes/batch-optimization.js';

const STATUS: Partial<Record<ErrorCode, number>> = { VBO_ERR_ARGUMENT: 422, VBO_ERR_MEMORY: 413 };

/** The HTTP service, not yet listening; `inject` works on it as it is. */
export async function createApp(
  optimizer: VectorBatchOptimizer,
  config: ServerConfig,
): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    genReqId: () => crypto.randomUUID(),
    // A number written as text is a mistake to report, and an unknown field is one too.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setErrorHandler((error: FastifyError | VectorBatchError | HttpError, request, reply) => {
    const { statusCode, code } = classify(error);
    const message = statusCode === 500 ? 'Internal error.' : error.message;
    return reply.code(statusCode).send({ error: { code, message }, request_id: request.id });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'VBO_HTTP_NOT_FOUND',
        message: `No route ${request.method} ${request.url.split('?')[0]}.`,
      },
      request_id: request.id,
    }),
  );

  if (config.apiKeyDigests.length > 0) app.addHook('onRequest', requireApiKey(config.apiKeyDigests));
  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/ready', async () => ({ status: 'ready' }));
  await app.register(batchOptimization, { prefix: '/api/v1/batch-optimization', optimizer });
  return app;
}

function classify(error: FastifyError | VectorBatchError | HttpError): { statusCode: number; code: string } {
  if (error instanceof VectorBatchError) return { statusCode: STATUS[error.code] ?? 500, code: error.code };
  if (error instanceof HttpError) return { statusCode: error.statusCode, code: error.code };
  if (error.validation) return { statusCode: 400, code: 'VBO_ERR_ARGUMENT' };
  const statusCode = error.statusCode ?? 500;
  return { statusCode, code: statusCode === 500 ? 'VBO_ERR_INTERNAL' : error.code };
}
