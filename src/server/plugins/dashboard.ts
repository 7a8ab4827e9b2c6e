import type { FastifyInstance } from 'fastify';

/** Serves the dashboard's static files at `/`. They need no credential: the page asks for one. */
export async function serveDashboard(app: FastifyInstance): Promise<void> {
  app.get('/', { config: { scope: 'nothing' }, schema: { hide: true } }, (_request, reply) =>
    reply.redirect('/docs', 302),
  );
}
