import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify';

/** Routes that tell nothing and need no credential. */
const OPEN = new Set(['/health', '/ready']);

/** A refusal by the server itself, before any of the package's code ran. */
export class HttpError extends Error {
  constructor(
    readonly statusCode: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Checks `x-api-key` against SHA-256 digests. Digests of equal length are compared in constant time, and every
 * one of them, so the time tells neither which key matched nor how far.
 */
export function requireApiKey(digests: readonly Buffer[]): onRequestAsyncHookHandler {
  return async (request: FastifyRequest) => {
    if (OPEN.has(request.routeOptions.url ?? '')) return;
    const given = request.headers['x-api-key'];
    const digest = createHash('sha256')
      .update(typeof given === 'string' ? given : '')
      .digest();
    let known = false;
    for (const expected of digests) known = timingSafeEqual(digest, expected) || known;
    if (typeof given !== 'string' || !known) {
      throw new HttpError(401, 'VBO_HTTP_UNAUTHORIZED', 'A valid x-api-key header is required.');
    }
  };
}
