import { median } from '../core/statistics.js';
import type { Setting } from '../core/types.js';
import { type CostModel, latencyMs } from '../model/cost.js';
import { type Bounds, clampSetting, sameSetting, UNBOUNDED } from './bounds.js';
import { Knowledge } from './knowledge.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import { type Probe, type Search, type Surroundings, searchAgain, searchAll } from './search.js';
import { type Measurement, Window } from './window.js';

export interface ModelGuidedOptions {
  /** Where to begin: about a quarter of the prior's best batch, so that the ladder meets the plateau from below. */
  readonly initial: Setting;
  /** Shape of the cost before anything is measured. */
  readonly prior?: CostModel;
}

/** The first batches of a connection are 1.5 to 2 times slower; they are sent at the starting point and not judged. */
const WARM_UP_BATCHES = 2;
/** Where a batch takes this long, one is enough: waiting would cost more than a warmer start gains. */
const LONG_WARM_UP_MS = 500;
/** After settling, so many batches show what the model's usual error is at the setting. */
const CALIBRATION_BATCHES = 24;
/** Drift: the median residual of so many batches is off by more than the factor, for so many batches on end. */
const DRIFT_BATCHES = 8;
const DRIFT_FACTOR = 1.3;
/** Every change that was found raises the factor by this, up to the most. */
const DRIFT_HABITUATION = 1.2;
const MOST_DRIFT_FACTOR = 3;
/** Batches between two searches: doubled every time a search confirms what was known, so a noisy sink is left in peace. */
const FIRST_PATIENCE = 32;
const MOST_PATIENCE = 4096;
/** A search that ends with less than this gained has confirmed what was known, even if it ends elsewhere. */
const WORTH_SEARCHING = 1.05;
/** Push-back that holds the requests in flight below those of the best setting for so many batches counts as lasting. */
const LASTING_BATCHES = 64;
/** A slowdown by so much may pass: what was known before it is kept. */
const MAY_PASS = 4;
/** Without any drift the neighbourhood is looked at again after so many times the patience. */
const SECOND_LOOK = 2;

/** What was known before the database slowed down. */
interface BeforeSlowdown {
  readonly knowledge: Knowledge;
  readonly best: Setting;
  /** Latency over prediction at the time. */
  readonly usual: number;
  readonly slowdown: number;
  readonly sinceMs: number;
  /** Latency over what it used to be, of the last batches since. */
  echoes: number[];
}

/**
 * The default policy. It ramps while real data flows, fits the cost model to what it sees, settles, and
 * watches: every batch's latency is held against the model's prediction for its size, never against the
 * latencies before, so a changed set-point is not mistaken for a changed database. When the residual stays
 * off, the neighbourhood is searched again.
 */
export class ModelGuidedPolicy implements Policy {
  readonly name = 'model-guided';
  readonly #world: { -readonly [K in keyof Surroundings]: Surroundings[K] };
  #best: Setting;
  /** Where the last search ended. */
  #settled: Setting;
  #reason = 'warming up';
  #nowMs = 0;
  #warmUp = WARM_UP_BATCHES;
  /** The search under way and the window of its current probe; neither while settled. */
  #search: Search | undefined;
  #window: Window | undefined;
  /** Latency over prediction of the last batches since the policy settled. */
  #residuals: number[] = [];
  /** Median residual of the first batches after settling: what "as predicted" means from then on; 0 before it is known. */
  #usual = 0;
  #settledBatches = 0;
  #driftFactor = DRIFT_FACTOR;
  #driftedBatches = 0;
  /** On which side of what was known the last window of a well-known setting lay: slower -1, faster 1, neither 0. */
  #surprise: -1 | 0 | 1 = 0;
  #settledMs = 0;
  #confinedBatches = 0;
  /** The best setting before a confinement that lasted: returned to as soon as the envelope allows it again. */
  #former: Setting | undefined;
  #patience = FIRST_PATIENCE;
  #beforeSlowdown: BeforeSlowdown | undefined;

  constructor(options: ModelGuidedOptions) {
    this.#best = this.#settled = options.initial;
    this.#world = {
      knowledge: new Knowledge(options.prior),
      bounds: UNBOUNDED,
      remainingRows: Number.POSITIVE_INFINITY,
    };
  }

  get setting(): Decision {
    const probed = this.#isConfined ? undefined : this.#window?.setting;
    return { ...(probed ?? this.best), reason: this.#reason };
  }

  get best(): Setting {
    return clampSetting(this.#best, this.#world.bounds);
  }

  get model(): CostModel | undefined {
    return this.#world.knowledge.model;
  }

  /** Whether it holds what its last search found, rather than looking. */
  get isSettled(): boolean {
    return this.#warmUp === 0 && this.#search === undefined;
  }

  limit(bounds: Bounds): void {
    const wasConfined = this.#isConfined;
    this.#world.bounds = bounds;
    if (this.#former && bounds.maxConcurrency >= this.#former.concurrency) {
      this.#best = this.#former;
      this.#former = undefined;
      this.#start(searchAgain(this.best, this.#world));
      return;
    }
    const probed = this.#window?.setting;
    if (!probed || this.#isConfined) return;
    if (!this.#isGranted(probed)) this.#proceed(notMeasured(probed));
    // What was measured of the probe before the permits were taken may be from another time.
    else if (wasConfined) this.#window = this.#window!.again(this.#nowMs);
  }

  observe(sample: BatchSample): void {
    this.#nowMs = sample.endMs;
    if (sample.remainingRows !== undefined) this.#world.remainingRows = sample.remainingRows;
    if (sample.outcome !== 'ok') return;
    if (this.#isConfined) {
      if (++this.#confinedBatches >= LASTING_BATCHES) this.#acceptConfinement();
      return;
    }
    this.#confinedBatches = 0;
    if (this.#hasPassed(sample)) return;
    if (this.#warmUp > 0) {
      this.#warmUp = sample.endMs - sample.startMs >= LONG_WARM_UP_MS ? 0 : this.#warmUp - 1;
      if (this.#warmUp === 0) this.#start(searchAll(this.best, this.#world));
    } else if (this.#window) {
      this.#window.add(sample);
      if (this.#window.full) this.#learn(this.#window.measurement());
    } else {
      this.#watch(sample);
    }
  }

  #learn(measurement: Measurement): void {
    const { knowledge } = this.#world;
    if (this.#contradicts(measurement)) {
      this.#startAfresh();
      return;
    }
    knowledge.add(measurement);
    if (knowledge.estimate(measurement) > knowledge.estimate(this.#best)) {
      const { batchSize, concurrency } = measurement;
      this.#best = { batchSize, concurrency };
    }
    this.#proceed(measurement);
  }

  #start(search: Search): void {
    this.#search = search;
    this.#follow(search.next());
  }

  #proceed(measurement: Measurement): void {
    this.#follow(this.#search!.next(measurement));
  }

  #follow(first: IteratorResult<Probe, Setting>): void {
    let step = first;
    while (!step.done && !this.#isGranted(step.value.setting)) {
      step = this.#search!.next(notMeasured(step.value.setting));
    }
    if (!step.done) {
      const before = this.#window?.setting ?? this.best;
      this.#window = new Window(step.value.setting, step.value.length, this.#nowMs, before);
      this.#reason = step.value.reason;
      return;
    }
    const { knowledge } = this.#world;
    const gain = knowledge.estimate(step.value) / knowledge.estimate(this.#settled);
    this.#patience = gain < WORTH_SEARCHING ? Math.min(MOST_PATIENCE, this.#patience * 2) : FIRST_PATIENCE;
    this.#settle(step.value, 'the best measured; holding');
  }

  #settle({ batchSize, concurrency }: Setting, reason: string): void {
    this.#best = this.#settled = { batchSize, concurrency };
    this.#reason = reason;
    this.#search = undefined;
    this.#window = undefined;
    this.#residuals = [];
    this.#usual = 0;
    this.#settledBatches = 0;
    this.#driftedBatches = 0;
    this.#settledMs = this.#nowMs;
  }

  /** What was known of more requests in flight is of no use for now: what is best with fewer is found out. */
  #acceptConfinement(): void {
    const { knowledge } = this.#world;
    this.#former = this.#best;
    this.#best = this.best;
    this.#confinedBatches = 0;
    this.#warmUp = 0;
    const search = knowledge.cells.length === 0 ? searchAll : searchAgain;
    this.#start(search(this.best, this.#world));
  }

  /**
   * Push-back has taken permits that the best setting needs. That may pass: until it does, or has lasted, there is
   * nothing to search and nothing to learn.
   */
  get #isConfined(): boolean {
    return this.#world.bounds.maxConcurrency < this.#best.concurrency;
  }

  #isGranted(setting: Setting): boolean {
    return sameSetting(setting, clampSetting(setting, this.#world.bounds));
  }

  #watch(sample: BatchSample): void {
    const { model } = this.#world.knowledge;
    // Batches sent before the policy settled ran beside those of another setting.
    if (!model || sample.startMs < this.#settledMs) return;
    const predictedMs = latencyMs(model, { batchSize: sample.rows, concurrency: sample.inFlight });
    this.#residuals.push((sample.endMs - sample.startMs) / predictedMs);
    if (this.#usual === 0) {
      if (this.#residuals.length < CALIBRATION_BATCHES) return;
      this.#usual = median(this.#residuals);
    }
    this.#settledBatches++;
    this.#residuals = this.#residuals.slice(-DRIFT_BATCHES);
    const drift = median(this.#residuals) / this.#usual;
    const isUsual = drift < this.#driftFactor && drift > 1 / this.#driftFactor;
    this.#driftedBatches = isUsual ? 0 : this.#driftedBatches + 1;
    if (this.#settledBatches < this.#patience) return;
    if (this.#driftedBatches < DRIFT_BATCHES) {
      if (this.#settledBatches >= SECOND_LOOK * this.#patience)
        this.#start(searchAgain(this.best, this.#world));
      return;
    }
    if (drift >= MAY_PASS) this.#remember(drift);
    this.#startAfresh();
  }

  #remember(slowdown: number): void {
    const { knowledge } = this.#world;
    this.#beforeSlowdown ??= {
      ...{ knowledge, best: this.#best, usual: this.#usual, slowdown },
      ...{ sinceMs: this.#nowMs, echoes: [] },
    };
  }

  /** Whether settings known well have been measured far from what is known of them, twice on end, on the same side. */
  #contradicts(measurement: Measurement): boolean {
    const { knowledge } = this.#world;
    if (knowledge.batches(measurement) < DRIFT_BATCHES) return false;
    const ratio = measurement.vectorsPerSecond / knowledge.estimate(measurement);
    const side = ratio > this.#driftFactor ? 1 : ratio < 1 / this.#driftFactor ? -1 : 0;
    const contradicts = side !== 0 && side === this.#surprise;
    this.#surprise = side;
    return contradicts;
  }

  /**
   * What was measured before a change says nothing about the database after it. One that changes again and again has
   * moods, and what can be done about them is to take less notice.
   */
  #startAfresh(): void {
    this.#driftFactor = Math.min(MOST_DRIFT_FACTOR, this.#driftFactor * DRIFT_HABITUATION);
    this.#surprise = 0;
    this.#world.knowledge = this.#world.knowledge.forgotten();
    this.#start(searchAll(this.best, this.#world));
  }

  /**
   * Goes back to what was known before a slowdown once batches are nearer to what they took then than to what they took
   * in it. Otherwise a search that the recovery falls into would hold the slow windows against the settings they
   * were of, the best one first.
   */
  #hasPassed(sample: BatchSample): boolean {
    const before = this.#beforeSlowdown;
    if (!before || sample.startMs < before.sinceMs) return false;
    const { knowledge, best, usual, slowdown } = before;
    const beforeMs =
      usual * latencyMs(knowledge.model!, { batchSize: sample.rows, concurrency: sample.inFlight });
    before.echoes = [...before.echoes, (sample.endMs - sample.startMs) / beforeMs].slice(-DRIFT_BATCHES);
    if (before.echoes.length < DRIFT_BATCHES || median(before.echoes) > Math.sqrt(slowdown)) return false;
    this.#beforeSlowdown = undefined;
    this.#world.knowledge = knowledge;
    this.#settle(best, 'the slowdown has passed; as before it');
    return true;
  }
}

/** What a search gets for a setting that the envelope does not allow. */
function notMeasured(setting: Setting): Measurement {
  return { ...setting, vectorsPerSecond: 0, latencyMs: 0, batches: 0 };
}
