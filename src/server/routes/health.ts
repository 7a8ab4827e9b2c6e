import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { RESTART_SECONDS } from '../http-error.js';
import { HealthAnswer } from '../schemas/health.js';

/** `/health`: the process answers. `/ready`: it takes work; not so while it shuts down. */
export const healthRoutes: FastifyPluginAsyncTypebox<{ isStopping: () => boolean }> = async (
  app,
  { isStopping },
) => {
  const config = { scope: 'nothing' } as const;
  const tags = ['health'];
  app.get(
    '/health',
    { config, schema: { tags, summary: 'The process answers', response: { 200: HealthAnswer } } },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/ready',
    {
      config,
      schema: { tags, summary: 'It takes work', response: { 200: HealthAnswer, 503: HealthAnswer } },
    },
    async (_request, reply) => {
      if (!isStopping()) return { status: 'ready' };
      return reply.code(503).header('retry-after', RESTART_SECONDS).send({ status: 'stopping' });
    },
  );
};
