import { decode, encode } from '@msgpack/msgpack';
import { systemClock } from '../core/clock.js';
import { Random } from '../core/random.js';
import type { AdaptDimensionAnswer, AdaptDimensionBody } from '../server/schemas/adapt-dimension.js';
import type { CalculateSizeAnswer, CalculateSizeBody } from '../server/schemas/calculate-size.js';
import type { HealthAnswer } from '../server/schemas/health.js';
import type { AppendAnswer, HistoryAnswer, HistoryQuery } from '../server/schemas/history.js';
import type {
  OptimizeConcurrencyAnswer,
  OptimizeConcurrencyBody,
} from '../server/schemas/optimize-concurrency.js';
import type { OptimizeLayoutAnswer, OptimizeLayoutBody } from '../server/schemas/optimize-layout.js';
import type { OptimizeStrategyAnswer, OptimizeStrategyBody } from '../server/schemas/optimize-strategy.js';
import type { ExecutionRecord } from '../server/schemas/record.js';
import type { RunAnswer, RunEvent, RunList, StartRunBody } from '../server/schemas/runs.js';
import type { ModelAnswer, TrainAnswer } from '../server/schemas/training.js';
import { readEvents } from './events.js';
import { type RetryOptions, retryDelayMs } from './retry.js';
import { ServiceError } from './service-error.js';

export interface ClientOptions extends RetryOptions {
  /** Where the service is. Default `http://127.0.0.1:8001`; in a page, its own origin. */
  url?: string;
  /** Sent as `x-api-key`. */
  apiKey?: string;
  /** Sent as bearer token; a function is asked before every request. */
  token?: string | (() => string | Promise<string>);
  /** Bodies and answers in MessagePack instead of JSON. Default false. */
  messagePack?: boolean;
  /** Default: the global one. */
  fetch?: typeof fetch;
}

/** Options of a single call. */
export interface CallOptions {
  signal?: AbortSignal;
}

export interface HistoryFilter {
  databaseType?: NonNullable<HistoryQuery['database_type']>;
  vectorDimension?: number;
  sinceMs?: number;
  /** Default 100. */
  limit?: number;
}

export interface LayoutOptions {
  batchSize: OptimizeLayoutBody['batch_size'];
  encoding?: NonNullable<OptimizeLayoutBody['encoding']>;
  layout?: NonNullable<OptimizeLayoutBody['layout']>;
  /** Needed where all vectors come in one Float32Array. */
  dimension?: number;
}

const DEFAULT_URL = 'http://127.0.0.1:8001';
const OPTIMIZATION = '/api/v1/batch-optimization';
const MESSAGE_PACK = 'application/msgpack';

interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly accept?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The service's routes as methods. It needs `fetch` and nothing else, so it runs in Node and in browsers alike. Calls that
 * the service has no room for (429, 503) and that find nobody are tried again, with growing pauses.
 *
 * Every method rejects with a {@link ServiceError} for what the service refuses, and with the signal's reason when it
 * aborts.
 */
export class Client {
  readonly #options: ClientOptions;
  readonly #origin: string;
  readonly #random: Random;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#random = new Random(options.seed ?? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
    const own = (globalThis as { location?: { origin: string } }).location?.origin;
    this.#origin = (options.url ?? own ?? DEFAULT_URL).replace(/\/+$/, '');
  }

  calculateSize(body: CalculateSizeBody, options?: CallOptions): Promise<CalculateSizeAnswer> {
    return this.#post(`${OPTIMIZATION}/calculate-size`, body, options);
  }

  optimizeStrategy(body: OptimizeStrategyBody, options?: CallOptions): Promise<OptimizeStrategyAnswer> {
    return this.#post(`${OPTIMIZATION}/optimize-strategy`, body, options);
  }

  adaptDimension(body: AdaptDimensionBody, options?: CallOptions): Promise<AdaptDimensionAnswer> {
    return this.#post(`${OPTIMIZATION}/adapt-dimension`, body, options);
  }

  optimizeConcurrency(
    body: OptimizeConcurrencyBody,
    options?: CallOptions,
  ): Promise<OptimizeConcurrencyAnswer> {
    return this.#post(`${OPTIMIZATION}/optimize-concurrency`, body, options);
  }

  /** Packs vectors, encoded or not. They travel as MessagePack whatever the client's setting: as text they are three times as long. */
  async optimizeLayout(
    vectors: Float32Array | readonly (readonly number[] | Float32Array)[],
    { batchSize, ...rest }: LayoutOptions,
    options?: CallOptions,
  ): Promise<OptimizeLayoutAnswer> {
    const body = {
      ...rest,
      batch_size: batchSize,
      vectors: vectors instanceof Float32Array ? bytesOf(vectors) : vectors.map(bytesOf),
    };
    const response = await this.#send({
      ...{ method: 'POST', path: `${OPTIMIZATION}/optimize-layout`, accept: MESSAGE_PACK },
      ...{ body: encode(body), headers: { 'content-type': MESSAGE_PACK }, signal: options?.signal },
    });
    return decode(new Uint8Array(await response.arrayBuffer())) as OptimizeLayoutAnswer;
  }

  train(records: readonly ExecutionRecord[], options?: CallOptions): Promise<TrainAnswer> {
    return this.#post(`${OPTIMIZATION}/train`, { records }, options);
  }

  model(options?: CallOptions): Promise<ModelAnswer> {
    return this.#get(`${OPTIMIZATION}/model`, options);
  }

  history(filter: HistoryFilter = {}, options?: CallOptions): Promise<HistoryAnswer> {
    const query = new URLSearchParams();
    if (filter.databaseType !== undefined) query.set('database_type', filter.databaseType);
    if (filter.vectorDimension !== undefined) query.set('vector_dimension', String(filter.vectorDimension));
    if (filter.sinceMs !== undefined) query.set('since_ms', String(Math.floor(filter.sinceMs)));
    if (filter.limit !== undefined) query.set('limit', String(filter.limit));
    return this.#get(`/api/v1/history?${query}`, options);
  }

  appendHistory(records: readonly ExecutionRecord[], options?: CallOptions): Promise<AppendAnswer> {
    return this.#post('/api/v1/history', { records }, options);
  }

  /** Starts a run and returns at once; see {@link events} to watch it. */
  startRun(body: StartRunBody, options?: CallOptions): Promise<RunAnswer> {
    return this.#post('/api/v1/runs', body, options);
  }

  runs(options?: CallOptions): Promise<RunList> {
    return this.#get('/api/v1/runs', options);
  }

  run(id: string, options?: CallOptions): Promise<RunAnswer> {
    return this.#get(`/api/v1/runs/${encodeURIComponent(id)}`, options);
  }

  /** It ends at a batch boundary, with its ledger; `run` or `events` say when. */
  async cancelRun(id: string, options?: CallOptions): Promise<RunAnswer> {
    const path = `/api/v1/runs/${encodeURIComponent(id)}`;
    return this.#read(await this.#send({ method: 'DELETE', path, signal: options?.signal }));
  }

  /**
   * What happens in a run, until its `end`. A connection that breaks is opened again behind the last event.
   * @param lastEventId go on behind this event; default 0: from the start
   */
  async *events(id: string, options: CallOptions & { lastEventId?: number } = {}): AsyncGenerator<RunEvent> {
    const path = `/api/v1/runs/${encodeURIComponent(id)}/events`;
    let last = options.lastEventId ?? 0;
    for (let failures = 0; ; failures++) {
      const response = await this.#send({
        ...{ method: 'GET', path, accept: 'text/event-stream', signal: options.signal },
        headers: last > 0 ? { 'last-event-id': String(last) } : {},
      });
      if (response.status === 204 || !response.body) return;
      try {
        for await (const event of readEvents(response.body)) {
          failures = 0;
          last = event.id;
          yield event;
          if (event.event === 'end') return;
        }
      } catch (error) {
        if (options.signal?.aborted) throw error;
      }
      const delayMs = retryDelayMs(this.#options, this.#random, failures, undefined);
      if (delayMs === undefined)
        throw new ServiceError(0, 'VBO_CLIENT_STREAM', 'The stream of events broke off.');
      await systemClock.sleep(delayMs, options.signal);
    }
  }

  health(options?: CallOptions): Promise<HealthAnswer> {
    return this.#get('/health', options);
  }

  /** Rejects with a {@link ServiceError} of status 503 while the service shuts down. */
  ready(options?: CallOptions): Promise<HealthAnswer> {
    return this.#get('/ready', options);
  }

  /** In the text format of Prometheus. */
  async metrics(options?: CallOptions): Promise<string> {
    const response = await this.#send({
      method: 'GET',
      path: '/metrics',
      accept: 'text/plain',
      signal: options?.signal,
    });
    return response.text();
  }

  async #get<T>(path: string, options?: CallOptions): Promise<T> {
    return this.#read(await this.#send({ method: 'GET', path, signal: options?.signal }));
  }

  async #post<T>(path: string, body: object, options?: CallOptions): Promise<T> {
    const { messagePack } = this.#options;
    return this.#read(
      await this.#send({
        ...{ method: 'POST', path, signal: options?.signal },
        body: messagePack ? encode(body, { ignoreUndefined: true }) : JSON.stringify(body),
        headers: { 'content-type': messagePack ? MESSAGE_PACK : 'application/json' },
      }),
    );
  }

  async #read<T>(response: Response): Promise<T> {
    if (!response.headers.get('content-type')?.includes('msgpack')) return (await response.json()) as T;
    return decode(new Uint8Array(await response.arrayBuffer())) as T;
  }

  /** The answer to a request, tried again as long as that can help. */
  async #send({ method, path, body, accept, headers, signal }: Request): Promise<Response> {
    const { messagePack, fetch: send = globalThis.fetch } = this.#options;
    for (let failures = 0; ; failures++) {
      let response: Response | undefined;
      let failure: unknown;
      try {
        response = await send(`${this.#origin}${path}`, {
          method,
          ...(body === undefined ? {} : { body: body as BodyInit }),
          ...(signal === undefined ? {} : { signal }),
          headers: {
            accept: accept ?? (messagePack ? MESSAGE_PACK : 'application/json'),
            ...(await this.#credential()),
            ...headers,
          },
        });
        if (response.ok) return response;
      } catch (error) {
        if (signal?.aborted) throw error;
        failure = error;
      }
      // Whether a POST that broke off was carried out nobody knows; one that was refused was not.
      const mayRepeat = response ? response.status === 429 || response.status === 503 : method === 'GET';
      const retryAfter = response?.headers.get('retry-after') ?? undefined;
      const delayMs = mayRepeat ? retryDelayMs(this.#options, this.#random, failures, retryAfter) : undefined;
      if (delayMs === undefined) {
        throw response
          ? await ServiceError.of(response)
          : new ServiceError(0, 'VBO_CLIENT_UNREACHABLE', `Nobody answers at ${this.#origin}.`, {
              cause: failure,
            });
      }
      await response?.body?.cancel();
      await systemClock.sleep(delayMs, signal);
    }
  }

  async #credential(): Promise<Record<string, string>> {
    const { apiKey, token } = this.#options;
    if (apiKey !== undefined) return { 'x-api-key': apiKey };
    const text = typeof token === 'function' ? await token() : token;
    return text === undefined ? {} : { authorization: `Bearer ${text}` };
  }
}

/** Float32 as it lies in memory, which is little-endian wherever this runs. */
function bytesOf(vector: readonly number[] | Float32Array): Uint8Array {
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
