import type { Guard } from '../control/guard.js';
import type { AttemptOutcome, BatchSample } from '../control/policy.js';
import { TimeoutEstimator } from '../control/timeout.js';
import type { Clock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import { formatDuration } from '../core/units.js';
import type { Failure } from './ports.js';
import { retryDelayMs } from './retry.js';

/** What travels in one request: rows of a load, or items of any other operation. */
export interface Parcel<P> {
  readonly count: number;
  /** Size in a request body, or whatever else the guard's byte limit counts. */
  readonly bytes: number;
  /** Set when an attempt failed without saying whether it took effect. */
  mayBeStored: boolean;
  halves(): [P, P];
}

/** How one attempt is made. */
export interface Attempt {
  /** Counts the requests of a load from 0; the attempts of one share it. */
  readonly sequence: number;
  /** Counts from 1. */
  readonly attempt: number;
  /** Aborts at the time-out. */
  readonly signal: AbortSignal;
}

export interface DeliveryOptions<P extends Parcel<P>, Ok extends { kind: 'ok' }> {
  /** Who receives, for messages. */
  readonly name: string;
  readonly attempt: (parcel: P, attempt: Attempt) => Promise<Ok | Failure>;
  /** A parcel has arrived. */
  readonly settle: (parcel: P, outcome: Ok) => Promise<void>;
  /** A parcel of one was refused for good. */
  readonly reject: (parcel: P, error: VectorBatchError) => Promise<void>;
  /** An attempt beyond the first is made. */
  readonly onRetry: () => void;
  readonly guard: Guard;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly maxAttempts: number;
  /** Requests in flight now. */
  readonly inFlight: () => number;
  /** Items not yet dispatched, where known. */
  readonly remaining: () => number | undefined;
  /** Aborts when all is to end: attempts under way are finished, none is begun. */
  readonly stop: AbortSignal;
}

/** Is told of every attempt; of one that failed, with its error. */
export type AttemptObserver = (sample: BatchSample, error?: VectorBatchError) => void;

/** A parcel that is pushed back for this long ends the load. */
const BACK_OFF_PATIENCE_MS = 600_000;
/** A receiver that cannot be reached may be starting again: it is waited for so long, whatever the attempts. */
const RESTART_PATIENCE_MS = 120_000;

/**
 * Brings parcels to their receiver, whatever it takes: tries again what failed in passing, halves what is too
 * large or holds something bad until the culprit is alone, and rejects that. When it returns, everything is
 * settled or rejected, unless all is being stopped.
 */
export class Delivery<P extends Parcel<P>, Ok extends { kind: 'ok' }> {
  readonly #options: DeliveryOptions<P, Ok>;
  readonly #timeouts = new TimeoutEstimator();
  #sequence = 0;

  constructor(options: DeliveryOptions<P, Ok>) {
    this.#options = options;
  }

  /** @throws what ends the load: a fatal outcome, or a failure that did not pass */
  async deliver(parcel: P, setting: Setting, observe: AttemptObserver): Promise<void> {
    const pieces = [parcel];
    for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
      if (this.#options.stop.aborted) return;
      const refusal = await this.#send(piece, setting, observe);
      if (!refusal) continue;
      if (piece.count === 1) await this.#options.reject(piece, refusal);
      else pieces.push(...piece.halves().reverse());
    }
  }

  /** Sends until there is an answer; returns the error if it is that this parcel cannot be taken as a whole. */
  async #send(parcel: P, setting: Setting, observe: AttemptObserver): Promise<VectorBatchError | undefined> {
    const { clock, logger, random, stop, maxAttempts, settle, onRetry } = this.#options;
    const sequence = this.#sequence++;
    const startMs = clock.now();
    for (let attempt = 1, failures = 0; ; attempt++) {
      if (attempt > 1) onRetry();
      const { outcome, sample } = await this.#attempt(parcel, setting, sequence, attempt);
      observe(sample, outcome.kind === 'ok' ? undefined : (outcome as Failure).error);
      switch (outcome.kind) {
        case 'ok':
          await settle(parcel, outcome as Ok);
          return undefined;
        case 'permanent':
        case 'shrink':
          return outcome.error;
        case 'fatal':
          throw outcome.error;
        case 'backOff':
          if (clock.now() - startMs > BACK_OFF_PATIENCE_MS) throw outcome.error;
          break;
        case 'retry':
          parcel.mayBeStored = true;
          if (++failures >= maxAttempts && !mayReturn(outcome, clock.now() - startMs)) throw outcome.error;
      }
      const failure = outcome as Failure;
      logger.warn({ sequence, rows: parcel.count, attempt, outcome: failure.kind }, failure.error.message);
      // A load that ends does not wait: what was not acknowledged by now is reported as such.
      const waited = await clock.sleep(retryDelayMs(failure, attempt, random), stop).then(
        () => true,
        () => false,
      );
      if (!waited) return undefined;
    }
  }

  /** One attempt, timed on its own and ended by its time-out. */
  async #attempt(
    parcel: P,
    setting: Setting,
    sequence: number,
    attempt: number,
  ): Promise<{ outcome: Ok | Failure; sample: BatchSample }> {
    const { name, clock, guard, inFlight, remaining } = this.#options;
    const timeoutMs = this.#timeouts.timeoutMs(parcel.count, attempt);
    const timeout = new AbortController();
    const flying = inFlight();
    const startMs = clock.now();
    const work = (async () =>
      this.#options.attempt(parcel, { sequence, attempt, signal: timeout.signal }))().catch(
      (error): Failure => ({ kind: 'retry', error: toVectorBatchError(error, 'VBO_ERR_SINK', name) }),
    );
    const settled = new AbortController();
    const timedOut = this.#timeOut(timeoutMs, timeout, settled.signal);
    const outcome = await Promise.race([work, timedOut]);
    settled.abort();
    const endMs = clock.now();

    const kind: AttemptOutcome = timeout.signal.aborted && outcome.kind !== 'ok' ? 'timeOut' : outcome.kind;
    const remainingRows = remaining();
    const sample = {
      ...{ batchSize: setting.batchSize, concurrency: setting.concurrency },
      ...{ rows: parcel.count, bytes: parcel.bytes, inFlight: flying, startMs, endMs, outcome: kind },
      ...(outcome.kind === 'shrink' && outcome.limits ? { limits: outcome.limits } : {}),
      ...(remainingRows === undefined ? {} : { remainingRows }),
    };
    this.#timeouts.observe(sample);
    guard.observe(sample);
    return { outcome, sample };
  }

  /**
   * Aborts the attempt after `timeoutMs`. One that then takes as long again to end is given up: whether it took
   * effect is not known.
   */
  async #timeOut(timeoutMs: number, timeout: AbortController, settled: AbortSignal): Promise<Failure> {
    const { clock, name } = this.#options;
    const error = new VectorBatchError(
      'VBO_ERR_TIMEOUT',
      `A write to ${name} took longer than ${formatDuration(timeoutMs)}.`,
      { details: { timeoutMs } },
    );
    try {
      await clock.sleep(timeoutMs, settled);
      timeout.abort(error);
      await clock.sleep(timeoutMs, settled);
    } catch {
      // The attempt has settled; this outcome is not looked at.
    }
    return { kind: 'retry', error };
  }
}

const mayReturn = ({ error }: { error: VectorBatchError }, waitedMs: number): boolean =>
  error.code === 'VBO_ERR_SINK_UNREACHABLE' && waitedMs < RESTART_PATIENCE_MS;
