import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import type { Metric } from '../core/types.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { GrpcConnection } from './grpc.js';
import { HttpConnection } from './http.js';
import { type CollectionInfo, QdrantCollection, type VectorParams } from './qdrant-collection.js';
import { checkGrpc, GrpcWriter } from './qdrant-grpc.js';
import { DeferredIndexing } from './qdrant-indexing.js';
import type { PointWriter } from './qdrant-points.js';
import { RestWriter } from './qdrant-rest.js';
import { percentDecoded, sinkName } from './url.js';

const DEFAULT_PORT = '6333';
const DEFAULT_GRPC_PORT = '6334';
/** `service.max_request_size_mb`, default 32; the server does not tell it before it refuses. */
const MAX_BYTES = 32 * 2 ** 20;
/** Qdrant's documentation advises 2 to 4 parallel streams. */
const MAX_CONCURRENCY = 4;
/** Text of a component of a normally distributed unit vector with its comma: 12.15 to 12.33 for 384 to 1536 dimensions. */
const COMPONENT_BYTES = 12.4;
/** An integer and its comma; a UUID, its quotes and comma, and a text of the same length as `_id` in the payload. */
const NUMBER_ID_BYTES = 16;
const TEXT_ID_BYTES = 90;
const DISTANCES: Readonly<Record<Metric, string>> = { cosine: 'Cosine', dot: 'Dot', l2: 'Euclid' };
/** How often it is asked whether updates that were only received have been applied. */
const SETTLE_POLL_MS = 250;
/** No update applied for this long although nothing is being optimized: there will be none. */
const SETTLE_PATIENCE_MS = 10_000;
const MAX_SETTLE_MS = 600_000;

export interface QdrantSinkOptions {
  /** `http://HOST:PORT` */
  origin: string;
  collection: string;
  /** Which of the collection's named vectors to write; needed where there are several. */
  vector?: string;
  /** Sent as `api-key`; in no message. */
  apiKey?: string;
  /** Whether an acknowledgement means applied (true) or received. */
  wait: boolean;
  /** Whether indexing is put off until the load ends. */
  onLoad: 'index-later' | 'keep';
  /** `http://HOST:PORT` of the gRPC interface, to write by that; all else is done over REST. */
  grpcOrigin?: string;
  clock?: Clock;
}

/**
 * `qdrant://HOST:PORT/COLLECTION?api_key_env=NAME&wait=true|false&on_load=index-later|keep&transport=rest|grpc&vector=NAME`;
 * `qdrants://` speaks TLS. The port is 6333 unless given.
 *
 * - `api_key_env`: name of the environment variable that holds the API key
 * - `wait`: `true` (default): a batch counts as stored once it is applied. `false`: once it is received;
 *   `finish` then waits until all of it is applied
 * - `on_load`: `index-later` (default) turns indexing off for the load and restores it at the end, also
 *   that of a load that died; `keep` leaves it on
 * - `transport`: `rest` (default) or `grpc`, which writes packed floats to `grpc_port` (default 6334) and does all
 *   else over REST
 * - `vector`: name of the vector to write, in a collection that has several
 *
 * Ids that are neither unsigned integers nor UUIDs are stored as the UUID of version 5 of their text in the OID
 * namespace, with the original as `_id` in the payload.
 *
 * @throws VBO_ERR_URL, VBO_ERR_ARGUMENT
 */
export function openQdrantSink(url: URL, environment: NodeJS.ProcessEnv = process.env): QdrantSink {
  const options = Object.fromEntries(url.searchParams);
  const collection = /^\/([^/]+)$/.exec(url.pathname)?.[1];
  if (!collection || url.hostname === '' || url.username || url.password) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${describe(`${url.protocol}//${url.host}${url.pathname}`)} is not of the form ${url.protocol}//HOST:PORT/COLLECTION.`,
    );
  }
  const apiKey = options.api_key_env === undefined ? undefined : environment[options.api_key_env];
  if (options.api_key_env !== undefined && !apiKey) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `api_key_env names the environment variable ${describe(options.api_key_env)}, which is not set.`,
    );
  }
  const host = `${url.protocol === 'qdrants:' ? 'https' : 'http'}://${url.hostname}`;
  const grpc = checkOneOf(options.transport ?? 'rest', 'transport', ['rest', 'grpc']) === 'grpc';
  const grpcPort = options.grpc_port ?? DEFAULT_GRPC_PORT;
  checkNumber(Number(grpcPort), 'grpc_port', { min: 1, max: 65_535, integer: true });
  return new QdrantSink({
    origin: `${host}:${url.port || DEFAULT_PORT}`,
    ...(grpc ? { grpcOrigin: `${host}:${grpcPort}` } : {}),
    collection: percentDecoded(collection),
    ...(options.vector === undefined ? {} : { vector: options.vector }),
    ...(apiKey ? { apiKey } : {}),
    wait: checkOneOf(options.wait ?? 'true', 'wait', ['true', 'false']) === 'true',
    onLoad: checkOneOf(options.on_load ?? 'index-later', 'on_load', ['index-later', 'keep']),
  });
}

/** A collection of a Qdrant server over REST. Sending a point twice stores it once. */
export class QdrantSink implements Sink {
  readonly name: string;
  readonly database = 'qdrant';
  readonly upserts = true;
  readonly #options: QdrantSinkOptions;
  readonly #clock: Clock;
  readonly #connection: HttpConnection;
  readonly #grpc: GrpcConnection | undefined;
  readonly #collection: QdrantCollection;
  readonly #indexing: DeferredIndexing;
  #writer: PointWriter | undefined;
  #limits: SinkLimits = { maxBytes: MAX_BYTES, maxConcurrency: MAX_CONCURRENCY };
  #idBytes = TEXT_ID_BYTES;
  /** Points that must be there once all that was acknowledged is applied, if none replaced another. */
  #expected = 0;

  constructor(options: QdrantSinkOptions) {
    const { origin, grpcOrigin, collection, vector, apiKey } = options;
    this.name = sinkName(`${origin.replace(/^http/, 'qdrant')}/${collection}`, { vector });
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const headers: Record<string, string> = apiKey ? { 'api-key': apiKey } : {};
    this.#connection = new HttpConnection({ origin, headers, clock: this.#clock });
    this.#grpc = grpcOrigin === undefined ? undefined : new GrpcConnection({ origin: grpcOrigin, headers });
    this.#collection = new QdrantCollection(this.#connection, collection, this.name);
    this.#indexing = new DeferredIndexing(this.#collection);
  }

  /**
   * @throws VBO_ERR_SINK_UNREACHABLE, also where gRPC alone is; VBO_ERR_DIMENSION if the collection holds vectors of
   *   another dimension; VBO_ERR_SINK if it compares them otherwise, or the server refuses
   */
  async open({ dimension, metric, idType }: SinkOpenOptions): Promise<void> {
    const { wait, onLoad } = this.#options;
    const wanted = { size: dimension, distance: DISTANCES[metric] };
    const existing = await this.#collection.info();
    if (this.#grpc) await checkGrpc(this.#grpc, this.name);
    const info = existing ?? (await this.#create(wanted));
    const vectorName = this.#fit(info, wanted);
    this.#limits = limitsOf(info);
    this.#idBytes = idType === 'string' ? TEXT_ID_BYTES : NUMBER_ID_BYTES;
    this.#indexing.adopt(info);
    if (onLoad === 'index-later') await this.#indexing.putOff(info);
    else await this.#indexing.restore();
    if (!wait) this.#expected = await this.#collection.count();
    this.#writer = this.#createWriter(vectorName);
  }

  /** 32 MiB a request and 4 in flight; fewer rows where the collection's strict mode says so. */
  limits(): SinkLimits {
    return this.#limits;
  }

  bytesPerVector(dimension: number): number {
    return Math.ceil((this.#grpc ? 4 : COMPONENT_BYTES) * dimension) + this.#idBytes;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const writer = this.#writer;
    if (!writer) throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
    const outcome = await writer.write(batch, signal);
    if (outcome.kind === 'ok') this.#expected += batch.rows;
    return outcome;
  }

  async count(): Promise<number> {
    return this.#collection.count();
  }

  /** With `wait=false`, waits until what was received is applied. Then restores indexing, which goes on by itself. */
  async finish(): Promise<void> {
    try {
      if (!this.#options.wait && this.#writer) await this.#settle();
    } finally {
      await this.#indexing.restore();
    }
  }

  /** Deletes the collection. */
  async drop(): Promise<void> {
    await this.#collection.drop();
    this.#indexing.forget();
  }

  async close(): Promise<void> {
    try {
      this.#grpc?.close();
      await this.#indexing.restore();
    } finally {
      this.#writer = undefined;
      await this.#connection.close();
    }
  }

  #createWriter(vectorName: string | undefined): PointWriter {
    const { collection, wait } = this.#options;
    const target = {
      name: this.name,
      maxBytes: MAX_BYTES,
      ...(vectorName === undefined ? {} : { vectorName }),
    };
    if (this.#grpc) return new GrpcWriter(this.#grpc, { ...target, collection, wait });
    return new RestWriter(this.#connection, {
      ...target,
      path: `${this.#collection.path}/points?wait=${wait}`,
    });
  }

  async #create(wanted: VectorParams): Promise<CollectionInfo> {
    const { vector } = this.#options;
    await this.#collection.create(vector === undefined ? wanted : { [vector]: wanted });
    const info = await this.#collection.info();
    if (info) return info;
    throw new VectorBatchError('VBO_ERR_SINK', `${this.name} is gone right after it was created.`);
  }

  /** The name of the vector to write; undefined where the collection's only vector has none. */
  #fit({ config }: CollectionInfo, wanted: VectorParams): string | undefined {
    const { vector } = this.#options;
    const { vectors = {} } = config.params;
    const unnamed = typeof vectors.size === 'number' ? (vectors as VectorParams) : undefined;
    const named = unnamed ? {} : (vectors as Record<string, VectorParams>);
    const names = Object.keys(named);
    const name = unnamed ? undefined : (vector ?? (names.length === 1 ? names[0] : undefined));
    const stored = vector === undefined ? (unnamed ?? named[name ?? '']) : named[vector];
    const details = { stored: vectors, ...wanted };
    if (!stored) {
      const has =
        names.length > 0 ? `the vectors ${names.join(', ')}` : unnamed ? 'one unnamed vector' : 'no vector';
      const asked = vector === undefined ? 'name one with ?vector=' : `not ${describe(vector)}`;
      throw new VectorBatchError('VBO_ERR_SINK', `${this.name} has ${has}; ${asked}.`, { details });
    }
    if (stored.size !== wanted.size) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${this.name} holds vectors of dimension ${stored.size}; the source has dimension ${wanted.size}.`,
        { details: { stored: stored.size, dimension: wanted.size } },
      );
    }
    if (stored.distance !== wanted.distance) {
      throw new VectorBatchError(
        'VBO_ERR_SINK',
        `${this.name} compares vectors by ${stored.distance}; the load asks for ${wanted.distance}.`,
        { details },
      );
    }
    return name;
  }

  /**
   * Returns when the points are all there, when the server says that nothing is waiting, or when nothing has
   * changed for so long that nothing will; what is missing then is for the reconciliation to say.
   */
  async #settle(): Promise<void> {
    const startMs = this.#clock.now();
    let changedMs = startMs;
    for (let before = -1; ; ) {
      // Asked before the count: what is applied in between is counted.
      const info = await this.#collection.info();
      const count = await this.#collection.count();
      const nowMs = this.#clock.now();
      if (count === this.#expected || info?.update_queue?.length === 0) return;
      if (count !== before || info?.status === 'yellow') changedMs = nowMs;
      if (nowMs - changedMs >= SETTLE_PATIENCE_MS || nowMs - startMs >= MAX_SETTLE_MS) return;
      before = count;
      await this.#clock.sleep(SETTLE_POLL_MS);
    }
  }
}

/** Strict mode bounds the points of an upsert, and those of a minute: a larger batch would never be let in. */
function limitsOf({ config }: CollectionInfo): SinkLimits {
  const { enabled, upsert_max_batchsize, write_rate_limit } = config.strict_mode_config ?? {};
  const rows = enabled ? [upsert_max_batchsize, write_rate_limit].filter((limit) => limit != null) : [];
  return {
    ...(rows.length > 0 ? { maxRows: Math.min(...rows) } : {}),
    maxBytes: MAX_BYTES,
    maxConcurrency: MAX_CONCURRENCY,
  };
}
