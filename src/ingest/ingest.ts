import { setMaxListeners } from 'node:events';
import { UNBOUNDED } from '../control/bounds.js';
import type { Guard } from '../control/guard.js';
import { initialSetting } from '../control/initial.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import { formatCount } from '../core/units.js';
import type { Kernels } from '../kernels/kernels.js';
import { Bell } from './bell.js';
import { DeadLetters } from './dead-letters.js';
import { Delivery } from './delivery.js';
import { createGuard, priorOf } from './envelope.js';
import { Intake } from './intake.js';
import { type IngestOptions, type ResolvedIngestOptions, resolveIngestOptions } from './options.js';
import { PeakRss } from './peak-rss.js';
import { Permits } from './permits.js';
import type { RejectedRecord, Sink, Source, SourceChunk } from './ports.js';
import { ProgressReporter } from './progress.js';
import { ReadAhead } from './read-ahead.js';
import { reconcile } from './reconcile.js';
import type { IngestReport } from './report.js';
import type { Rows } from './rows.js';
import { Tally } from './tally.js';

/** Shares of the memory budget, beside that of the requests in flight (`envelope.ts`); the rest is the source's own buffers and the dead letters. */
const READ_AHEAD_SHARE = 1 / 2;
const DUPLICATES_SHARE = 1 / 8;
/** Reading pauses when this much is waiting, or two rounds of requests if that is more. */
const READ_AHEAD_BYTES = 16e6;
/** Too many rejections stop the load: more than this share of the records met, and at least so many. */
const ERROR_BUDGET = 0.1;
const FEWEST_ERRORS = 100;

/**
 * Loads every record of `source` into `sink` and finds the best batch size and concurrency on the way.
 * Every record ends acknowledged by the sink or in the dead letters. The sink is opened, finished and closed,
 * the source closed, whatever happens.
 *
 * @throws every failure rejects with a `VectorBatchError` whose `details.report` is the {@link IngestReport} so
 *   far: VBO_ERR_ABORTED, VBO_ERR_ARGUMENT, VBO_ERR_ERROR_BUDGET, VBO_ERR_MEMORY, VBO_ERR_RECONCILE,
 *   VBO_ERR_TIMEOUT, and whatever the source and the sink fail with
 */
export async function ingest(
  context: { kernels: Kernels },
  source: Source,
  sink: Sink,
  options: IngestOptions = {},
): Promise<IngestReport> {
  return new Load(context.kernels, source, sink, resolveIngestOptions(options)).run();
}

class Load {
  readonly #kernels: Kernels;
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #options: ResolvedIngestOptions;
  readonly #tally = new Tally();
  readonly #deadLetters: DeadLetters;
  readonly #startMs: number;
  readonly #rss = new PeakRss();
  readonly #progress: ProgressReporter | undefined;
  /** Rings whenever rows, memory or permits come or go. */
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  readonly #warnings: string[] = [];
  #failure: VectorBatchError | undefined;
  #guard: Guard | undefined;
  #dispatched = 0;

  constructor(kernels: Kernels, source: Source, sink: Sink, options: ResolvedIngestOptions) {
    this.#kernels = kernels;
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#deadLetters = new DeadLetters(options.deadLetters);
    this.#startMs = options.clock.now();
    // Every batch that waits to be tried again listens.
    setMaxListeners(0, this.#stop.signal);
    const { onProgress } = options;
    if (onProgress) this.#progress = new ProgressReporter(source, this.#tally, this.#startMs, onProgress);
  }

  async run(): Promise<IngestReport> {
    const { signal } = this.#options;
    const onAbort = () =>
      this.#fail(new VectorBatchError('VBO_ERR_ABORTED', 'The load was aborted.', { cause: signal!.reason }));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    let reconciled: boolean | null = null;
    try {
      reconciled = await this.#load();
    } catch (error) {
      this.#fail(toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'The load failed'));
    }
    signal?.removeEventListener('abort', onAbort);
    await this.#attend('close the sink', () => this.#sink.close());
    await this.#attend('close the source', async () => this.#source.close?.());
    await this.#deadLetters
      .close()
      .catch((error) => this.#fail(toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', 'Dead letters')));
    const report = this.#report(reconciled);
    if (this.#guard) this.#progress?.update(this.#options.clock.now(), this.#guard.setting, true);
    if (!this.#failure) return report;
    const { code, message, details, cause } = this.#failure;
    throw new VectorBatchError(code, message, {
      cause: cause ?? this.#failure,
      details: { ...details, report },
    });
  }

  /** The load between opening and finishing the sink; returns whether the counts agree. */
  async #load(): Promise<boolean | null> {
    const { metric, memoryBudgetBytes } = this.#options;
    const chunks = this.#source[Symbol.asyncIterator]();
    const first = await this.#untilStopped(chunks.next());
    if (!first) return null;
    const sample: SourceChunk | undefined = first.done ? undefined : first.value;
    const idType = typeof sample?.ids?.[0] === 'string' ? 'string' : 'number';
    const { dimension } = this.#source;
    await this.#sink.open({ dimension, metric, idType, hasPayloads: sample?.payloads !== undefined });
    try {
      const before = await this.#sink.count?.();
      const guard = createGuard(this.#source, this.#sink, this.#options);
      this.#guard = guard;
      const intake = new Intake({
        ...{ kernels: this.#kernels, source: this.#source, metric, idType },
        duplicatesBytes: memoryBudgetBytes * DUPLICATES_SHARE,
      });
      const readAhead = new ReadAhead({
        ...{ arena: this.#kernels.arena, dimension, bell: this.#bell, inspect: intake.inspect },
        limitBytes: memoryBudgetBytes * READ_AHEAD_SHARE,
        bytesPerVector: this.#sink.bytesPerVector(dimension),
      });
      const reading = this.#read(chunks, first, intake, readAhead).finally(() => readAhead.end());
      // A source that fails ends the reading, not the load: what was read before is written first.
      const sourceError = reading.then(
        () => undefined,
        (error) => toVectorBatchError(error, 'VBO_ERR_RECORD', `Reading ${this.#source.name} failed`),
      );
      await this.#dispatch(guard, readAhead);
      readAhead.discard();
      const error = await sourceError;
      if (error) this.#fail(error);
      this.#warnings.push(...intake.warnings());
      if (this.#failure) return null;
      await this.#sink.finish();
      const { acknowledged } = this.#tally;
      const verdict = reconcile(this.#sink, { before, after: await this.#sink.count?.(), acknowledged });
      if (verdict.warning) this.#warnings.push(verdict.warning);
      return verdict.reconciled;
    } finally {
      // Settings that were changed for the load are restored even if it failed.
      if (this.#failure) await this.#attend('finish the sink', () => this.#sink.finish());
    }
  }

  async #read(
    chunks: AsyncIterator<SourceChunk>,
    first: IteratorResult<SourceChunk>,
    intake: Intake,
    readAhead: ReadAhead,
  ): Promise<void> {
    let result: IteratorResult<SourceChunk> | undefined = first;
    for (; result && !result.done; result = await this.#untilStopped(chunks.next())) {
      const incoming = intake.rowsOf(result.value);
      this.#tally.items += await readAhead.append(incoming);
      for (const record of intake.takeRejected()) {
        this.#tally.items++;
        await this.#reject(record);
      }
      while (!this.#stop.signal.aborted && readAhead.rows >= this.#rowsToReadAhead()) await this.#bell.wait();
    }
    // A source in the middle of something would have its return() wait for that.
    if (!result) chunks.return?.()?.catch(() => {});
  }

  #rowsToReadAhead(): number {
    const { batchSize, concurrency } = this.#guard!.setting;
    return Math.max(READ_AHEAD_BYTES / (4 * this.#source.dimension), 2 * batchSize * concurrency);
  }

  /** Cuts and sends batches until there are no more, and returns when all are settled. */
  async #dispatch(guard: Guard, readAhead: ReadAhead): Promise<void> {
    const { clock, logger, maxAttempts, seed } = this.#options;
    const permits = new Permits(() => guard.setting.concurrency, this.#bell);
    const delivery = new Delivery({
      ...{ sink: this.#sink, guard, clock, logger, maxAttempts, tally: this.#tally, stop: this.#stop.signal },
      random: new Random(seed),
      inFlight: () => permits.inFlight,
      remainingRows: () => this.#remainingRows(),
      reject: (record) => this.#reject(record),
    });
    while (!this.#stop.signal.aborted) {
      const { batchSize } = guard.setting;
      // A short batch is only cut at the end, or when nothing else would make room for more rows.
      const isReady =
        readAhead.rows >= batchSize || readAhead.isEnded || (readAhead.isBlocked && permits.inFlight === 0);
      const rows = permits.available && isReady ? readAhead.cut(batchSize, guard.maxBatchBytes) : undefined;
      if (rows) {
        permits.take();
        void this.#send(rows, guard, delivery, permits);
      } else if (readAhead.isEnded && readAhead.rows === 0) {
        break;
      } else {
        await this.#bell.wait();
      }
    }
    await permits.idle();
  }

  async #send(rows: Rows, guard: Guard, delivery: Delivery, permits: Permits): Promise<void> {
    const { setting } = guard;
    this.#dispatched += rows.count;
    this.#tally.apply(setting, this.#options.clock.now() - this.#startMs);
    try {
      await delivery.deliver(rows, setting);
    } catch (error) {
      this.#fail(toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'A batch could not be sent'));
    }
    rows.hold.release();
    permits.giveBack();
    const nowMs = this.#options.clock.now();
    this.#progress?.update(nowMs, guard.setting);
    this.#rss.observe(nowMs);
  }

  #remainingRows(): number | undefined {
    const { count } = this.#source;
    return count === undefined ? undefined : Math.max(0, count - this.#dispatched - this.#tally.rejected);
  }

  async #reject(record: RejectedRecord): Promise<void> {
    this.#tally.reject(record.code);
    await this.#deadLetters.add(record);
    const { rejected, acknowledged } = this.#tally;
    if (rejected < FEWEST_ERRORS || rejected <= ERROR_BUDGET * (rejected + acknowledged)) return;
    this.#fail(
      new VectorBatchError(
        'VBO_ERR_ERROR_BUDGET',
        `${formatCount(rejected)} of ${formatCount(rejected + acknowledged)} records were rejected, most lately with ${record.code}: ${record.message}`,
        { details: { rejected, acknowledged, rejectedByCode: this.#tally.rejectedByCode } },
      ),
    );
  }

  /** The first failure is the load's; it stops the reading and the sending. */
  #fail(error: VectorBatchError): void {
    this.#failure ??= error;
    this.#stop.abort(error);
    this.#bell.ring();
  }

  /** The value, or undefined as soon as the load is stopped. */
  async #untilStopped<T>(value: Promise<T>): Promise<T | undefined> {
    const { signal } = this.#stop;
    if (signal.aborted) {
      value.catch(() => {});
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const stopped = () => resolve(undefined);
      signal.addEventListener('abort', stopped, { once: true });
      value.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped));
    });
  }

  /** What must be tried at the end, but whose failure must not hide the outcome. */
  async #attend(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#warnings.push(`Could not ${what}: ${(error as Error).message}`);
    }
  }

  #report(reconciled: boolean | null): IngestReport {
    const { clock, fixed, policy } = this.#options;
    const { items, acknowledged, rejected, rejectedByCode, retries, bytesSent, latencies, settings } =
      this.#tally;
    const seconds = (clock.now() - this.#startMs) / 1000;
    const { path, first } = this.#deadLetters;
    if (rejected > 0 && path === undefined) {
      this.#warnings.push(
        `${formatCount(rejected)} rejected records were not written down: no dead-letter file was named.`,
      );
    }
    return {
      sink: this.#sink.name,
      policy,
      items,
      acknowledged,
      rejected,
      rejectedByCode,
      firstRejected: first,
      deadLetters: rejected > 0 ? (path ?? null) : null,
      resumedFrom: 0,
      seconds,
      vectorsPerSecond: seconds > 0 ? acknowledged / seconds : 0,
      best:
        this.#guard?.best ??
        fixed ??
        initialSetting(priorOf(this.#source, this.#sink, this.#options), UNBOUNDED),
      settings,
      latencyMs: {
        p50: latencies.percentile(0.5),
        p95: latencies.percentile(0.95),
        p99: latencies.percentile(0.99),
      },
      bytesSent,
      peakRssBytes: this.#rss.peakBytes(),
      retries,
      reconciled,
      model: this.#guard?.model ?? null,
      warnings: this.#warnings,
    };
  }
}
