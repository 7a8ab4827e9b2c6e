import { Window } from '../control/window.js';
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
}

export interface TrialOptions {
  readonly clock: Clock;
  /** Time to measure for. */
  readonly ms: number;
  readonly signal: AbortSignal;
}

/** Batches of a trial at least, beside the first ones that only fill the pipe. */
const FEWEST_BATCHES = 3;
/** A trial that takes so many times what it was given ends with what there is. */
const MOST_OVERTIME = 3;
const WRITE_TIMEOUT_MS = 60_000;

/**
 * Writes batches of one setting for a while and measures the steady rate (see `Window`). A refusal ends the trial,
 * a passing failure is only not counted.
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
  const window = new Window(setting, { batches: FEWEST_BATCHES, minMs: ms }, startMs, {
    ...{ batchSize, concurrency: 1 },
  });
  const latencies = new LatencyHistogram();
  let rows = 0;
  let inFlight = 0;
  let failures = 0;
  let error: VectorBatchError | undefined;
  const isOver = () =>
    signal.aborted ||
    error !== undefined ||
    window.full ||
    (rows > 0 && clock.now() - startMs > MOST_OVERTIME * ms);
  const send = async () => {
    while (!isOver()) {
      const batch = specimen.batch(batchSize);
      const flying = ++inFlight;
      const sentMs = clock.now();
      const outcome = await timed(clock, signal, (own) => sink.write(batch, own));
      const endMs = clock.now();
      inFlight--;
      if (outcome.kind === 'ok') {
        rows += batchSize;
        latencies.add(endMs - sentMs);
        window.add({
          ...{ batchSize, concurrency, rows: batchSize, bytes: outcome.bytesSent },
          ...{ inFlight: flying, startMs: sentMs, endMs, outcome: 'ok' },
        });
      } else if (outcome.kind === 'fatal' || outcome.kind === 'permanent') {
        throw outcome.error;
      } else if (outcome.kind !== 'retry' || ++failures >= FEWEST_BATCHES) {
        error ??= outcome.error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, send));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  const elapsedMs = clock.now() - startMs;
  const { vectorsPerSecond, batches } = window.measurement();
  // Too slow to fill a window: all there is, over all the time.
  const rate = batches > 0 ? vectorsPerSecond : (1000 * rows) / Math.max(elapsedMs, 1e-6);
  return {
    ...setting,
    vectorsPerSecond: error ? 0 : rate,
    latencyMs: { p50: latencies.percentile(0.5), p95: latencies.percentile(0.95) },
    ...{ rows, elapsedMs },
    ...(error ? { error } : {}),
  };
}

/** A write that is aborted when it takes too long. */
async function timed(
  clock: Clock,
  signal: AbortSignal,
  write: (signal: AbortSignal) => Promise<WriteOutcome>,
): Promise<WriteOutcome> {
  const timeout = new AbortController();
  const settled = new AbortController();
  const late = clock.sleep(WRITE_TIMEOUT_MS, settled.signal).then(
    () =>
      timeout.abort(
        new VectorBatchError('VBO_ERR_TIMEOUT', `A write took longer than ${WRITE_TIMEOUT_MS} ms.`),
      ),
    () => {},
  );
  try {
    return await write(AbortSignal.any([signal, timeout.signal]));
  } catch (cause) {
    return { kind: 'retry', error: toVectorBatchError(cause, 'VBO_ERR_SINK', 'A write failed') };
  } finally {
    settled.abort();
    await late;
  }
}
