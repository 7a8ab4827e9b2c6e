import type { Clock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import { median } from '../core/statistics.js';
import type { BatchExecutionRecord, Metric, Setting } from '../core/types.js';
import { findProfile } from '../model/profiles.js';
import { PeakRss } from './peak-rss.js';
import type { Sink, SinkLimits } from './ports.js';
import type { Specimen } from './specimen.js';
import { measure, type Trial } from './trial.js';
import { BASELINE, keyOf } from './tune-grid.js';
import type { TunedCell } from './tune-report.js';

/** Makes a sink for a collection that does not exist yet; its `drop()` removes it. */
export type ScratchFactory = (name: string) => Promise<Sink>;

export interface RoundsOptions {
  readonly scratch: ScratchFactory;
  /** How the scratch collections' names begin. */
  readonly scratchName: string;
  readonly dimension: number;
  readonly metric: Metric;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Time of one trial now, ms. */
  readonly trialMs: () => number;
  readonly onTrial: (setting: Setting) => void;
  readonly onRecord: ((record: BatchExecutionRecord) => void) | undefined;
}

const WARM_UP_BATCHES = 3;

/**
 * Trials in rounds: every round in a scratch collection of its own, its cells in random order, its first batches not
 * counted. So the databases that slow down as they fill, and those that are slow to start, disfavour nobody.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #rss = new PeakRss();
  readonly #trials = new Map<string, Trial[]>();
  #scratches = 0;
  #count = 0;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Trials so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * What can be asked of the sink at all.
   * @throws what opening the sink fails with
   */
  survey(): Promise<{ name: string; database: string; limits: SinkLimits; bytesPerVector: number }> {
    return this.#withScratch(false, async (sink) => ({
      ...{ name: sink.name, database: sink.database, limits: sink.limits() },
      bytesPerVector: sink.bytesPerVector(this.#options.dimension),
    }));
  }

  /**
   * Measures each cell once.
   * @throws VBO_ERR_ABORTED, and what no cell could avoid
   */
  run(cells: readonly Setting[], specimen: Specimen): Promise<Map<string, Trial>> {
    const { clock, random, signal, trialMs, onTrial } = this.#options;
    return this.#withScratch(specimen.hasPayloads, async (sink) => {
      const results = new Map<string, Trial>();
      const smallest = Math.min(BASELINE.batchSize, ...cells.map((cell) => cell.batchSize));
      for (let i = 0; i < WARM_UP_BATCHES; i++) await sink.write(specimen.batch(smallest), signal);
      let collectionRows = WARM_UP_BATCHES * smallest;
      for (const cell of random.shuffle([...cells])) {
        onTrial(cell);
        const trial = await measure(sink, specimen, cell, { clock, signal, ms: trialMs() });
        this.#checkAborted();
        results.set(keyOf(cell), trial);
        this.#note(trial, sink, collectionRows);
        collectionRows += trial.rows;
      }
      return results;
    });
  }

  /** Every cell that was tried, over all its rounds. */
  cells(finalists: ReadonlySet<string> = new Set()): TunedCell[] {
    return [...this.#trials.values()].map((trials) => {
      const { batchSize, concurrency } = trials[0]!;
      const middle = (value: (trial: Trial) => number) => median(trials.map(value));
      return {
        ...{ batchSize, concurrency, rounds: trials.length },
        vectorsPerSecond: middle((trial) => trial.vectorsPerSecond),
        latencyMs: {
          p50: middle((trial) => trial.latencyMs.p50),
          p95: middle((trial) => trial.latencyMs.p95),
        },
        isFinalist: finalists.has(keyOf({ batchSize, concurrency })),
        error: trials.find((trial) => trial.error)?.error?.message ?? null,
      };
    });
  }

  /** Opens a scratch collection, and removes it whatever happens. */
  async #withScratch<T>(hasPayloads: boolean, work: (sink: Sink) => Promise<T>): Promise<T> {
    const { scratch, scratchName, dimension, metric } = this.#options;
    this.#checkAborted();
    const sink = await scratch(`${scratchName}_${this.#scratches++}`);
    const drop = sink.drop?.bind(sink);
    if (!drop) {
      throw new VectorBatchError(
        'VBO_ERR_ARGUMENT',
        `${sink.name} cannot remove a collection: a tuning would leave its scratch collections behind.`,
      );
    }
    try {
      await sink.open({ dimension, hasPayloads, metric, idType: 'number' });
      try {
        return await work(sink);
      } finally {
        await drop();
      }
    } finally {
      await sink.close();
    }
  }

  #checkAborted(): void {
    const { signal } = this.#options;
    if (!signal.aborted) return;
    throw new VectorBatchError(
      'VBO_ERR_ABORTED',
      'The tuning was aborted; its scratch collections are removed.',
      { cause: signal.reason },
    );
  }

  #note(trial: Trial, sink: Sink, collectionRows: number): void {
    const { clock, dimension, onRecord } = this.#options;
    this.#count++;
    this.#rss.observe(clock.now());
    const key = keyOf(trial);
    this.#trials.set(key, [...(this.#trials.get(key) ?? []), trial]);
    const deployment = findProfile(sink.database)?.deployment;
    onRecord?.({
      database_type: sink.database,
      ...(deployment ? { deployment } : {}),
      ...{ vector_dimension: dimension, batch_size: trial.batchSize, concurrency: trial.concurrency },
      ...{ item_count: trial.rows, bytes_per_vector: sink.bytesPerVector(dimension) },
      execution_time_ms: trial.elapsedMs,
      throughput_vps: trial.error ? null : trial.vectorsPerSecond,
      ...{ batch_p50_ms: trial.latencyMs.p50, batch_p95_ms: trial.latencyMs.p95 },
      peak_rss_mb: this.#rss.peakBytes() / 1e6,
      success: trial.error === undefined,
      error: trial.error?.message ?? null,
      ...{ collection_rows: collectionRows, origin: 'tune' },
    });
  }
}
