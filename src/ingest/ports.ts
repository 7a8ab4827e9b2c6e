import type { ErrorCode, VectorBatchError } from '../core/errors.js';
import type { Metric } from '../core/types.js';

export type Id = string | number;
export type Payload = Record<string, unknown>;

/** A record that could not be read or was refused. It ends in the dead letters; it is never dropped in silence. */
export interface RejectedRecord {
  /** 0-based number of the record in its source. */
  position: number;
  id?: Id;
  code: ErrorCode;
  /** One line: what was found, what was expected, where. */
  message: string;
  /** What there is of the record, for the dead-letter file: the raw line, or the vector. */
  raw?: string;
  vector?: number[];
  payload?: Payload | null;
}

/** Some rows of a source, in order. */
export interface SourceChunk {
  /** 0-based position of each row in the source; rows that were rejected leave gaps. */
  positions: readonly number[] | { first: number };
  /** Absent where the source has no ids: the row's position is the id then, counted from the load's `idOffset`. */
  ids?: readonly Id[];
  /** rows x dimension, row-major. Valid until the next chunk is asked for. */
  vectors: Float32Array;
  payloads?: readonly (Payload | null)[];
  /** Records met among these rows that could not be read. */
  rejected?: readonly RejectedRecord[];
}

/**
 * Where vectors come from. Iterating yields every readable row in order. A source that turns out to be
 * damaged yields what is good first and then throws; a single bad record is `rejected` and reading goes on.
 */
export interface Source extends AsyncIterable<SourceChunk> {
  /** For messages: a path or `iterable`. */
  readonly name: string;
  readonly dimension: number;
  /** Number of records, where the source knows it before reading. */
  readonly count?: number;
  /**
   * The records from a position on, in the cheapest way there is. A source without it is read from its start, and
   * what was settled before is skipped.
   */
  from?(position: number): AsyncIterable<SourceChunk>;
  /**
   * A short text that changes when the records do: a ledger is resumed only with the source it was written for.
   * A source without it is known by name, dimension and count.
   */
  fingerprint?(): Promise<string>;
  /** Bytes read and total, where known: progress for sources that cannot count records. */
  progress?(): { readBytes: number; totalBytes: number };
  close?(): Promise<void>;
}

/** A run of rows on its way to the sink. The views are valid until `write` has settled. */
export interface Batch {
  /** Counts the batches of a load from 0. */
  readonly sequence: number;
  readonly rows: number;
  readonly dimension: number;
  readonly ids: readonly Id[];
  /** rows x dimension, row-major, contiguous. May be backed by shared memory. */
  readonly vectors: Float32Array;
  readonly payloads?: readonly (Payload | null)[];
  /**
   * An earlier attempt, of this load or of one that was cut short, may have stored some of these records: a sink
   * with `upserts: 'onRequest'` replaces instead of adding.
   */
  readonly mayBeStored?: boolean;
}

export interface SinkLimits {
  /** Most records in one request, where there is such a limit. */
  maxRows?: number;
  /** Most bytes in one request body, where there is such a limit. */
  maxBytes?: number;
  /** Most requests in flight that can be of use. */
  maxConcurrency?: number;
}

/**
 * What became of one attempt to write a batch.
 * - `ok`: stored, but for the records in `rejected` (index within the batch)
 * - `permanent`: something in the batch is refused for good; it is bisected until the culprit is alone
 * - `shrink`: the request is too large; `limits` says what was learnt, if anything
 * - `backOff`: the sink is overloaded; wait at least `retryAfterMs`
 * - `retry`: a passing failure (network, time-out)
 * - `fatal`: no batch can succeed (authentication, wrong dimension of the collection)
 */
export type WriteOutcome = Written | Failure;

export interface Written {
  kind: 'ok';
  bytesSent: number;
  rejected?: readonly { index: number; code: ErrorCode; message: string }[];
}

export type Failure =
  | { kind: 'permanent' | 'retry' | 'fatal'; error: VectorBatchError }
  | { kind: 'shrink'; error: VectorBatchError; limits?: SinkLimits }
  | { kind: 'backOff'; error: VectorBatchError; retryAfterMs?: number };

export interface SinkOpenOptions {
  dimension: number;
  metric: Metric;
  idType: 'string' | 'number';
  hasPayloads: boolean;
}

/** A database as the load sees it. `write` never throws for something the database said: it returns the outcome. */
export interface Sink {
  /** The URL without secrets. */
  readonly name: string;
  /** Key of the database's profile in `model/`, for instance `lancedb`. */
  readonly database: string;
  /**
   * Whether a record replaces the one that is stored under its id: always (then a count that grew by less than was
   * acknowledged proves no loss), or where `Batch.mayBeStored` asks for it. A sink that never does cannot resume
   * a load that was killed, and stores a record twice if an attempt fails after having stored it.
   */
  readonly upserts?: boolean | 'onRequest';
  /** What is stored is gone with the process: its count says nothing about an earlier one. */
  readonly ephemeral?: boolean;
  /**
   * Connects, creates the collection if there is none.
   * @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_MISSING_PACKAGE, VBO_ERR_DIMENSION
   */
  open(options: SinkOpenOptions): Promise<void>;
  /** Known after `open`; read from the server where it tells. */
  limits(): SinkLimits;
  /** Bytes one record takes in a request body: what byte limits are held against. */
  bytesPerVector(dimension: number): number;
  write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome>;
  /** Records stored now; undefined where the sink cannot say. */
  count?(): Promise<number>;
  /** After the last write: flush, index, compact, restore settings. */
  finish(): Promise<void>;
  /** Removes the collection that `open` opened, with all that it holds. After it only `close` may be called. */
  drop?(): Promise<void>;
  close(): Promise<void>;
}
