import { checkNumber, checkOneOf } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import { Random } from '../core/random.js';
import { median } from '../core/statistics.js';
import { type BatchExecutionRecord, METRICS, type Metric, type Setting } from '../core/types.js';
import { formatCount } from '../core/units.js';
import { type CostModel, latencyMs } from '../model/cost.js';
import { fitCostModel } from '../model/fit.js';
import { weighByRate } from '../model/weights.js';
import type { Source } from './ports.js';
import { priorFor } from './prior.js';
import { Specimen } from './specimen.js';
import type { Trial } from './trial.js';
import { BASELINE, keyOf, nextCell, SMALLEST_BATCH, tuneGrid } from './tune-grid.js';
import type { TuneProgress, TuneReport } from './tune-report.js';
import { Rounds, type ScratchFactory } from './tune-rounds.js';
import { type Contestant, verdictOf } from './verdict.js';

export interface TuneOptions {
  /** Components of a vector. */
  dimension: number;
  /** Whose vectors to write; read once and not closed. Default: synthetic ones, clustered, of length 1. */
  source?: Source;
  /** About how long it may take, ms. Default 30,000; 144,000 for an exhaustive one. */
  budgetMs?: number;
  /** Vectors that will be loaded: a setting that has more of them in flight is left out. Default: no bound. */
  itemCount?: number;
  /** Measures every setting of the grid, three times, instead of a tenth of them. */
  exhaustive?: boolean;
  /** How the database will compare the vectors. Default `cosine`. */
  metric?: Metric;
  /** What is known of the cost of the database of that name. Default: what its sink was measured or is documented at. */
  prior?: (database: string) => CostModel | undefined;
  /** Ends it: the scratch collection is removed, and it rejects with VBO_ERR_ABORTED. */
  signal?: AbortSignal;
  /** Called before every trial. */
  onProgress?: (progress: TuneProgress) => void;
  /** Called with every trial, failed ones too. */
  onRecord?: (record: BatchExecutionRecord) => void;
  /** Seed of the order of the trials and of the synthetic vectors. Default 1. */
  seed?: number;
  /** How the scratch collections' names begin. Default `vbo_tune`. */
  scratchName?: string;
  clock?: Clock;
}

const DEFAULT_BUDGET_MS = 30_000;
const EXHAUSTIVE_BUDGET_MS = 144_000;
/** Without `exhaustive`, at most this share of the grid is tried. */
const SHARE_OF_GRID = 0.1;
const EXPLORING_ROUNDS = 2;
/** Past this share of the budget one look at a cell has to do. */
const EXPLORING_SHARE = 0.35;
const EXHAUSTIVE_ROUNDS = 3;
const FINAL_ROUNDS = 5;
const MOST_FINAL_ROUNDS = 9;
const MOST_FINALISTS = 6;
/** Cells this far below the best are out before the final. */
const FINALIST_SHARE = 0.8;
/** Share of the budget that goes into measuring; the rest opens, warms up and drops. */
const MEASURING_SHARE = 0.7;
const SHORTEST_TRIAL_MS = 20;
const LONGEST_TRIAL_MS = 2000;
/** A request that takes more than this share of the budget cannot be measured within it. */
const LONGEST_REQUEST_SHARE = 1 / 25;
const FEWEST_FINAL_ROUNDS = 3;
/** The largest batch is what fits in this, as float32. */
const SPECIMEN_BYTES = 268_435_456;

/**
 * Measures a database and names the smallest batch size and concurrency that cannot be told from the fastest.
 * Trials run in rounds, shuffled, each round in a scratch collection of its own that is removed after it: so a
 * database that slows down as it fills disfavours nobody. A cost model, begun with what is known of the database,
 * picks the settings to try; what was picked is confirmed in fresh rounds, so that luck does not win.
 *
 * @throws VBO_ERR_ABORTED, VBO_ERR_ARGUMENT (a sink that cannot drop its collection is one), VBO_ERR_SINK if not
 *   even the baseline can be measured, and what opening the sink fails with
 */
export function tune(scratch: ScratchFactory, options: TuneOptions): Promise<TuneReport> {
  return new Tuning(scratch, options).run();
}

class Tuning {
  readonly #options: TuneOptions;
  readonly #clock: Clock;
  readonly #budgetMs: number;
  readonly #startMs: number;
  readonly #rounds: Rounds;
  readonly #itemCount: number;
  /** Trials that are planned in all. */
  #planned = 1;
  /** The cells that can be had; refusals make it smaller. */
  #grid: Setting[] = [];
  #sink = { name: '', database: '' };
  #prior: CostModel | undefined;

  constructor(scratch: ScratchFactory, options: TuneOptions) {
    const { exhaustive, seed = 1, clock = systemClock, onRecord } = options;
    const metric = checkOneOf(options.metric ?? 'cosine', 'metric', METRICS);
    const { signal = new AbortController().signal, scratchName = 'vbo_tune' } = options;
    const dimension = checkNumber(options.dimension, 'dimension', {
      min: 1,
      max: MAX_DIMENSION,
      integer: true,
    });
    this.#budgetMs = checkNumber(
      options.budgetMs ?? (exhaustive ? EXHAUSTIVE_BUDGET_MS : DEFAULT_BUDGET_MS),
      'budgetMs',
      { min: 100, max: 86_400_000 },
    );
    const { itemCount = Number.POSITIVE_INFINITY } = options;
    this.#itemCount = checkNumber(itemCount, 'itemCount', { min: SMALLEST_BATCH, max: Infinity });
    this.#options = options;
    this.#clock = clock;
    this.#startMs = clock.now();
    this.#rounds = new Rounds({
      ...{ scratch, scratchName, dimension, metric, clock, signal, onRecord },
      random: new Random(seed),
      trialMs: () => this.#trialMs(),
      onTrial: (setting) => this.#announce(setting),
    });
  }

  async run(): Promise<TuneReport> {
    const { dimension, source, exhaustive, seed = 1 } = this.#options;
    const { name, database, limits, bytesPerVector } = await this.#rounds.survey();
    this.#sink = { name, database };
    const { maxRows = Infinity, maxBytes = Infinity } = limits;
    const largest = Math.min(maxRows, maxBytes / bytesPerVector, SPECIMEN_BYTES / (4 * dimension));
    const full = tuneGrid(largest, this.#itemCount);
    const baseline = full.findLast((cell) => cell.batchSize <= BASELINE.batchSize && cell.concurrency === 1);
    if (!baseline) {
      throw new VectorBatchError(
        'VBO_ERR_ARGUMENT',
        `${name} takes at most ${maxRows} rows and ${maxBytes} bytes a request: there is nothing to tune at dimension ${dimension}.`,
      );
    }
    this.#grid = full;
    const rows = full.at(-1)!.batchSize;
    const specimen = source
      ? await Specimen.of(source, rows, dimension)
      : Specimen.synthetic(rows, dimension, seed);
    this.#prior = this.#options.prior?.(database) ?? priorFor(database, dimension).model;
    if (exhaustive) await this.#sweep(specimen);
    else await this.#explore(baseline, specimen);
    const contestants = await this.#final(baseline, specimen);
    return this.#report(full, contestants);
  }

  async #sweep(specimen: Specimen): Promise<void> {
    this.#planned = this.#grid.length * EXHAUSTIVE_ROUNDS + MOST_FINALISTS * FINAL_ROUNDS;
    for (let round = 0; round < EXHAUSTIVE_ROUNDS; round++) await this.#round(this.#grid, specimen);
  }

  /** Tries a tenth of the grid: the baseline, what the prior holds best, and then what the fit to it all does. */
  async #explore(baseline: Setting, specimen: Specimen): Promise<void> {
    const most = Math.max(2, Math.floor(SHARE_OF_GRID * this.#grid.length));
    this.#planned = EXPLORING_ROUNDS * (2 * most - 2) + FINAL_ROUNDS * most;
    let best = baseline;
    const tried = [baseline];
    let model = fitCostModel([], this.#prior);
    for (let measured = 1; measured < most; ) {
      const affordable = this.#grid.filter(
        (cell) => latencyMs(model, cell) <= LONGEST_REQUEST_SHARE * this.#budgetMs,
      );
      const next = nextCell(affordable, tried, model, best);
      if (!next) return;
      tried.push(next);
      // Beside the best so far, so that a slower round is not held against the newcomer.
      for (let round = 0; round < EXPLORING_ROUNDS; round++) {
        const trial = (await this.#round([best, next], specimen)).get(keyOf(next))!;
        // A refusal takes one request: it teaches a limit and is no cell of the answer.
        if (trial.error) break;
        if (round === 0) measured++;
        if (this.#elapsedMs() > EXPLORING_SHARE * this.#budgetMs) break;
      }
      best = this.#fastest();
      model = this.#fit();
    }
  }

  /** The final: the best cells and the baseline, in fresh rounds that alone decide. */
  async #final(baseline: Setting, specimen: Specimen): Promise<Contestant[]> {
    const measured = this.#rounds.cells().filter((cell) => cell.vectorsPerSecond > 0 && cell.error === null);
    const peak = Math.max(0, ...measured.map((cell) => cell.vectorsPerSecond));
    const finalists = measured
      .filter((cell) => cell.vectorsPerSecond >= FINALIST_SHARE * peak && keyOf(cell) !== keyOf(baseline))
      .sort((a, b) => b.vectorsPerSecond - a.vectorsPerSecond)
      .slice(0, MOST_FINALISTS - 1);
    const cells: Setting[] = [baseline, ...finalists];
    this.#planned = this.#rounds.count + cells.length * FINAL_ROUNDS;
    const rounds: Map<string, Trial>[] = [];
    for (;;) {
      rounds.push(await this.#round(cells, specimen));
      const isLate =
        this.#elapsedMs() + (this.#elapsedMs() / this.#rounds.count) * cells.length > this.#budgetMs;
      if (rounds.length >= (isLate ? FEWEST_FINAL_ROUNDS : MOST_FINAL_ROUNDS)) break;
    }
    const contestants = cells.map(({ batchSize, concurrency }) => ({
      ...{ batchSize, concurrency },
      rates: rounds.map((round) => round.get(keyOf({ batchSize, concurrency }))!.vectorsPerSecond),
    }));
    if (contestants.every(({ rates }) => median(rates) === 0)) {
      const { error } = rounds.at(-1)!.get(keyOf(baseline))!;
      throw error ?? new VectorBatchError('VBO_ERR_SINK', `${this.#sink.name} accepted nothing.`);
    }
    return contestants;
  }

  #report(full: readonly Setting[], contestants: readonly Contestant[]): TuneReport {
    const { best, asGood, gain, isNothingToGain } = verdictOf(contestants);
    const rateOf = (cell: Setting) => median(contestants.find((one) => keyOf(one) === keyOf(cell))!.rates);
    const label = ({ batchSize, concurrency }: Setting) =>
      `${batchSize} vectors per request, ${concurrency} in flight`;
    const { batchSize, concurrency } = contestants[0]!;
    const baseline = { batchSize, concurrency, vectorsPerSecond: rateOf(contestants[0]!) };
    // A finalist's rate is that of the final, as in the verdict.
    const cells = this.#rounds
      .cells(new Set(contestants.map(keyOf)))
      .map((cell) => (cell.isFinalist ? { ...cell, vectorsPerSecond: rateOf(cell) } : cell));
    return {
      ...{ sink: this.#sink.name, database: this.#sink.database, dimension: this.#options.dimension },
      ...{ best, vectorsPerSecond: rateOf(best), baseline, gain, isNothingToGain },
      verdict: isNothingToGain
        ? `There is nothing to gain: ${label(baseline)} reaches ${formatCount(baseline.vectorsPerSecond)} vectors/s, and nothing tried is faster by 5 %.`
        : `${label(best)}: ${formatCount(rateOf(best))} vectors/s, ${gain.toFixed(2)} times as fast as ${label(baseline)}.`,
      ...{ asGood, cells },
      grid: {
        batchSizes: [...new Set(full.map((cell) => cell.batchSize))],
        concurrencies: [...new Set(full.map((cell) => cell.concurrency))],
      },
      shareOfGrid: cells.filter((cell) => cell.error === null).length / full.length,
      model: this.#fit(),
      seconds: this.#elapsedMs() / 1000,
    };
  }

  /** Measures the cells once, and takes from the grid what the refusals among them say cannot be had. */
  async #round(cells: readonly Setting[], specimen: Specimen): Promise<Map<string, Trial>> {
    const results = await this.#rounds.run(cells, specimen);
    for (const { batchSize, concurrency, refusal } of results.values()) {
      if (refusal === undefined) continue;
      this.#grid = this.#grid.filter((cell) =>
        refusal.isTooLarge
          ? cell.batchSize < batchSize && cell.batchSize <= (refusal.maxRows ?? Infinity)
          : cell.concurrency < concurrency,
      );
    }
    return results;
  }

  #elapsedMs(): number {
    return this.#clock.now() - this.#startMs;
  }

  #trialMs(): number {
    const ms = (MEASURING_SHARE * this.#budgetMs) / this.#planned;
    return Math.min(LONGEST_TRIAL_MS, Math.max(SHORTEST_TRIAL_MS, ms));
  }

  #announce(setting: Setting): void {
    const elapsedMs = this.#elapsedMs();
    const done = this.#rounds.count;
    const total = Math.max(this.#planned, done + 1);
    const etaMs = done > 0 ? (elapsedMs / done) * (total - done) : this.#budgetMs;
    this.#options.onProgress?.({ done, total, setting, elapsedMs, etaMs });
  }

  #fastest(): Setting {
    return this.#rounds.cells().reduce((a, b) => (b.vectorsPerSecond > a.vectorsPerSecond ? b : a));
  }

  #fit(): CostModel {
    const samples = this.#rounds
      .cells()
      .filter((cell) => cell.vectorsPerSecond > 0)
      .map(({ batchSize, concurrency, vectorsPerSecond }) => ({
        ...{ batchSize, concurrency },
        latencyMs: (1000 * batchSize * concurrency) / vectorsPerSecond,
      }));
    return fitCostModel(weighByRate(samples), this.#prior);
  }
}
