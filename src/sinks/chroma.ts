import { describe } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Metric } from '../core/types.js';
import { formatBytes } from '../core/units.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { inlineContext, type VectorContext } from '../vectors/pack.js';
import { ChromaCollection, type CollectionInfo, errorText, parse } from './chroma-collection.js';
import { type EmbeddingText, upsertBody } from './chroma-records.js';
import { type HttpAnswer, HttpConnection, networkOutcome, refusal, refusalOutcome } from './http.js';
import { percentDecoded, sinkName } from './url.js';

const DEFAULT_PORT = '8000';
const DEFAULT_TENANT = 'default_tenant';
const DEFAULT_DATABASE = 'default_database';
/** `max_payload_size_bytes`, default 40 MiB; the server does not tell it, not even when it refuses. */
const MAX_BYTES = 40 * 2 ** 20;
const SPACES: Readonly<Record<Metric, string>> = { cosine: 'cosine', dot: 'ip', l2: 'l2' };
/** Bytes of a component: base64 of four bytes, or text with its comma (as in `qdrant.ts`). */
const COMPONENT_BYTES: Readonly<Record<EmbeddingText, number>> = { base64: 16 / 3, json: 12.4 };
/** Quotes and commas of a record, and an id of the usual length. */
const RECORD_BYTES: Readonly<Record<SinkOpenOptions['idType'], number>> = { number: 13, string: 40 };

export interface ChromaSinkOptions {
  /** `http://HOST:PORT` */
  origin: string;
  collection: string;
  tenant: string;
  database: string;
  /** Sent as `x-chroma-token`; in no message. */
  apiKey?: string;
}

/**
 * `chroma://HOST:PORT/COLLECTION?tenant=NAME&database=NAME&api_key_env=NAME`; `chromas://` speaks TLS. The port is
 * 8000 unless given.
 *
 * - `tenant`, `database`: default `default_tenant` and `default_database`
 * - `api_key_env`: name of the environment variable that holds the API key
 *
 * Ids are texts in Chroma: a number is stored as its digits. Payloads become metadata, which is flat:
 * {@link metadataOf} tells what becomes of nested members. A record that is replaced keeps the members of its old
 * metadata that the new one has not: so Chroma's upsert is.
 *
 * @throws VBO_ERR_URL
 */
export function openChromaSink(url: URL, environment: NodeJS.ProcessEnv = process.env): ChromaSink {
  const { tenant, database, api_key_env: keyName } = Object.fromEntries(url.searchParams);
  const collection = /^\/([^/]+)$/.exec(url.pathname)?.[1];
  if (!collection || url.hostname === '' || url.username || url.password) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${describe(`${url.protocol}//${url.host}${url.pathname}`)} is not of the form ${url.protocol}//HOST:PORT/COLLECTION.`,
    );
  }
  const apiKey = keyName === undefined ? undefined : environment[keyName];
  if (keyName !== undefined && !apiKey) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `api_key_env names the environment variable ${describe(keyName)}, which is not set.`,
    );
  }
  const protocol = url.protocol === 'chromas:' ? 'https' : 'http';
  return new ChromaSink({
    origin: `${protocol}://${url.hostname}:${url.port || DEFAULT_PORT}`,
    collection: percentDecoded(collection),
    tenant: tenant ?? DEFAULT_TENANT,
    database: database ?? DEFAULT_DATABASE,
    ...(apiKey ? { apiKey } : {}),
  });
}

/** A collection of a Chroma server. Always upserts: Chroma's `add` ignores an id it knows without a word. */
export class ChromaSink implements Sink {
  readonly name: string;
  readonly database = 'chroma';
  readonly upserts = true;
  readonly #connection: HttpConnection;
  readonly #collection: ChromaCollection;
  readonly #context: VectorContext = inlineContext();
  #id: string | undefined;
  #embedding: EmbeddingText = 'json';
  #recordBytes = RECORD_BYTES.string;
  #limits: SinkLimits = { maxBytes: MAX_BYTES };

  constructor({ origin, collection, tenant, database, apiKey }: ChromaSinkOptions) {
    this.name = sinkName(`${origin.replace(/^http/, 'chroma')}/${collection}`, {
      tenant: tenant === DEFAULT_TENANT ? undefined : tenant,
      database: database === DEFAULT_DATABASE ? undefined : database,
    });
    this.#connection = new HttpConnection({ origin, headers: apiKey ? { 'x-chroma-token': apiKey } : {} });
    this.#collection = new ChromaCollection(this.#connection, {
      ...{ collection, tenant, database, name: this.name },
    });
  }

  /**
   * @throws VBO_ERR_SINK_UNREACHABLE; VBO_ERR_DIMENSION if the collection holds vectors of another dimension;
   *   VBO_ERR_SINK if it compares them otherwise, or the server refuses
   */
  async open({ dimension, metric, idType }: SinkOpenOptions): Promise<void> {
    const { max_batch_size, supports_base64_encoding } = await this.#collection.preflight();
    const space = SPACES[metric];
    const info = (await this.#collection.info()) ?? (await this.#collection.create(space));
    this.#checkFits(info, dimension, space);
    this.#embedding = supports_base64_encoding ? 'base64' : 'json';
    this.#recordBytes = RECORD_BYTES[idType];
    this.#limits = { maxRows: max_batch_size, maxBytes: MAX_BYTES };
    this.#id = info.id;
  }

  /** As many rows a request as the server's pre-flight checks say, and 40 MiB. */
  limits(): SinkLimits {
    return this.#limits;
  }

  bytesPerVector(dimension: number): number {
    return Math.ceil(COMPONENT_BYTES[this.#embedding] * dimension) + this.#recordBytes;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const path = `${this.#collection.path}/${this.#openId}/upsert`;
    let body: Buffer;
    try {
      body = await upsertBody(this.#context, batch, this.#embedding);
    } catch (cause) {
      const error = toVectorBatchError(cause, 'VBO_ERR_INTERNAL', 'The records cannot be encoded');
      if (error.code === 'VBO_ERR_NOT_FINITE' || error.code === 'VBO_ERR_RECORD') {
        return { kind: 'permanent', error };
      }
      throw error;
    }
    let answer: HttpAnswer;
    try {
      answer = await this.#connection.request({ method: 'POST', path, body, signal });
    } catch (error) {
      return networkOutcome(this.name, error);
    }
    if (isSuccess(answer)) return { kind: 'ok', bytesSent: body.length };
    return outcomeOfRefusal(this.name, answer, body.length);
  }

  async count(): Promise<number> {
    return this.#collection.count(this.#openId);
  }

  /** There is nothing to do: Chroma indexes as it goes. */
  async finish(): Promise<void> {}

  /** Deletes the collection. */
  async drop(): Promise<void> {
    await this.#collection.drop();
  }

  async close(): Promise<void> {
    this.#id = undefined;
    await this.#connection.close();
  }

  get #openId(): string {
    if (this.#id !== undefined) return this.#id;
    throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
  }

  #checkFits(info: CollectionInfo, dimension: number, space: string): void {
    const { configuration_json: configuration, metadata } = info;
    const stored = info.dimension ?? dimension;
    if (stored !== dimension) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${this.name} holds vectors of dimension ${stored}; the source has dimension ${dimension}.`,
        { details: { stored, dimension } },
      );
    }
    const storedSpace =
      configuration?.hnsw?.space ?? configuration?.spann?.space ?? metadata?.['hnsw:space'] ?? space;
    if (storedSpace !== space) {
      throw new VectorBatchError(
        'VBO_ERR_SINK',
        `${this.name} compares vectors by ${storedSpace}; the load asks for ${space}.`,
        { details: { stored: storedSpace, space } },
      );
    }
  }
}

/** A page of a proxy in between is no acknowledgement, whatever its status: Chroma answers JSON. */
const isSuccess = (answer: HttpAnswer): boolean =>
  answer.status >= 200 && answer.status < 300 && parse(answer.text) !== undefined;

/** What Chroma means by what it says, where its status alone does not tell. */
export function outcomeOfRefusal(name: string, answer: HttpAnswer, byteLength: number): WriteOutcome {
  const text = errorText(answer);
  const error = refusal(name, answer, text);
  if (answer.status === 413) {
    const size = new VectorBatchError('VBO_ERR_SINK', `${error.message} (${formatBytes(byteLength)})`, {
      details: error.details,
    });
    return { kind: 'shrink', error: size };
  }
  const maxRows = /max(?:imum)? batch size (?:of )?(\d+)/i.exec(text)?.[1];
  if (maxRows) return { kind: 'shrink', error, limits: { maxRows: Number(maxRows) } };
  // No batch of this load has another dimension, or fits on a full disk.
  if (/expecting embedding with dimension|Embedding dimension/i.test(text)) {
    return { kind: 'fatal', error: new VectorBatchError('VBO_ERR_DIMENSION', error.message) };
  }
  if (/disk is full|No space left on device/i.test(text)) return { kind: 'fatal', error };
  return refusalOutcome(name, answer, text);
}
