import { setMaxListeners } from 'node:events';
import { FixedPolicy } from '../control/fixed.js';
import { Guard } from '../control/guard.js';
import { ModelGuidedPolicy } from '../control/model-guided.js';
import { checkNumber, describe } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY } from '../core/limits.js';
import { type Logger, silentLogger } from '../core/logger.js';
import { Random } from '../core/random.js';
import { median } from '../core/statistics.js';
import type { Setting } from '../core/types.js';
import { Bell } from './bell.js';
import { callback } from './callback.js';
import { Delivery } from './delivery.js';
import { dispatch } from './dispatch.js';
import { failureOf } from './failure.js';
import { Items } from './items.js';
import { Permits } from './permits.js';
import type { Failure } from './ports.js';
import { type SettingChange, Tally } from './tally.js';

/** How to run an operation; everything may be left out. */
export interface ExecuteOptions<T> {
  /** For messages. Default `operation`. */
  name?: string;
  /** What an item weighs against `maxWeight`: tokens of a text, bytes of a record. Default 1 each. */
  weight?: (item: T) => number;
  /** Most weight of one batch. An item that weighs more alone goes alone. */
  maxWeight?: number;
  /** Most items of one batch, 1..1048576. Default 16384. */
  maxBatchSize?: number;
  /** Most batches at once, 1..1024. Default 16. */
  maxConcurrency?: number;
  /** Where to begin. Default 16 items, 1 batch at a time. */
  initial?: Setting;
  /** Runs with this setting throughout instead of looking for the best one. */
  fixed?: Setting;
  /** Attempts for a batch that fails in passing, 1..100. Default 5. */
  maxAttempts?: number;
  /**
   * What to do about an error the operation threw. Return undefined to have it judged by its HTTP status or
   * network code (see {@link failureOf}).
   */
  classify?: (error: unknown) => { kind: Failure['kind']; retryAfterMs?: number } | undefined;
  /** Stops: no batch is begun, those under way are finished, and it rejects with VBO_ERR_ABORTED. */
  signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?: (progress: { done: number; total: number; setting: Setting }) => void;
  /** Seed of the retry jitter. Default 1. */
  seed?: number;
  clock?: Clock;
  logger?: Logger;
}

/** What an operation is told beside its items. */
export interface ExecuteAttempt {
  /** Aborts when the attempt takes too long: hand it to whatever waits. */
  readonly signal: AbortSignal;
  /** Counts from 1. */
  readonly attempt: number;
}

/** An operation on some items: returns one result per item, in order, or nothing if there are none. */
// biome-ignore lint/suspicious/noConfusingVoidType: an operation without results, such as a deletion, returns nothing.
export type Operation<T, R> = (batch: readonly T[], attempt: ExecuteAttempt) => Promise<readonly R[] | void>;

export interface ExecuteFailure<T> {
  /** Of the item in the caller's array. */
  readonly index: number;
  readonly item: T;
  readonly error: VectorBatchError;
}

/** What became of the items. */
export interface ExecuteResult<T, R> {
  /** One per item, in the items' order; undefined where the item failed or the operation gives none. */
  readonly results: readonly (R | undefined)[];
  /** Items that were refused for good, each found alone, in the items' order. */
  readonly failures: readonly ExecuteFailure<T>[];
  readonly seconds: number;
  readonly itemsPerSecond: number;
  /** The setting held to be best at the end. */
  readonly best: Setting;
  readonly settings: readonly SettingChange[];
  /** Of the attempts that succeeded, ms. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly retries: number;
}

const DEFAULT_BATCH_SIZE = 16_384;
const DEFAULT_CONCURRENCY = 16;
const DEFAULT_INITIAL: Setting = { batchSize: 16, concurrency: 1 };
const DEFAULT_ATTEMPTS = 5;

/** An outcome of an operation that came back. */
interface Done<R> {
  kind: 'ok';
  results: readonly R[] | undefined;
}

/**
 * Runs any operation over many items in batches, adapting their size and how many run at once, as a load does:
 * what fails in passing is tried again, a refusal is bisected until the culprit is alone, push-back is heeded.
 *
 * @throws VBO_ERR_ABORTED, VBO_ERR_ARGUMENT (an operation that returns another number of results is one), and
 *   whatever ends the run: a fatal error, or one that did not pass. `details.result` is the
 *   {@link ExecuteResult} so far.
 */
export async function execute<T, R>(
  items: Iterable<T>,
  operation: Operation<T, R>,
  options: ExecuteOptions<T> = {},
): Promise<ExecuteResult<T, R>> {
  return new Execution(Array.from(items), operation, options).run();
}

class Execution<T, R> {
  readonly #items: readonly T[];
  readonly #operation: Operation<T, R>;
  readonly #options: ExecuteOptions<T>;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #weights: Float64Array | undefined;
  readonly #maxWeight: number;
  readonly #guard: Guard;
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  readonly #tally = new Tally();
  readonly #results: (R | undefined)[];
  readonly #failures: ExecuteFailure<T>[] = [];
  readonly #startMs: number;
  #next = 0;
  #failure: VectorBatchError | undefined;

  constructor(items: readonly T[], operation: Operation<T, R>, options: ExecuteOptions<T>) {
    const { fixed, initial, maxWeight, weight, name = 'operation', clock = systemClock } = options;
    const whole = (value: number, what: string, max: number) =>
      checkNumber(value, what, { min: 1, max, integer: true });
    for (const [what, setting] of Object.entries({ fixed, initial })) {
      if (!setting) continue;
      whole(setting.batchSize, `${what}.batchSize`, MAX_BATCH_SIZE);
      whole(setting.concurrency, `${what}.concurrency`, MAX_CONCURRENCY);
    }
    if (maxWeight !== undefined) checkNumber(maxWeight, 'maxWeight', { min: 0, max: Number.MAX_VALUE });
    whole(options.maxAttempts ?? DEFAULT_ATTEMPTS, 'maxAttempts', 100);
    this.#items = items;
    this.#operation = operation;
    this.#options = options;
    this.#name = name;
    this.#clock = clock;
    this.#results = new Array(items.length);
    this.#results.fill(undefined);
    this.#startMs = clock.now();
    if (weight) {
      this.#weights = Float64Array.from(items, (item, index) =>
        checkNumber(weight(item), `The weight of item ${index}`, { min: 0, max: Number.MAX_VALUE }),
      );
    }
    const policy = fixed
      ? new FixedPolicy(fixed)
      : new ModelGuidedPolicy({ initial: initial ?? DEFAULT_INITIAL });
    const most = whole(options.maxBatchSize ?? DEFAULT_BATCH_SIZE, 'maxBatchSize', MAX_BATCH_SIZE);
    const typical = this.#weights?.length ? median([...this.#weights]) : 1;
    // A set-point that the weights never let come about could not be judged.
    const reachable = maxWeight === undefined || typical === 0 ? most : Math.floor(maxWeight / typical);
    this.#maxWeight = maxWeight ?? Number.POSITIVE_INFINITY;
    this.#guard = new Guard(policy, {
      maxBatchSize: Math.max(1, Math.min(most, reachable)),
      maxConcurrency: whole(
        options.maxConcurrency ?? fixed?.concurrency ?? DEFAULT_CONCURRENCY,
        'maxConcurrency',
        MAX_CONCURRENCY,
      ),
      // Infinite until a refusal teaches a limit; the weights are summed when a batch is cut.
      maxBatchBytes: Number.POSITIVE_INFINITY,
      ...{ bytesPerRow: 1, memoryBytes: Number.MAX_SAFE_INTEGER, memoryBytesPerRow: 1 },
    });
    setMaxListeners(0, this.#stop.signal);
  }

  async run(): Promise<ExecuteResult<T, R>> {
    const { signal } = this.#options;
    const onAbort = () =>
      this.#fail(
        new VectorBatchError('VBO_ERR_ABORTED', `${this.#name} was aborted.`, { cause: signal!.reason }),
      );
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    await this.#dispatch();
    signal?.removeEventListener('abort', onAbort);
    const result = this.#result();
    if (!this.#failure) return result;
    const { code, message, details, cause } = this.#failure;
    throw new VectorBatchError(code, message, {
      cause: cause ?? this.#failure,
      details: { ...details, result },
    });
  }

  async #dispatch(): Promise<void> {
    const { maxAttempts = DEFAULT_ATTEMPTS, seed = 1, logger = silentLogger } = this.#options;
    const onProgress =
      this.#options.onProgress &&
      callback('onProgress', this.#options.onProgress, (error) => this.#fail(error));
    const guard = this.#guard;
    const clock = this.#clock;
    const permits = new Permits(() => guard.setting.concurrency, this.#bell);
    const delivery = new Delivery<Items<T>, Done<R>>({
      ...{ name: this.#name, guard, clock, logger, maxAttempts, stop: this.#stop.signal },
      random: new Random(seed),
      attempt: (parcel, { signal, attempt }) => this.#attempt(parcel, { signal, attempt }),
      settle: async (parcel, { results }) => {
        this.#tally.acknowledged += parcel.count;
        results?.forEach((result, index) => {
          this.#results[parcel.first + index] = result;
        });
      },
      reject: async ({ first, items }, error) => {
        this.#tally.reject(error.code);
        this.#failures.push({ index: first, item: items[0]!, error });
      },
      onRetry: () => this.#tally.retries++,
      inFlight: () => permits.inFlight,
      remaining: () => this.#items.length - this.#next,
    });
    await dispatch<Items<T>>({
      ...{ guard, permits, bell: this.#bell, stop: this.#stop.signal },
      next: (batchSize) => this.#cut(batchSize),
      isOver: () => this.#next >= this.#items.length,
      send: async (parcel, setting) => {
        this.#tally.apply(setting, clock.now() - this.#startMs);
        await delivery.deliver(parcel, setting, this.#tally.observe).catch((error) => {
          this.#fail(toVectorBatchError(error, 'VBO_ERR_INTERNAL', this.#name));
        });
        const { acknowledged, rejected } = this.#tally;
        onProgress?.({ done: acknowledged + rejected, total: this.#items.length, setting: guard.setting });
      },
    });
  }

  async #attempt(parcel: Items<T>, attempt: ExecuteAttempt): Promise<Done<R> | Failure> {
    let results: readonly R[] | undefined;
    try {
      results = (await this.#operation(parcel.items, attempt)) ?? undefined;
    } catch (thrown) {
      const judged = this.#options.classify?.(thrown);
      if (!judged) return failureOf(thrown, this.#name);
      return { ...judged, error: toVectorBatchError(thrown, 'VBO_ERR_SINK', this.#name) };
    }
    if (results === undefined || results.length === parcel.count) return { kind: 'ok', results };
    const error = new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${this.#name} returned ${describe(results)} for ${parcel.count} items; expected one result each, or nothing.`,
    );
    return { kind: 'fatal', error };
  }

  /** The next items: at most so many, and no heavier together than a batch may be, but at least one. */
  #cut(batchSize: number): Items<T> | undefined {
    const first = this.#next;
    const end = Math.min(this.#items.length, first + batchSize);
    if (first >= end) return undefined;
    const most = Math.min(this.#maxWeight, this.#guard.maxBatchBytes);
    let last = first + 1;
    for (let weight = this.#weightOf(first); last < end; last++) {
      weight += this.#weightOf(last);
      if (weight > most) break;
    }
    this.#next = last;
    return new Items(first, this.#items.slice(first, last), this.#weights);
  }

  #weightOf(index: number): number {
    return this.#weights?.[index] ?? 1;
  }

  /** The first failure is the run's; it stops the sending. */
  #fail(error: VectorBatchError): void {
    this.#failure ??= error;
    this.#stop.abort(error);
    this.#bell.ring();
  }

  #result(): ExecuteResult<T, R> {
    const { acknowledged, latencies, settings, retries } = this.#tally;
    const seconds = (this.#clock.now() - this.#startMs) / 1000;
    const percentile = (share: number) => latencies.percentile(share);
    return {
      results: this.#results,
      failures: this.#failures.sort((a, b) => a.index - b.index),
      seconds,
      itemsPerSecond: seconds > 0 ? acknowledged / seconds : 0,
      ...{ best: this.#guard.best, settings, retries },
      latencyMs: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) },
    };
  }
}
