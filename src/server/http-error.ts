import type { Problem } from './schemas/common.js';

/** Codes of refusals by the server itself, with the status of each. `docs/http-api.md` lists them. */
export const HTTP_CODES = {
  VBO_HTTP_BAD_REQUEST: 400,
  VBO_HTTP_UNAUTHORIZED: 401,
  VBO_HTTP_FORBIDDEN: 403,
  VBO_HTTP_NOT_FOUND: 404,
  VBO_HTTP_CONFLICT: 409,
  VBO_HTTP_TOO_LARGE: 413,
  VBO_HTTP_MEDIA_TYPE: 415,
  VBO_HTTP_RATE_LIMIT: 429,
  VBO_HTTP_AUDIT: 503,
  VBO_HTTP_BUSY: 503,
  /** Never answered: the connection is closed. */
  VBO_HTTP_CONNECTIONS: 503,
  VBO_HTTP_STOPPING: 503,
} as const;

export type HttpCode = keyof typeof HTTP_CODES;

/** A refusal by the server itself, before any of the package's code ran. */
export class HttpError extends Error {
  readonly statusCode: number;
  readonly details: readonly Problem[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: HttpCode,
    message: string,
    options: { details?: readonly Problem[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.statusCode = HTTP_CODES[code];
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** A service that stops is back in about this. */
export const RESTART_SECONDS = 5;

export const stopping = (): HttpError =>
  new HttpError('VBO_HTTP_STOPPING', 'The service is shutting down.', { retryAfterSeconds: RESTART_SECONDS });
