/** What a Qdrant collection does with points and settings, as far as the sink and its tests use it. */
export type PointId = number | string;

export interface StoredPoint {
  id: PointId;
  vector: Float32Array | Record<string, Float32Array>;
  payload: Record<string, unknown> | null;
}

interface VectorParams {
  size: number;
  distance: 'Cosine' | 'Euclid' | 'Dot' | 'Manhattan';
}

type VectorsConfig = VectorParams | Record<string, VectorParams>;

export interface CreateCollection {
  vectors?: VectorsConfig;
  optimizers_config?: Record<string, unknown>;
  strict_mode_config?: StrictMode;
  metadata?: Record<string, unknown>;
}

interface StrictMode {
  enabled?: boolean;
  upsert_max_batchsize?: number;
  write_rate_limit?: number;
}

/** A request that Qdrant refuses, in its own words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

export class StoredCollection {
  readonly points = new Map<PointId, StoredPoint>();
  readonly vectors: VectorsConfig;
  readonly strictMode: StrictMode | undefined;
  /** Servers before 1.16 keep none. */
  metadata: Record<string, unknown> | undefined;
  indexingThreshold: number | null = 10_000;
  /** Updates received with `wait=false` and not applied yet. */
  readonly queue: (() => void)[] = [];
  operations = 0;

  constructor({ vectors = {}, optimizers_config, strict_mode_config, metadata }: CreateCollection) {
    this.vectors = vectors;
    this.strictMode = strict_mode_config;
    this.metadata = metadata ?? {};
    this.#setOptimizers(optimizers_config);
  }

  change(change: CreateCollection, keepsMetadata: boolean): void {
    this.#setOptimizers(change.optimizers_config);
    if (!keepsMetadata) this.metadata = undefined;
    else if (change.metadata) {
      const merged = { ...this.metadata, ...change.metadata };
      this.metadata = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
    }
  }

  #setOptimizers(config: Record<string, unknown> | undefined): void {
    const threshold = config?.indexing_threshold;
    if (typeof threshold === 'number') this.indexingThreshold = threshold;
  }

  info(): unknown {
    return {
      status: this.queue.length > 0 ? 'yellow' : 'green',
      optimizer_status: 'ok',
      points_count: this.points.size,
      indexed_vectors_count: 0,
      segments_count: 1,
      payload_schema: {},
      update_queue: { length: this.queue.length },
      config: {
        params: {
          vectors: this.vectors,
          shard_number: 1,
          replication_factor: 1,
          write_consistency_factor: 1,
        },
        hnsw_config: { m: 16, ef_construct: 100, full_scan_threshold: 10_000 },
        optimizer_config: {
          default_segment_number: 0,
          flush_interval_sec: 5,
          indexing_threshold: this.indexingThreshold,
        },
        ...(this.strictMode ? { strict_mode_config: this.strictMode } : {}),
        ...(this.metadata ? { metadata: this.metadata } : {}),
      },
    };
  }

  /** Applies the points at once, or later if `wait` is false. @throws Refusal before anything is stored */
  upsert(body: unknown, wait: boolean): 'completed' | 'acknowledged' {
    const points = this.#pointsOf(body);
    const { enabled, upsert_max_batchsize: most, write_rate_limit: tokens } = this.strictMode ?? {};
    if (enabled && most !== undefined && points.length > most) {
      throw new Refusal(
        400,
        `Wrong input: Limit exceeded ${points.length} > ${most} for upsert limit. Help: Reduce the upsert limit parameter to or below ${most}.`,
      );
    }
    if (enabled && tokens !== undefined && points.length > tokens) {
      throw new Refusal(
        429,
        'Rate limiting exceeded: Write rate limit exceeded, request larger than rate limiter capacity, please try to split your request',
      );
    }
    const apply = () => {
      for (const point of points) this.points.set(point.id, point);
    };
    this.operations++;
    if (!wait) {
      this.queue.push(apply);
      return 'acknowledged';
    }
    this.drain();
    apply();
    return 'completed';
  }

  /** Applies what was only received. */
  drain(count = this.queue.length): void {
    for (const apply of this.queue.splice(0, count)) apply();
  }

  #pointsOf(body: unknown): StoredPoint[] {
    const { batch, points } = body as { batch?: PointColumns; points?: RawPoint[] };
    const raw = points ?? (batch ? rowsOf(batch) : undefined);
    if (!Array.isArray(raw)) throw new Refusal(400, 'Format error in JSON body: neither points nor a batch');
    return raw.map(({ id, vector, payload }) => {
      if (typeof id === 'number' ? !Number.isSafeInteger(id) || id < 0 : !UUID.test(id)) {
        throw new Refusal(
          400,
          `Format error in JSON body: value ${id} is not a valid point ID, valid values are either an unsigned integer or a UUID`,
        );
      }
      return {
        id: typeof id === 'string' ? id.toLowerCase() : id,
        vector: this.#vectorOf(vector),
        payload: payload ?? null,
      };
    });
  }

  #vectorOf(vector: RawPoint['vector']): StoredPoint['vector'] {
    if ('size' in this.vectors && typeof this.vectors.size === 'number') {
      if (!Array.isArray(vector)) throw new Refusal(400, 'Wrong input: Not existing vector name error: ');
      return stored(vector, this.vectors as VectorParams);
    }
    const named = Array.isArray(vector) ? { '': vector } : vector;
    return Object.fromEntries(
      Object.entries(named).map(([name, values]) => {
        const params = (this.vectors as Record<string, VectorParams>)[name];
        if (!params) throw new Refusal(400, `Wrong input: Not existing vector name error: ${name}`);
        return [name, stored(values, params)];
      }),
    );
  }
}

interface RawPoint {
  id: PointId;
  vector: number[] | Record<string, number[]>;
  payload?: Record<string, unknown> | null;
}

interface PointColumns {
  ids: PointId[];
  vectors: number[][] | Record<string, number[][]>;
  payloads?: (Record<string, unknown> | null)[];
}

function rowsOf({ ids, vectors, payloads }: PointColumns): RawPoint[] {
  const columns = Array.isArray(vectors) ? [vectors] : Object.values(vectors);
  if ([...columns, ...(payloads ? [payloads] : [])].some((column) => column.length !== ids.length)) {
    throw new Refusal(400, 'Wrong input: number of ids, vectors and payloads must match');
  }
  return ids.map((id, row) => ({
    id,
    vector: Array.isArray(vectors)
      ? vectors[row]!
      : Object.fromEntries(Object.entries(vectors).map(([name, column]) => [name, column[row]!])),
    payload: payloads?.[row] ?? null,
  }));
}

/** The vector as it is kept: float32, of length 1 where it is compared by its direction. */
function stored(values: readonly number[], { size, distance }: VectorParams): Float32Array {
  if (values.length !== size) {
    throw new Refusal(
      400,
      `Wrong input: Vector dimension error: expected dim: ${size}, got ${values.length}`,
    );
  }
  if (values.some((value) => typeof value !== 'number')) {
    throw new Refusal(400, 'Format error in JSON body: a component is not a number');
  }
  const vector = Float32Array.from(values);
  if (distance !== 'Cosine') return vector;
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}
