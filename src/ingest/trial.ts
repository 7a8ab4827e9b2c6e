import { setMaxListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Setting } from '../core/types.js';
import { LatencyHistogram } from './histogram.js';
import type { Sink, WriteOutcome } from './ports.js';
import type { Specimen } from './specimen.js';

/** What one setting achieved in one trial. */
export interface Trial extends Setting {
  /** Steady rate; 0 if the trial failed. */
  readonly vectorsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  /** Vectors acknowledged. */
  readonly rows: number;
  readonly elapsedMs: number;
  /** Why the setting cannot be had: refused as too large, pushed back, timed out. */
  readonly error?: VectorBatchError;
  /** What the sink refused: this many rows in a request, or else this many requests in flight. */
  readonly refusal?: { readonly isTooLarge: boolean; readonly maxRows?: number };
}

export interface TrialOptions {
  readonly clock: Clock;
  /** Time to measure for. */
  readonly ms: number;
  readonly signal: AbortSignal;
}

/** Acknowledgements that are counted at least, after those that only fill the pipe. */
const FEWEST_BATCHES = 3;
/** A trial that takes so many times what it was given ends with what there is. */
const MOST_OVERTIME = 3;
const WRITE_TIMEOUT_MS = 60_000;
/** Writes that never wait let the event loop turn this often: for signals and progress, and for memory to be given back. */
const TURN_MS = 20;

/**
 * Writes batches of one setting for a while and measures the steady rate: what was acknowledged after the first
 * `concurrency` batches, which fill the pipe, over the time that took, stalls included. A refusal ends the trial, a
 * passing failure is only not counted.
 * @throws what no setting could avoid: a fatal or permanent outcome
 */
export async function measure(
  sink: Sink,
  specimen: Specimen,
  setting: Setting,
  options: TrialOptions,
): Promise<Trial> {
  const { clock, ms, signal } = options;
  const { batchSize, concurrency } = setting;
  const startMs = clock.now();
  const latencies = new LatencyHistogram();
  /** When the batches were acknowledged, until the trial is over; the pipe empties after it. */
  const acknowledgedMs: number[] = [];
  let rows = 0;
  let failures = 0;
  let error: VectorBatchError | undefined;
  let refusal: Trial['refusal'];
  let turnedMs = startMs;
  // One of the trial's own: every write in flight listens to it.
  const stop = AbortSignal.any([signal]);
  setMaxListeners(0, stop);
  const isOver = () => {
    const elapsedMs = clock.now() - startMs;
    const count = acknowledgedMs.length;
    const isMeasured = count >= concurrency + FEWEST_BATCHES && elapsedMs >= ms;
    return (
      signal.aborted || error !== undefined || isMeasured || (count > 0 && elapsedMs > MOST_OVERTIME * ms)
    );
  };
  const send = async () => {
    while (!isOver()) {
      const batch = specimen.batch(batchSize);
      const sentMs = clock.now();
      const outcome = await timed(clock, stop, (own) => sink.write(batch, own));
      if (outcome.kind === 'ok') {
        if (!isOver()) acknowledgedMs.push(clock.now());
        rows += batchSize;
        latencies.add(clock.now() - sentMs);
      } else if (outcome.kind === 'fatal' || outcome.kind === 'permanent') {
        throw outcome.error;
      } else if (outcome.kind !== 'retry' || ++failures >= FEWEST_BATCHES) {
        error ??= outcome.error;
        if (outcome.kind === 'shrink') refusal = { isTooLarge: true, ...outcome.limits };
        else if (outcome.kind === 'backOff') refusal ??= { isTooLarge: false };
      }
      if (clock.now() - turnedMs > TURN_MS) {
        turnedMs = clock.now();
        await setImmediate();
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, send));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  const elapsedMs = clock.now() - startMs;
  const steady = acknowledgedMs.slice(concurrency - 1);
  // Too slow to fill the pipe twice: all there is, over all the time.
  const [counted, tookMs] =
    steady.length > 1 ? [(steady.length - 1) * batchSize, steady.at(-1)! - steady[0]!] : [rows, elapsedMs];
  return {
    // Not all of `setting`: a cell that was tuned before has an error of its own.
    ...{ batchSize, concurrency },
    vectorsPerSecond: error ? 0 : (1000 * counted) / Math.max(tookMs, 1e-6),
    latencyMs: { p50: latencies.percentile(0.5), p95: latencies.percentile(0.95) },
    ...{ rows, elapsedMs },
    ...(error ? { error } : {}),
    ...(refusal ? { refusal } : {}),
  };
}

/** A write that is aborted when it takes too long. */
async function timed(
  clock: Clock,
  signal: AbortSignal,
  write: (signal: AbortSignal) => Promise<WriteOutcome>,
): Promise<WriteOutcome> {
  const own = new AbortController();
  const onAbort = () => own.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const settled = new AbortController();
  const late = clock.sleep(WRITE_TIMEOUT_MS, settled.signal).then(
    () =>
      own.abort(new VectorBatchError('VBO_ERR_TIMEOUT', `A write took longer than ${WRITE_TIMEOUT_MS} ms.`)),
    () => {},
  );
  try {
    return await write(own.signal);
  } catch (cause) {
    return { kind: 'retry', error: toVectorBatchError(cause, 'VBO_ERR_SINK', 'A write failed') };
  } finally {
    signal.removeEventListener('abort', onAbort);
    settled.abort();
    await late;
  }
}
