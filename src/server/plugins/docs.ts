import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { ErrorAnswer } from '../schemas/common.js';

const REFUSALS: Record<string, string> = {
  400: 'The body or the query is not of its schema',
  401: 'No valid credential',
  403: 'The credential or the configuration does not allow it',
  422: 'Every field is of its schema, but they do not go together',
  429: 'Too many requests; Retry-After says when to come back',
  503: 'Too much work; Retry-After says when to come back',
};

/** OpenAPI from the routes' schemas, to be read at `/docs`. Register it before the routes. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
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
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list' },
  });
}

const refusals = () =>
  Object.fromEntries(
    Object.entries(REFUSALS).map(([status, description]) => [status, { ...ErrorAnswer, description }]),
  );
