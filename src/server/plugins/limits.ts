import type { FastifyInstance, FastifyRequest } from 'fastify';
import { formatBytes } from '../../core/units.js';
import type { ServerConfig } from '../config.js';
import { HttpError, stopping } from '../http-error.js';

/** Bodies up to here are not counted. */
const SMALL_BODY_BYTES = 65_536;
/** All larger bodies together may take this many times the largest. */
const BODIES = 4;
const RETRY_AFTER_SECONDS = 1;

/** Of requests with a large body: gives its share back. */
const RESERVED = new WeakMap<FastifyRequest, () => void>();

/** For a body that is not needed any more while its answer has yet to be read, which may take a reader long. */
export function dropBody(request: FastifyRequest): void {
  request.body = undefined;
  RESERVED.get(request)?.();
}

/**
 * Rate limit per credential, and a bound on the memory that all bodies take together. A service that stops begins no more
 * work: there all of it is a POST.
 */
export async function limit(
  app: FastifyInstance,
  config: ServerConfig,
  isStopping: () => boolean,
): Promise<void> {
  boundBodies(app, config.bodyLimitBytes, isStopping);
  if (config.rateLimitPerMinute === 0) return;
  const { default: rateLimit } = await import('@fastify/rate-limit');
  await app.register(rateLimit, {
    max: config.rateLimitPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ principal, ip }) =>
      principal === undefined || principal.id === 'local' ? ip : principal.id,
    allowList: ({ routeOptions }) => routeOptions.config.scope === 'nothing',
    errorResponseBuilder: (_request, { max, ttl }) =>
      new HttpError('VBO_HTTP_RATE_LIMIT', `More than ${max} requests in a minute.`, {
        retryAfterSeconds: Math.ceil(ttl / 1000),
      }),
  });
}

function boundBodies(app: FastifyInstance, bodyLimitBytes: number, isStopping: () => boolean): void {
  const mostBytes = BODIES * bodyLimitBytes;
  let reservedBytes = 0;
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, method } = request;
    // A body that comes with them is not read.
    if (method === 'GET' || method === 'HEAD') return done();
    if (method === 'POST' && isStopping()) return done(stopping());
    const isChunked = headers['transfer-encoding'] !== undefined;
    const byteLength = isChunked ? bodyLimitBytes : Number(headers['content-length'] ?? 0);
    if (byteLength <= SMALL_BODY_BYTES) return done();
    // A body that is too large will be refused for that.
    const wanted = Math.min(byteLength, bodyLimitBytes);
    if (reservedBytes + wanted > mostBytes) {
      return done(
        new HttpError(
          'VBO_HTTP_BUSY',
          `Bodies of ${formatBytes(reservedBytes)} are being worked on already.`,
          {
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          },
        ),
      );
    }
    reservedBytes += wanted;
    const release = () => {
      if (RESERVED.delete(request)) reservedBytes -= wanted;
    };
    RESERVED.set(request, release);
    // However the request ends: `onResponse` is not called for one that was given up.
    reply.raw.once('close', release);
    done();
  });
}
