import { setMaxListeners } from 'node:events';
import type { Guard } from '../control/guard.js';
import type { Decision } from '../control/policy.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Kernels } from '../kernels/kernels.js';
import { Bell } from './bell.js';
import { Books } from './books.js';
import { callback } from './callback.js';
import { DeadLetters } from './dead-letters.js';
import { Delivery } from './delivery.js';
import { dispatch } from './dispatch.js';
import { createGuard } from './envelope.js';
import { FileLock } from './file-lock.js';
import { Intake } from './intake.js';
import { type LedgerHeader, LedgerState } from './ledger-state.js';
import { type IngestOptions, type ResolvedIngestOptions, resolveIngestOptions } from './options.js';
import { PeakRss } from './peak-rss.js';
import { Permits } from './permits.js';
import type { Sink, Source, SourceChunk, WriteOutcome, Written } from './ports.js';
import { ProgressReporter } from './progress.js';
import { ReadAhead } from './read-ahead.js';
import { readAll, untilAborted } from './reading.js';
import { reconcile } from './reconcile.js';
import { type IngestReport, reportOf } from './report.js';
import { checkBeginning, checkHeld, countsOf, headerOf, idOffsetOf, readPast } from './resume.js';
import type { Rows } from './rows.js';
import { Stretches } from './stretches.js';
import { Tally } from './tally.js';

/** Shares of the memory budget, beside that of the requests in flight (`envelope.ts`); the rest is the source's own buffers and the dead letters. */
const READ_AHEAD_SHARE = 1 / 2;
const DUPLICATES_SHARE = 1 / 8;
/** Reading pauses when this much is waiting, or two rounds of requests if that is more. */
const READ_AHEAD_BYTES = 16e6;

/**
 * Loads every record of `source` into `sink` and finds the best batch size and concurrency on the way.
 * Every record ends acknowledged by the sink or in the dead letters. The sink is opened, finished and closed,
 * the source closed, whatever happens. With a `ledger` a load that was cut short, even by `kill -9`, is resumed
 * without loss and without doubles.
 *
 * @throws every failure rejects with a `VectorBatchError` whose `details.report` is the {@link IngestReport} so
 *   far: VBO_ERR_ABORTED, VBO_ERR_ARGUMENT, VBO_ERR_ERROR_BUDGET, VBO_ERR_ID_OFFSET, VBO_ERR_IN_USE,
 *   VBO_ERR_LEDGER_DAMAGED, VBO_ERR_LEDGER_EXISTS, VBO_ERR_LEDGER_MISMATCH, VBO_ERR_LEDGER_WRITE, VBO_ERR_MEMORY, VBO_ERR_RECONCILE,
 *   VBO_ERR_RESUME, VBO_ERR_TIMEOUT, and whatever the source and the sink fail with
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
  readonly #books: Books;
  readonly #startMs: number;
  readonly #rss = new PeakRss();
  readonly #progress: ProgressReporter | undefined;
  /** Rings whenever rows, memory or permits come or go. */
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  readonly #warnings: string[] = [];
  #failure: VectorBatchError | undefined;
  #guard: Guard | undefined;
  /** What earlier runs of a resumed load have settled. */
  #past: LedgerState | undefined;
  /** Keeps others from the ledger. */
  #lock: FileLock | undefined;
  #reader: AsyncIterator<SourceChunk> | undefined;
  #dispatched = 0;
  #stretches: Stretches | undefined;
  #intake: Intake | undefined;

  constructor(kernels: Kernels, source: Source, sink: Sink, options: ResolvedIngestOptions) {
    this.#kernels = kernels;
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#deadLetters = new DeadLetters(options.deadLetters);
    this.#books = new Books(this.#tally, this.#deadLetters, (error) => this.#fail(error));
    this.#startMs = options.clock.now();
    // Every batch that waits to be tried again listens.
    setMaxListeners(0, this.#stop.signal);
    const { onProgress } = options;
    if (onProgress) {
      const report = callback('onProgress', onProgress, (error) => this.#fail(error));
      this.#progress = new ProgressReporter(source, this.#tally, this.#startMs, report);
    }
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
    await this.#books.close();
    // Not waited for: a source in the middle of something has its return() wait for that.
    this.#reader?.return?.()?.catch(() => {});
    await this.#attend('close the sink', () => this.#sink.close());
    await this.#attend('close the source', async () => this.#source.close?.());
    // Not before: a write that was given up may be under way for as long as the sink is open.
    this.#lock?.release();
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
    const past = await this.#recall();
    if (past?.isComplete) {
      this.#warnings.push(`By the ledger ${this.#options.ledger} this load is complete; nothing was sent.`);
      return null;
    }
    const chunks = this.#chunks(past)[Symbol.asyncIterator]();
    this.#reader = chunks;
    const first = await untilAborted(chunks.next(), this.#stop.signal);
    if (!first) return null;
    const shape = past?.header.shape ?? shapeOf(first.done ? undefined : first.value);
    const { dimension } = this.#source;
    const { idType, hasPayloads } = shape;
    await this.#sink.open({ dimension, metric, idType, hasPayloads });
    let isFinished = false;
    try {
      const stored = await this.#sink.count?.();
      const idOffset = past
        ? (past.header.idOffset ?? 0)
        : this.#beginning(first.done === true, shape, stored);
      await this.#openLedger(past, shape, { idOffset, storedBefore: stored });
      const guard = createGuard(this.#source, this.#sink, this.#options);
      this.#guard = guard;
      this.#stretches = this.#recording(stored);
      const intake = new Intake({
        ...{ kernels: this.#kernels, source: this.#source, metric, idType, idOffset },
        ...{ past, duplicatesBytes: memoryBudgetBytes * DUPLICATES_SHARE },
      });
      this.#intake = intake;
      const readAhead = new ReadAhead({
        ...{ arena: this.#kernels.arena, dimension, idOffset, bell: this.#bell, inspect: intake.inspect },
        limitBytes: memoryBudgetBytes * READ_AHEAD_SHARE,
        bytesPerVector: this.#sink.bytesPerVector(dimension),
      });
      const reading = readAll({
        ...{
          chunks,
          first,
          intake,
          readAhead,
          tally: this.#tally,
          bell: this.#bell,
          stop: this.#stop.signal,
        },
        rowsToReadAhead: () => this.#rowsToReadAhead(),
        reject: (record) => this.#books.reject(record),
      }).finally(() => readAhead.end());
      // A source that fails ends the reading, not the load: what was read before is written first.
      const sourceError = reading.then(
        () => undefined,
        (error) => toVectorBatchError(error, 'VBO_ERR_RECORD', `Reading ${this.#source.name} failed`),
      );
      await this.#send(guard, readAhead);
      this.#stretches?.end();
      readAhead.discard();
      const error = await sourceError;
      if (error) this.#fail(error);
      await this.#books.flush();
      this.#warnings.push(...intake.warnings());
      if (this.#failure) return null;
      isFinished = true;
      await this.#sink.finish();
      return await this.#reconcile(past, stored);
    } finally {
      // Settings that were changed for the load are restored even if it failed.
      if (!isFinished) await this.#attend('finish the sink', () => this.#sink.finish());
    }
  }

  /** Where the load is told of in execution records, if anybody listens. */
  #recording(stored: number | undefined): Stretches | undefined {
    const { onRecord } = this.#options;
    const { dimension } = this.#source;
    return (
      onRecord &&
      new Stretches({
        ...{ database: this.#sink.database, dimension },
        onRecord: callback('onRecord', onRecord, (error) => this.#fail(error)),
        bytesPerVector: this.#sink.bytesPerVector(dimension),
        // A sink of somebody's own may say anything.
        collectionRows: () =>
          Number.isSafeInteger(stored) && stored! >= 0 ? stored! + this.#tally.acknowledged : undefined,
        peakRssBytes: () => this.#rss.peakBytes(),
      })
    );
  }

  /** What the ledger knows of earlier runs, if this one resumes them. */
  async #recall(): Promise<LedgerState | undefined> {
    const { ledger, resume } = this.#options;
    if (ledger === undefined) return undefined;
    this.#lock = FileLock.take(ledger);
    this.#past = await readPast(ledger, this.#options, this.#source, this.#sink);
    if (resume && !this.#past)
      this.#warnings.push(`There is no ledger ${ledger}: the load began at the start.`);
    if (this.#past) this.#progress?.resumeFrom(this.#past.settled.size);
    return this.#past;
  }

  /** Where ids are given, settled records are read too: a later one of the same id is a duplicate still. */
  #chunks(past: LedgerState | undefined): AsyncIterable<SourceChunk> {
    if (!past || past.header.shape.hasIds || !this.#source.from) return this.#source;
    return this.#source.from(past.settled.firstMissing());
  }

  /** Checks that a load may begin at the start; returns where its ids begin. */
  #beginning(isEmpty: boolean, shape: LedgerHeader['shape'], stored: number | undefined): number {
    const { ledger, resume, idOffset } = this.#options;
    if (isEmpty) return 0;
    if (ledger !== undefined && resume) checkBeginning(ledger, this.#sink, stored);
    return idOffsetOf(idOffset, this.#source, shape, this.#sink, stored);
  }

  async #openLedger(
    past: LedgerState | undefined,
    shape: LedgerHeader['shape'],
    now: { idOffset: number; storedBefore: number | undefined },
  ): Promise<void> {
    const { ledger, clock } = this.#options;
    if (ledger === undefined) return;
    if (past) checkHeld(past, this.#source, this.#sink, now.storedBefore);
    const state = past ?? new LedgerState(await headerOf(this.#source, this.#sink, shape, now));
    await this.#books.open(ledger, state, clock);
  }

  async #reconcile(past: LedgerState | undefined, stored: number | undefined): Promise<boolean | null> {
    const counts = countsOf(past, this.#source, this.#sink, stored);
    const verdict = reconcile(this.#sink, {
      ...counts,
      acknowledged: counts.acknowledged + this.#tally.acknowledged,
      isUnchecked: this.#intake!.isUnchecked || past?.isUnchecked === true,
      after: await this.#sink.count?.(),
    });
    if (verdict.warning) this.#warnings.push(verdict.warning);
    await this.#books.complete();
    return verdict.reconciled;
  }

  #rowsToReadAhead(): number {
    const { batchSize, concurrency } = this.#guard!.setting;
    return Math.max(READ_AHEAD_BYTES / (4 * this.#source.dimension), 2 * batchSize * concurrency);
  }

  /** Cuts and sends batches until there are no more, and returns when all are settled. */
  async #send(guard: Guard, readAhead: ReadAhead): Promise<void> {
    const { clock, logger, maxAttempts, seed } = this.#options;
    const permits = new Permits(() => guard.setting.concurrency, this.#bell);
    const delivery = new Delivery<Rows, Written>({
      ...{ name: this.#sink.name, guard, clock, logger, maxAttempts, stop: this.#stop.signal },
      random: new Random(seed),
      attempt: (rows, { sequence, signal }) => {
        // An attempt that was given up but still runs needs the memory too.
        rows.hold.retain();
        const writing = this.#write(rows, sequence, signal).finally(() => rows.hold.release());
        rows.writing = writing.catch(() => undefined);
        return writing;
      },
      settle: (rows, outcome) => this.#books.acknowledge(rows, outcome),
      reject: (rows, { code, message }) =>
        this.#books.acknowledge(rows, {
          ...{ kind: 'ok', bytesSent: 0 },
          rejected: [{ index: 0, code, message }],
        }),
      onRetry: () => this.#tally.retries++,
      inFlight: () => permits.inFlight,
      remaining: () => this.#remainingRows(),
    });
    const sent = new AbortController();
    void this.#progress?.watch(clock, () => guard.setting, sent.signal);
    await dispatch<Rows>({
      ...{ guard, permits, bell: this.#bell, stop: this.#stop.signal },
      next: (batchSize) => {
        // A short batch is only cut at the end, or when nothing else would make room for more rows.
        const isReady =
          readAhead.rows >= batchSize || readAhead.isEnded || (readAhead.isBlocked && permits.inFlight === 0);
        return isReady ? readAhead.cut(batchSize, guard.maxBatchBytes) : undefined;
      },
      isOver: () => readAhead.isEnded && readAhead.rows === 0,
      send: (rows, setting) => this.#deliver(rows, setting, guard, delivery),
    });
    sent.abort();
  }

  async #deliver(
    rows: Rows,
    setting: Decision,
    guard: Guard,
    delivery: Delivery<Rows, Written>,
  ): Promise<void> {
    const { clock } = this.#options;
    this.#dispatched += rows.count;
    const startMs = clock.now();
    this.#tally.apply(setting, startMs - this.#startMs);
    const stretch = this.#stretches?.enter(setting, startMs);
    try {
      await this.#books.announce(rows, this.#intake!.isUnchecked);
      await delivery.deliver(rows, setting, (sample, error) => {
        this.#tally.observe(sample);
        stretch?.observe(sample, error);
      });
    } catch (error) {
      this.#fail(toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'A batch could not be sent'));
    }
    stretch?.leave();
    rows.hold.release();
    const nowMs = clock.now();
    this.#progress?.update(nowMs, guard.setting);
    this.#rss.observe(nowMs);
  }

  /** One attempt. A sink that adds is not asked again before an attempt that was given up has ended: both would be stored. */
  async #write(rows: Rows, sequence: number, signal: AbortSignal): Promise<WriteOutcome> {
    const before = this.#sink.upserts === true ? undefined : await rows.writing;
    if (before?.kind === 'ok') return before;
    signal.throwIfAborted();
    return this.#sink.write(rows.batch(sequence), signal);
  }

  #remainingRows(): number | undefined {
    const { count } = this.#source;
    const settled = (this.#past?.settled.size ?? 0) + this.#tally.rejected;
    return count === undefined ? undefined : Math.max(0, count - this.#dispatched - settled);
  }

  /** The first failure is the load's; it stops the reading and the sending. */
  #fail(error: VectorBatchError): void {
    this.#failure ??= error;
    this.#stop.abort(error);
    this.#bell.ring();
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
    return reportOf({
      ...{ source: this.#source, sink: this.#sink, options: this.#options, tally: this.#tally },
      ...{ guard: this.#guard, past: this.#past, firstRejected: this.#deadLetters.first },
      ...{ seconds: (this.#options.clock.now() - this.#startMs) / 1000 },
      ...{ peakRssBytes: this.#rss.peakBytes(), reconciled, warnings: this.#warnings },
    });
  }
}

function shapeOf(sample: SourceChunk | undefined): LedgerHeader['shape'] {
  return {
    idType: typeof sample?.ids?.[0] === 'string' ? 'string' : 'number',
    hasIds: sample?.ids !== undefined,
    hasPayloads: sample?.payloads !== undefined,
  };
}
