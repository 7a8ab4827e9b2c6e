import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Failure } from './ports.js';

const RETRYABLE_CODES =
  /^(ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_|ABORT_ERR)/;

/** What an error thrown by a client library may carry. */
interface ClientError {
  status?: unknown;
  statusCode?: unknown;
  code?: unknown;
  name?: unknown;
  headers?: unknown;
  response?: { status?: unknown; headers?: unknown };
  cause?: unknown;
}

/**
 * What to do about an error that an operation threw, by its HTTP status (`status`, `statusCode` or
 * `response.status`) or its network code:
 *
 * - 429, 503: `backOff`, for as long as Retry-After says
 * - 413: `shrink`
 * - 401, 403, 404, 405: `fatal`
 * - 408, 425, other 5xx, network codes: `retry`
 * - other 4xx: `permanent`
 * - a mistake in the program (TypeError, ReferenceError, RangeError): `fatal`
 * - anything else: `retry`; a SyntaxError too, which is how `response.json()` meets an answer that was cut short
 */
export function failureOf(thrown: unknown, name: string): Failure {
  const error = toVectorBatchError(thrown, 'VBO_ERR_SINK', name);
  if (thrown instanceof VectorBatchError) {
    const isCallers = thrown.code === 'VBO_ERR_ARGUMENT' || thrown.code === 'VBO_ERR_CLOSED';
    return { kind: isCallers ? 'fatal' : 'retry', error };
  }
  const client = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as ClientError;
  const status = [client.status, client.statusCode, client.response?.status].find(
    (value): value is number => typeof value === 'number',
  );
  if (status === 429 || status === 503) {
    const retryAfterMs = retryAfterOf(client.headers) ?? retryAfterOf(client.response?.headers);
    return { kind: 'backOff', error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  if (status === 413) return { kind: 'shrink', error };
  if (status !== undefined && [401, 403, 404, 405].includes(status)) return { kind: 'fatal', error };
  if (status === 408 || status === 425) return { kind: 'retry', error };
  if (status !== undefined && status >= 400 && status < 500) return { kind: 'permanent', error };
  const code = [client.code, (client.cause as ClientError | undefined)?.code].find(
    (value): value is string => typeof value === 'string',
  );
  if (code !== undefined && RETRYABLE_CODES.test(code)) return { kind: 'retry', error };
  // What `fetch` throws for a network failure is a TypeError too, but it has a cause.
  const isMistake =
    thrown instanceof ReferenceError ||
    thrown instanceof RangeError ||
    (thrown instanceof TypeError && thrown.cause === undefined);
  return { kind: isMistake ? 'fatal' : 'retry', error };
}

/** Retry-After in ms, from `Headers` or a plain object; a date is left to the usual back-off. */
function retryAfterOf(headers: unknown): number | undefined {
  const value =
    headers instanceof Headers
      ? headers.get('retry-after')
      : ((headers ?? {}) as Record<string, unknown>)['retry-after'];
  const seconds = typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? 1000 * seconds : undefined;
}
