import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import { schemaCompilers } from '../schema-compilers.js';
import { ErrorAnswer } from '../schemas/common.js';

const REFUSALS: Record<string, string> = {
  400: 'The body or the query is not of its schema',
  401: 'No valid credential',
  403: 'The credential or the configuration does not allow it',
  422: 'Every field is of its schema, but they do not go together',
  429: 'Too many requests; Retry-After says when to come back',
  503: 'Too much work; Retry-After says when to come back',
};

/** Of one connection, which is not that of the answer. */
const HOP_BY_HOP = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding']);

/**
 * OpenAPI from the routes' schemas, to be read at `/docs`. Register it before the routes. What draws it is loaded when it
 * is first asked for, into an app of its own: with its packages the service would start in twice the time.
 */
export function describeApi(app: FastifyInstance, version: string): void {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD') routes.push(route);
  });
  let opening: Promise<FastifyInstance> | undefined;
  const answer = async ({ headers, url }: FastifyRequest, reply: FastifyReply) => {
    opening ??= openPages(routes, version);
    const page = await (await opening).inject({ url, headers });
    if (page.statusCode === 404) return reply.callNotFound();
    for (const [name, value] of Object.entries(page.headers)) {
      if (value !== undefined && !HOP_BY_HOP.has(name)) reply.header(name, value);
    }
    reply.code(page.statusCode);
    return page.rawPayload.length > 0 ? reply.send(page.rawPayload) : reply.send();
  };
  app.get('/docs', { schema: { hide: true } }, answer);
  app.get('/docs/*', { schema: { hide: true } }, answer);
}

async function openPages(routes: readonly RouteOptions[], version: string): Promise<FastifyInstance> {
  const { default: swagger } = await import('@fastify/swagger');
  const { default: swaggerUi } = await import('@fastify/swagger-ui');
  const app = fastify({ schemaController: { compilersFactory: schemaCompilers }, exposeHeadRoutes: false });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'vector-batch-optimizer',
        description: 'Batch size, concurrency and encoding for loading embeddings into a vector database.',
        version,
      },
      components: {
        securitySchemes: {
          key: { type: 'apiKey', name: 'x-api-key', in: 'header' },
          token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        },
      },
      security: [{ key: [] }, { token: [] }],
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: url.startsWith('/api/')
        ? {
            consumes: ['application/json', 'application/msgpack'],
            produces: ['application/json', 'application/msgpack'],
            ...schema,
            description: `Scope: ${route.config?.scope}.`,
            response: { ...(schema?.response as object), ...refusals() },
          }
        : (schema ?? {}),
    }),
  });
  for (const { method, url, schema, config } of routes) {
    if (url.startsWith('/docs')) continue;
    app.route({
      method,
      url,
      ...(schema ? { schema } : {}),
      ...(config ? { config } : {}),
      handler: () => {},
    });
  }
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list' },
  });
  await app.ready();
  return app;
}

const refusals = () =>
  Object.fromEntries(
    Object.entries(REFUSALS).map(([status, description]) => [status, { ...ErrorAnswer, description }]),
  );
