import type { Guard } from '../control/guard.js';
import type { AttemptOutcome } from '../control/policy.js';
import { TimeoutEstimator } from '../control/timeout.js';
import type { Clock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import { formatDuration } from '../core/units.js';
import type { RejectedRecord, Sink, WriteOutcome } from './ports.js';
import { retryDelayMs } from './retry.js';
import type { Rows } from './rows.js';
import type { Tally } from './tally.js';

export interface DeliveryOptions {
  readonly sink: Sink;
  readonly guard: Guard;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly tally: Tally;
  readonly maxAttempts: number;
  /** Requests in flight now. */
  readonly inFlight: () => number;
  /** Rows not yet dispatched, where known. */
  readonly remainingRows: () => number | undefined;
  /** Aborts when the load is to end: attempts under way are finished, none is begun. */
  readonly stop: AbortSignal;
  readonly reject: (record: RejectedRecord) => Promise<void>;
}

/** A batch that the sink keeps pushing back for this long ends the load. */
const BACK_OFF_PATIENCE_MS = 600_000;

/**
 * Brings rows to the sink, whatever it takes: tries again what failed in passing, halves what is too large or
 * holds something bad until the culprit is alone, and sends that to the dead letters. When it returns, every
 * row is acknowledged or rejected, unless the load is being stopped.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #timeouts = new TimeoutEstimator();
  #sequence = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** @throws what ends the load: a fatal outcome, or a failure that did not pass */
  async deliver(rows: Rows, setting: Setting): Promise<void> {
    const pieces = [rows];
    for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
      if (this.#options.stop.aborted) return;
      const refusal = await this.#send(piece, setting);
      if (!refusal) continue;
      if (piece.count === 1) await this.#reject(piece, 0, refusal);
      else pieces.push(...piece.halves().reverse());
    }
  }

  /** Sends until there is an answer; returns the error if it is that these rows cannot be stored together. */
  async #send(rows: Rows, setting: Setting): Promise<VectorBatchError | undefined> {
    const { clock, logger, random, stop, tally, maxAttempts } = this.#options;
    const sequence = this.#sequence++;
    const startMs = clock.now();
    for (let attempt = 1, failures = 0; ; attempt++) {
      if (attempt > 1) tally.retries++;
      const outcome = await this.#attempt(rows, setting, sequence, attempt);
      switch (outcome.kind) {
        case 'ok':
          return this.#settle(rows, outcome);
        case 'permanent':
        case 'shrink':
          return outcome.error;
        case 'fatal':
          throw outcome.error;
        case 'backOff':
          if (clock.now() - startMs > BACK_OFF_PATIENCE_MS) throw outcome.error;
          break;
        case 'retry':
          if (++failures >= maxAttempts) throw outcome.error;
      }
      logger.warn({ sequence, rows: rows.count, attempt, outcome: outcome.kind }, outcome.error.message);
      const retryAfterMs = outcome.kind === 'backOff' ? outcome.retryAfterMs : 0;
      // A load that ends does not wait: what was not acknowledged by now is reported as such.
      const waited = await clock.sleep(retryDelayMs(attempt, random, retryAfterMs), stop).then(
        () => true,
        () => false,
      );
      if (!waited) return undefined;
    }
  }

  /** One attempt, timed on its own and ended by its time-out. */
  async #attempt(rows: Rows, setting: Setting, sequence: number, attempt: number): Promise<WriteOutcome> {
    const { clock, guard, sink, inFlight, remainingRows } = this.#options;
    const timeoutMs = this.#timeouts.timeoutMs(rows.count, attempt);
    const timeout = new AbortController();
    const flying = inFlight();
    const startMs = clock.now();
    rows.hold.retain();
    const write = (async () => sink.write(rows.batch(sequence), timeout.signal))()
      .catch(
        (error): WriteOutcome => ({
          kind: 'retry',
          error: toVectorBatchError(error, 'VBO_ERR_SINK', sink.name),
        }),
      )
      .finally(() => rows.hold.release());
    const settled = new AbortController();
    const timedOut = this.#timeOut(timeoutMs, timeout, settled.signal);
    const outcome = await Promise.race([write, timedOut]);
    settled.abort();
    const endMs = clock.now();

    const kind: AttemptOutcome = timeout.signal.aborted && outcome.kind !== 'ok' ? 'timeOut' : outcome.kind;
    const remaining = remainingRows();
    const sample = {
      ...{
        batchSize: setting.batchSize,
        concurrency: setting.concurrency,
        rows: rows.count,
        bytes: rows.bytes,
      },
      ...{ inFlight: flying, startMs, endMs, outcome: kind },
      ...(outcome.kind === 'shrink' && outcome.limits ? { limits: outcome.limits } : {}),
      ...(remaining === undefined ? {} : { remainingRows: remaining }),
    };
    this.#timeouts.observe(sample);
    guard.observe(sample);
    if (outcome.kind === 'ok') this.#options.tally.latencies.add(endMs - startMs);
    return outcome;
  }

  /**
   * Aborts the write after `timeoutMs`. A write that then takes as long again to end is given up: whether it
   * was stored is not known.
   */
  async #timeOut(timeoutMs: number, timeout: AbortController, settled: AbortSignal): Promise<WriteOutcome> {
    const { clock, sink } = this.#options;
    const error = new VectorBatchError(
      'VBO_ERR_TIMEOUT',
      `A write to ${sink.name} took longer than ${formatDuration(timeoutMs)}.`,
      { details: { timeoutMs } },
    );
    try {
      await clock.sleep(timeoutMs, settled);
      timeout.abort(error);
      await clock.sleep(timeoutMs, settled);
    } catch {
      // The write has settled; this outcome is not looked at.
    }
    return { kind: 'retry', error };
  }

  async #settle(rows: Rows, outcome: WriteOutcome & { kind: 'ok' }): Promise<undefined> {
    const { tally } = this.#options;
    tally.bytesSent += outcome.bytesSent;
    const rejected = outcome.rejected ?? [];
    tally.acknowledged += rows.count - rejected.length;
    for (const { index, code, message } of rejected) {
      await this.#reject(rows, index, new VectorBatchError(code, message));
    }
  }

  async #reject(rows: Rows, index: number, { code, message }: VectorBatchError): Promise<void> {
    const { ids, positions, payloads } = rows.columns;
    await this.#options.reject({
      position: positions[index]!,
      id: ids[index]!,
      code,
      message,
      vector: rows.vector(index),
      ...(payloads ? { payload: payloads[index] ?? null } : {}),
    });
  }
}
