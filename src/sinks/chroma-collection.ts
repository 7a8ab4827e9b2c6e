import { VectorBatchError } from '../core/errors.js';
import { type HttpAnswer, type HttpConnection, type HttpRequest, refusal, unreachable } from './http.js';

/** What the server says before anything is sent (`ChecklistResponse` of its OpenAPI document). */
export interface Preflight {
  /** Most records in one request. */
  max_batch_size: number;
  /** Whether embeddings may be base64 of float32; servers before 1.0 do not say. */
  supports_base64_encoding?: boolean;
}

/** What is read of a collection's description (`Collection` of the OpenAPI document). */
export interface CollectionInfo {
  id: string;
  /** Null until the first record is stored. */
  dimension?: number | null;
  configuration_json?: { hnsw?: { space?: string } | null; spann?: { space?: string } | null };
  /** Before 1.0 the space was here, as `hnsw:space`. */
  metadata?: Record<string, unknown> | null;
}

export interface ChromaCollectionOptions {
  readonly tenant: string;
  readonly database: string;
  readonly collection: string;
  /** For messages: the sink's URL without secrets. */
  readonly name: string;
}

/** One collection of a Chroma server over its HTTP interface, version 2: everything but the writing of records. */
export class ChromaCollection {
  readonly #connection: HttpConnection;
  readonly #options: ChromaCollectionOptions;
  /** `/api/v2/tenants/TENANT/databases/DATABASE/collections`, percent-encoded. */
  readonly path: string;

  constructor(connection: HttpConnection, options: ChromaCollectionOptions) {
    const { tenant, database } = options;
    this.#connection = connection;
    this.#options = options;
    this.path = `/api/v2/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}/collections`;
  }

  /** @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async preflight(): Promise<Preflight> {
    return resultOf(this.#options.name, await this.#request('GET', '/api/v2/pre-flight-checks'), (result) =>
      Number.isInteger((result as Preflight)?.max_batch_size),
    );
  }

  /** Undefined if there is no such collection. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async info(): Promise<CollectionInfo | undefined> {
    const answer = await this.#request('GET', this.#named);
    return answer.status === 404 ? undefined : resultOf(this.#options.name, answer, hasId);
  }

  /** Creates the collection, or finds the one that another loader has created. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async create(space: string): Promise<CollectionInfo> {
    const { name, collection } = this.#options;
    const body = { name: collection, get_or_create: true, configuration: { hnsw: { space } } };
    return resultOf(name, await this.#request('POST', this.path, body), hasId);
  }

  /** Records stored now. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async count(id: string): Promise<number> {
    const answer = await this.#request('GET', `${this.path}/${id}/count`);
    return resultOf(this.#options.name, answer, Number.isInteger);
  }

  /** @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async drop(): Promise<void> {
    const answer = await this.#request('DELETE', this.#named);
    // Gone already: the answer to an earlier request was lost.
    if (answer.status !== 404) resultOf(this.#options.name, answer, () => true);
  }

  get #named(): string {
    return `${this.path}/${encodeURIComponent(this.#options.collection)}`;
  }

  async #request(method: HttpRequest['method'], path: string, body?: unknown): Promise<HttpAnswer> {
    try {
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      return await this.#connection.ask({ method, path, ...text });
    } catch (error) {
      throw unreachable(this.#options.name, error);
    }
  }
}

const hasId = (result: unknown): boolean => typeof (result as CollectionInfo | null)?.id === 'string';

function resultOf<T>(name: string, answer: HttpAnswer, isOne: (result: unknown) => boolean): T {
  if (answer.status !== 200) throw refusal(name, answer, errorText(answer));
  const result = parse(answer.text);
  if (isOne(result)) return result as T;
  throw new VectorBatchError('VBO_ERR_SINK', `${name} does not answer as a Chroma server would.`);
}

/** What went wrong, in Chroma's words (`ErrorResponse` of the OpenAPI document); the whole text if it is no such answer. */
export function errorText(answer: HttpAnswer): string {
  const { message } = (parse(answer.text) ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : answer.text;
}

/** The value of a JSON text; undefined if it is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
