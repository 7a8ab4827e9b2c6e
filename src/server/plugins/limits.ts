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

/** Counts a request that is refused before its route is reached. @throws HttpError 429 */
export type CountRefusal = (request: FastifyRequest) => Promise<void>;

/**
 * Rate limit per credential, or per address where there is none that is valid. Before the authentication, which is to
 * hand what it refuses to the function returned; undefined where there is no limit.
 */
export async function limitRate(
  app: FastifyInstance,
  { rateLimitPerMinute: max }: ServerConfig,
): Promise<CountRefusal | undefined> {
  if (max === 0) return undefined;
  const tooMany = (ttlMs: number) =>
    new HttpError('VBO_HTTP_RATE_LIMIT', `More than ${max} requests in a minute.`, {
      retryAfterSeconds: Math.ceil(ttlMs / 1000),
    });
  const { default: rateLimit } = await import('@fastify/rate-limit');
  await app.register(rateLimit, {
    max,
    timeWindow: 60_000,
    keyGenerator: ({ principal, ip }) =>
      principal === undefined || principal.id === 'local' ? ip : principal.id,
    allowList: ({ routeOptions }) => routeOptions.config.scope === 'nothing',
    errorResponseBuilder: (_request, { ttl }) => tooMany(ttl),
  });
  const count = app.createRateLimit();
  return async (request) => {
    const counted = await count(request);
    if (!counted.isAllowed && counted.isExceeded) throw tooMany(counted.ttl);
  };
}

/**
 * A bound on the memory that all bodies take together. A service that stops begins no more work: there all of it is a
 * POST. After the authentication.
 */
export function boundBodies(
  app: FastifyInstance,
  { bodyLimitBytes }: ServerConfig,
  isStopping: () => boolean,
): void {
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
