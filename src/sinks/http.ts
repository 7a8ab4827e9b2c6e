import { Pool } from 'undici';
import { type Clock, systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Failure, WriteOutcome } from '../ingest/ports.js';
import { retryDelayMs } from '../ingest/retry.js';

/** For requests nobody times out: opening, counting, changing settings. */
const DEFAULT_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Six times take three to six seconds, unless the server asks for more. */
const MOST_ASKED = 6;
/** A server's words in an error message: enough to understand, not a page. */
const MAX_MESSAGE_LENGTH = 500;
/** Longer than any server asks for in earnest. */
const MAX_RETRY_AFTER_MS = 600_000;

export interface HttpOptions {
  /** `http://HOST:PORT`, without credentials. */
  origin: string;
  /** Sent with every request, for instance an API key. Never part of a message. */
  headers?: Readonly<Record<string, string>>;
  clock?: Clock;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query, percent-encoded. */
  path: string;
  /** JSON text. Must not lie in shared memory; must not change before the answer is there. */
  body?: string | Uint8Array;
  /** Without one, the request ends after 60 s. */
  signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The whole body. */
  readonly text: string;
}

/** Kept-alive connections to one server, as many as there are requests in flight. */
export class HttpConnection {
  readonly #pool: Pool;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #random = new Random(1);
  #hasAnswered = false;

  constructor({ origin, headers = {}, clock = systemClock }: HttpOptions) {
    this.#headers = headers;
    this.#clock = clock;
    // The caller's signal is the only time-out: writes may rightly take as long as the server needs.
    this.#pool = new Pool(origin, {
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    });
  }

  /** Answers whatever the status is; rejects only if there is no complete answer, or with the signal's reason. */
  async request({ method, path, body, signal }: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body ?? null,
      signal: signal ?? AbortSignal.timeout(DEFAULT_TIMEOUT_MS),
    });
    this.#hasAnswered = true;
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /**
   * {@link request} for what does no harm twice: opening, counting, changing settings. A failure that may pass (5xx,
   * 408, 429, a connection that breaks) is tried again, six times in all. A server that has never answered is
   * not: nobody waits for a wrong address. Nor is one that let a request time out.
   */
  async ask(request: Omit<HttpRequest, 'signal'>): Promise<HttpAnswer> {
    for (let attempt = 1; ; attempt++) {
      let failure: WriteOutcome;
      try {
        const answer = await this.request(request);
        failure = refusalOutcome('', answer, '');
        if (attempt === MOST_ASKED || !mayPass(answer, failure)) return answer;
      } catch (cause) {
        const isTimeOut = (cause as Error).name === 'TimeoutError';
        if (attempt === MOST_ASKED || !this.#hasAnswered || isTimeOut) throw cause;
        failure = networkOutcome('', cause);
      }
      await this.#clock.sleep(retryDelayMs(failure as Failure, attempt, this.#random));
    }
  }

  /** Ends the connections; requests in flight are finished first. */
  async close(): Promise<void> {
    if (!this.#pool.closed && !this.#pool.destroyed) await this.#pool.close();
  }
}

const mayPass = ({ status }: HttpAnswer, { kind }: WriteOutcome): boolean =>
  status >= 400 && (kind === 'retry' || kind === 'backOff');

/** What a status means for the batch that was sent, where the database gives it no other meaning. */
export function kindOfStatus(status: number): WriteOutcome['kind'] {
  if (status >= 200 && status < 300) return 'ok';
  switch (status) {
    case 401: // Unauthorized
    case 403: // Forbidden
    case 404: // Not Found: the collection is gone
    case 405: // Method Not Allowed: not the server it was taken for
    case 507: // Insufficient Storage
      return 'fatal';
    case 408: // Request Timeout
      return 'retry';
    case 413: // Content Too Large
      return 'shrink';
    case 429: // Too Many Requests
    case 502: // Bad Gateway
    case 503: // Service Unavailable
    case 504: // Gateway Timeout
      return 'backOff';
    default:
      return status >= 400 && status < 500 ? 'permanent' : 'retry';
  }
}

/**
 * What `Retry-After` asks for, ms: seconds, or a date held against the server's own `Date`, so that no clock
 * of ours is involved. At most ten minutes; undefined where there is none or it cannot be read.
 */
export function retryAfterMs(headers: HttpAnswer['headers']): number | undefined {
  const text = [headers['retry-after']].flat()[0]?.trim();
  if (!text) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text)
    ? 1000 * Number(text)
    : Date.parse(text) - Date.parse([headers.date].flat()[0] ?? '');
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

/**
 * The outcome of an answer that is not a success, by its status.
 * @param name the sink's URL without secrets
 * @param message what the database said
 */
export function refusalOutcome(name: string, answer: HttpAnswer, message: string): WriteOutcome {
  const error = refusal(name, answer, message);
  const kind = kindOfStatus(answer.status);
  const waitMs = retryAfterMs(answer.headers);
  switch (kind) {
    case 'backOff':
      return { kind, error, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) };
    case 'ok': // Called for an answer of 2xx that cannot be understood.
      return { kind: 'retry', error };
    default:
      return { kind, error };
  }
}

/** The error of an answer that is not a success: VBO_ERR_SINK with `details.status`. */
export function refusal(name: string, answer: HttpAnswer, message: string): VectorBatchError {
  return new VectorBatchError('VBO_ERR_SINK', `${name} answered ${answer.status}: ${shorten(message)}`, {
    details: { status: answer.status },
  });
}

/** The outcome where there was no complete answer: the network failed or the attempt was timed out. */
export function networkOutcome(name: string, cause: unknown): WriteOutcome {
  return { kind: 'retry', error: unreachable(name, cause) };
}

/** VBO_ERR_SINK_UNREACHABLE with the network's own words; a `VectorBatchError` stays what it is. */
export function unreachable(name: string, cause: unknown): VectorBatchError {
  return toVectorBatchError(causeOf(cause), 'VBO_ERR_SINK_UNREACHABLE', `${name} cannot be reached`);
}

/** Where a host has several addresses, the failure of all is one error without a message. */
function causeOf(error: unknown): unknown {
  return error instanceof AggregateError && error.message === '' && error.errors.length > 0
    ? error.errors[0]
    : error;
}

const shorten = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > MAX_MESSAGE_LENGTH ? `${line.slice(0, MAX_MESSAGE_LENGTH - 3)}...` : line || 'nothing';
};
