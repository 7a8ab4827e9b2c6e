import type { AttemptOutcome, BatchSample } from '../control/policy.js';
import type { VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { findProfile } from '../model/profiles.js';
import { LatencyHistogram } from './histogram.js';

export interface StretchesOptions {
  /** The sink's database. */
  readonly database: string;
  readonly dimension: number;
  readonly bytesPerVector: number;
  /** Records in the collection now, where the sink can say. */
  readonly collectionRows: () => number | undefined;
  readonly peakRssBytes: () => number;
  readonly onRecord: (record: BatchExecutionRecord) => void;
}

/** A setting that stays longer than this gets another record: a database slows down as it fills, and `kill -9` takes what is not told. */
const LONGEST_MS = 60_000;
/** A batch cut short by more than this tells about another size. */
const MIN_FILL = 0.75;

/** What of an attempt's failure is about the setting; the rest is about the data or the network. */
const LESSONS: Partial<Record<AttemptOutcome, string>> = {
  shrink: '',
  backOff: 'overload: ',
  timeOut: 'time-out: ',
};

/** Tells of a load in execution records: one for every stretch of one setting, not one per batch. */
export class Stretches {
  readonly #options: StretchesOptions;
  #current: Stretch | undefined;

  constructor(options: StretchesOptions) {
    this.#options = options;
  }

  /** A batch is sent with a setting: the stretch it belongs to. {@link Stretch.leave} must be called when it is settled. */
  enter(setting: Setting, nowMs: number): Stretch {
    const isOver = this.#current && !this.#current.covers(setting, nowMs);
    if (isOver) this.end();
    this.#current ??= new Stretch(this.#options, setting, nowMs);
    this.#current.join();
    return this.#current;
  }

  /** The present stretch gets no more batches: it is told of as soon as those under way are settled. */
  end(): void {
    this.#current?.close();
    this.#current = undefined;
  }
}

/** Sums over acknowledged batches. */
interface Sum {
  batches: number;
  rows: number;
  /** Each request's share of the time that passed: its latency over the requests in flight beside it (Little's law). */
  ms: number;
}

const nothing = (): Sum => ({ batches: 0, rows: 0, ms: 0 });
const both = (a: Sum, b: Sum): Sum => ({
  ...{ batches: a.batches + b.batches, rows: a.rows + b.rows },
  ms: a.ms + b.ms,
});

export class Stretch {
  readonly #options: StretchesOptions;
  readonly #setting: Setting;
  readonly #startMs: number;
  readonly #collectionRows: number | undefined;
  readonly #latencies = new LatencyHistogram();
  /** The first batches run beside those of the setting before, or before all permits are in use. */
  readonly #early = nothing();
  readonly #steady = nothing();
  /** Batches that were cut short: by the end of the data, a byte limit, a bisection. */
  readonly #short = nothing();
  readonly #refusedRows = new Set<number>();
  #lesson: string | undefined;
  #errors = 0;
  #rows = 0;
  #endMs: number;
  #underWay = 0;
  #isClosed = false;

  constructor(options: StretchesOptions, setting: Setting, startMs: number) {
    this.#options = options;
    this.#setting = setting;
    this.#startMs = startMs;
    this.#endMs = startMs;
    this.#collectionRows = options.collectionRows();
  }

  covers({ batchSize, concurrency }: Setting, nowMs: number): boolean {
    return (
      batchSize === this.#setting.batchSize &&
      concurrency === this.#setting.concurrency &&
      (nowMs - this.#startMs < LONGEST_MS || this.#steady.batches < concurrency)
    );
  }

  join(): void {
    this.#underWay++;
  }

  leave(): void {
    this.#underWay--;
    this.#tellIfOver();
  }

  close(): void {
    this.#isClosed = true;
    this.#tellIfOver();
  }

  observe(sample: BatchSample, error?: VectorBatchError): void {
    this.#endMs = Math.max(this.#endMs, sample.endMs);
    if (sample.outcome !== 'ok') {
      this.#errors++;
      this.#learn(sample, error?.message ?? '');
      return;
    }
    this.#rows += sample.rows;
    const latencyMs = sample.endMs - sample.startMs;
    this.#latencies.add(latencyMs);
    const isShort = sample.rows < MIN_FILL * sample.batchSize;
    const isEarly = this.#early.batches < this.#setting.concurrency;
    const sum = isShort ? this.#short : isEarly ? this.#early : this.#steady;
    sum.batches++;
    sum.rows += sample.rows;
    sum.ms += latencyMs / sample.inFlight;
  }

  #learn(sample: BatchSample, message: string): void {
    const kind = LESSONS[sample.outcome];
    if (kind === undefined) return;
    if (sample.outcome !== 'shrink') {
      this.#lesson = `${kind}${message}`;
    } else if (!this.#refusedRows.has(sample.rows)) {
      // A size that is refused is a limit, whatever else the stretch achieves.
      this.#refusedRows.add(sample.rows);
      this.#tell({
        ...{ batch_size: sample.rows, item_count: sample.rows, request_bytes: sample.bytes },
        ...{ execution_time_ms: sample.endMs - sample.startMs, throughput_vps: null },
        ...{ success: false, error: message },
      });
    }
  }

  #tellIfOver(): void {
    if (!this.#isClosed || this.#underWay > 0) return;
    const { batchSize, concurrency } = this.#setting;
    const [early, steady, short] = [this.#early, this.#steady, this.#short];
    const full = steady.batches >= concurrency ? steady : both(early, steady);
    // Where no batch came to the size that was set, what it came to was measured.
    const measured = full.batches > 0 ? full : short;
    const common = {
      batch_size: measured === short && short.batches > 0 ? Math.ceil(short.rows / short.batches) : batchSize,
      ...{ item_count: this.#rows, execution_time_ms: this.#endMs - this.#startMs },
      ...{ batches: early.batches + steady.batches + short.batches, n_errors: this.#errors },
    };
    if (measured.batches > 0) {
      this.#tell({
        ...common,
        throughput_vps: (1000 * measured.rows) / Math.max(measured.ms, 1e-6),
        batch_p50_ms: this.#latencies.percentile(0.5),
        batch_p95_ms: this.#latencies.percentile(0.95),
        ...{ success: true, error: null },
      });
    } else if (this.#lesson !== undefined) {
      this.#tell({ ...common, throughput_vps: null, success: false, error: this.#lesson });
    }
  }

  #tell(own: Pick<BatchExecutionRecord, 'batch_size' | 'success'> & Record<string, unknown>): void {
    const { database, dimension, bytesPerVector, peakRssBytes, onRecord } = this.#options;
    const deployment = findProfile(database)?.deployment;
    const rows = this.#collectionRows;
    onRecord({
      database_type: database,
      ...(deployment ? { deployment } : {}),
      ...{ vector_dimension: dimension, concurrency: this.#setting.concurrency },
      ...{ bytes_per_vector: bytesPerVector, peak_rss_mb: peakRssBytes() / 1e6 },
      ...(rows === undefined ? {} : { collection_rows: rows }),
      ...own,
      origin: 'ingest',
    });
  }
}
