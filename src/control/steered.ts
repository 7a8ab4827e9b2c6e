import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, sameSetting, UNBOUNDED } from './bounds.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import { Window } from './window.js';

export const ACTIONS = ['hold', 'batch up', 'batch down', 'permits up', 'permits down'] as const;
/** What an {@link Observation}'s state holds, in order. */
export const STATE = [
  ...['log2 batch / 14', 'log2 permits / 6', 'log2 of the share of memory in use / 14', 'error rate'],
  ...['log of the latency per row over the least seen', 'log of the rate over the best seen', 'drift'],
  ...['rounds here / 8', 'batch up known', 'log of its rate over this', 'batch down known', 'its rate'],
  ...['permits up known', 'its rate', 'permits down known', 'its rate'],
  ...['held', 'went batch up', 'went batch down', 'went permits up', 'went permits down'],
] as const;

/** What a round of batches with one setting showed. */
export interface Observation {
  /** In the order of {@link STATE}. Nothing in it has the size of a particular database: only ratios. */
  readonly state: Float64Array;
  /** Whether each action of {@link ACTIONS} leads anywhere inside the envelope. */
  readonly open: readonly boolean[];
  readonly vectorsPerSecond: number;
  /** Share of the round's attempts that were pushed back or timed out. */
  readonly errorRate: number;
}

/** Permits go up and down these: half doublings. */
const PERMITS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const ROUND = { batches: 5, minMs: 15 };
/** Weight of a new round in what is remembered of a setting. */
const WEIGHT = 0.5;
/** Two rounds on end this far off what is remembered: the database has changed, and memory is worth nothing. */
const CHANGED = Math.log(1.4);
const MOST_FOREIGN = 16;

/**
 * A set-point that is steered round by round by somebody else: it measures a round, says what it saw, and
 * waits for one of {@link ACTIONS}. With `choose` the answer comes at once and this is a whole policy.
 */
export class SteeredPolicy implements Policy {
  readonly name: string;
  readonly #choose: ((seen: Observation) => number) | undefined;
  #setting: Setting;
  #bounds: Bounds = UNBOUNDED;
  #window: Window;
  #nowMs = 0;
  #attempts = 0;
  #errors = 0;
  #foreign = 0;
  /** Rate of every setting visited, vectors/s. */
  readonly #rates = new Map<string, number>();
  #leastMsPerRow = Number.POSITIVE_INFINITY;
  #wasOff = false;
  #rounds = 0;
  #lastAction = 0;
  #seen: Observation | undefined;

  constructor(initial: Setting, name: string, choose?: (seen: Observation) => number) {
    this.name = name;
    this.#choose = choose;
    this.#setting = initial;
    this.#window = new Window(initial, ROUND, 0, initial);
  }

  get setting(): Decision {
    return { ...this.#setting, reason: `${this.name}: ${ACTIONS[this.#lastAction]}` };
  }

  get best(): Setting {
    return this.#setting;
  }

  /** What the last round showed, as long as nobody has answered it. */
  get seen(): Observation | undefined {
    return this.#seen;
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#moveTo(clampSetting(this.#setting, bounds));
  }

  observe(sample: BatchSample): void {
    this.#nowMs = sample.endMs;
    this.#attempts++;
    if (sample.outcome === 'backOff' || sample.outcome === 'timeOut') this.#errors++;
    if (this.#seen) return;
    // Whoever grants less than was asked for, for long: what is granted is the set-point.
    if (sameSetting(sample, this.#setting)) this.#foreign = 0;
    else if (++this.#foreign > MOST_FOREIGN) this.#moveTo(clampSetting(sample, this.#bounds));
    this.#window.add(sample);
    if (!this.#window.full) return;
    const measurement = this.#window.measurement();
    if (measurement.batches === 0) {
      this.#moveTo(this.#setting);
      return;
    }
    this.#seen = this.#look(measurement.vectorsPerSecond, measurement.latencyMs);
    if (this.#choose) this.steer(this.#choose(this.#seen));
  }

  /** Answers {@link seen}. @param action an index into {@link ACTIONS} */
  steer(action: number): void {
    this.#seen = undefined;
    this.#lastAction = action;
    if (action !== 0) this.#rounds = 0;
    this.#moveTo(this.#after(action));
  }

  #look(vectorsPerSecond: number, latencyMs: number): Observation {
    const { batchSize, concurrency } = this.#setting;
    const remembered = this.#rates.get(label(this.#setting));
    const drift = remembered === undefined ? 0 : Math.log(vectorsPerSecond / remembered);
    const isOff = Math.abs(drift) > CHANGED;
    if (isOff && this.#wasOff) {
      this.#rates.clear();
      this.#leastMsPerRow = Number.POSITIVE_INFINITY;
    }
    this.#wasOff = isOff;
    const known = this.#rates.get(label(this.#setting)) ?? vectorsPerSecond;
    this.#rates.set(label(this.#setting), known + WEIGHT * (vectorsPerSecond - known));
    const msPerRow = latencyMs / batchSize;
    this.#leastMsPerRow = Math.min(this.#leastMsPerRow, msPerRow);
    this.#rounds++;
    const errorRate = this.#errors / this.#attempts;
    this.#errors = this.#attempts = 0;

    const rate = this.#rates.get(label(this.#setting))!;
    const best = Math.max(...this.#rates.values());
    const neighbours = ACTIONS.map((_, action) => this.#after(action));
    const inMemory = Math.min(1, (batchSize * concurrency) / this.#bounds.maxRowsInFlight);
    return {
      state: Float64Array.of(
        Math.log2(batchSize) / 14,
        Math.log2(concurrency) / 6,
        within(Math.log2(inMemory) / 14, 1),
        errorRate,
        within(Math.log(msPerRow / this.#leastMsPerRow) / 2, 2),
        within(Math.log(rate / best), 2),
        within(drift, 1),
        Math.min(1, this.#rounds / 8),
        ...neighbours.slice(1).flatMap((setting) => {
          const there = this.#rates.get(label(setting));
          return there === undefined ? [0, 0] : [1, within(2 * Math.log(there / rate), 2)];
        }),
        ...ACTIONS.map((_, action) => (action === this.#lastAction ? 1 : 0)),
      ),
      open: neighbours.map((setting, action) => action === 0 || !sameSetting(setting, this.#setting)),
      vectorsPerSecond,
      errorRate,
    };
  }

  #after(action: number): Setting {
    const { batchSize, concurrency } = this.#setting;
    const wanted = [
      { batchSize, concurrency },
      { batchSize: batchSize * 2, concurrency },
      { batchSize: batchSize / 2, concurrency },
      { batchSize, concurrency: PERMITS.find((permits) => permits > concurrency) ?? concurrency },
      { batchSize, concurrency: PERMITS.findLast((permits) => permits < concurrency) ?? concurrency },
    ][action]!;
    return clampSetting(wanted, this.#bounds);
  }

  #moveTo(setting: Setting): void {
    const before = this.#setting;
    this.#setting = { batchSize: setting.batchSize, concurrency: setting.concurrency };
    this.#window = new Window(this.#setting, ROUND, this.#nowMs, before);
    this.#foreign = 0;
  }
}

const label = ({ batchSize, concurrency }: Setting): string => `${batchSize}x${concurrency}`;
const within = (value: number, most: number): number => Math.min(most, Math.max(-most, value));
