import { VectorBatchError } from '../core/errors.js';
import { type HttpAnswer, type HttpConnection, type HttpRequest, refusal, unreachable } from './http.js';

/** What is read of a collection's description (`CollectionInfo` of the OpenAPI file). */
export interface CollectionInfo {
  status: 'green' | 'yellow' | 'grey' | 'red';
  /** Since 1.17: updates received but not yet applied. */
  update_queue?: { length: number } | null;
  config: {
    params: { vectors?: VectorParams | Record<string, VectorParams> };
    optimizer_config: { indexing_threshold?: number | null };
    strict_mode_config?: {
      enabled?: boolean | null;
      upsert_max_batchsize?: number | null;
      write_rate_limit?: number | null;
    } | null;
    /** Since 1.16. */
    metadata?: Record<string, unknown> | null;
  };
}

export interface VectorParams {
  size: number;
  distance: string;
}

/** What a collection is changed to; members left out stay, metadata members that are null are removed. */
export interface CollectionChange {
  optimizers_config?: { indexing_threshold: number };
  metadata?: Record<string, unknown>;
}

/** One collection of a Qdrant server over its REST interface: everything but the writing of points. */
export class QdrantCollection {
  readonly #connection: HttpConnection;
  readonly #name: string;
  /** `/collections/NAME`, percent-encoded. */
  readonly path: string;

  /** @param name for messages: the sink's URL without secrets */
  constructor(connection: HttpConnection, collection: string, name: string) {
    this.#connection = connection;
    this.#name = name;
    this.path = `/collections/${encodeURIComponent(collection)}`;
  }

  /** Undefined if there is no such collection. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async info(): Promise<CollectionInfo | undefined> {
    const answer = await this.#request({ method: 'GET', path: this.path });
    return answer.status === 404 ? undefined : this.#resultOf<CollectionInfo>(answer);
  }

  /** Creates the collection; that it is there already is no failure. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async create(vectors: VectorParams | Record<string, VectorParams>): Promise<void> {
    const answer = await this.#send('PUT', this.path, { vectors });
    // Another loader may have created it in between: 409, before 1.8 a 400.
    if (answer.status !== 409 && !/already exists/i.test(errorText(answer))) this.#resultOf(answer);
  }

  /** @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async change(change: CollectionChange): Promise<void> {
    this.#resultOf(await this.#send('PATCH', this.path, change));
  }

  /** @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async drop(): Promise<void> {
    this.#resultOf(await this.#request({ method: 'DELETE', path: this.path }));
  }

  /** Points stored now, counted exactly. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async count(): Promise<number> {
    const answer = await this.#send('POST', `${this.path}/points/count`, { exact: true });
    return this.#resultOf<{ count: number }>(answer).count;
  }

  #send(method: HttpRequest['method'], path: string, body: unknown): Promise<HttpAnswer> {
    return this.#request({ method, path, body: JSON.stringify(body) });
  }

  async #request(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#connection.ask(request);
    } catch (error) {
      throw unreachable(this.#name, error);
    }
  }

  #resultOf<T>(answer: HttpAnswer): T {
    if (answer.status !== 200) throw refusal(this.#name, answer, errorText(answer));
    const result = parse(answer.text)?.result;
    if (result !== undefined && result !== null) return result as T;
    throw new VectorBatchError('VBO_ERR_SINK', `${this.#name} does not answer as a Qdrant server would.`);
  }
}

/** What went wrong, in Qdrant's words (`ErrorResponse` of the OpenAPI file); the whole text if it is no such answer. */
export function errorText(answer: HttpAnswer): string {
  const status = parse(answer.text)?.status;
  return typeof status === 'object' && status !== null && typeof status.error === 'string'
    ? status.error
    : answer.text;
}

function parse(text: string): { result?: unknown; status?: { error?: unknown } } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
