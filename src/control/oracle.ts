import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import type { Scenario } from './scenario.js';
import { simulate } from './simulate.js';
import { simulatedBounds } from './simulated-load.js';
import { expectedMs } from './simulator.js';

/** From a moment on, this setting. */
export interface Assignment extends Setting {
  readonly fromMs: number;
}

/** A setting that sends everything in fewer rounds than this is not measured but truncated. */
const FEWEST_ROUNDS = 16;
/** So many timetables, those that are shortest by expected rates, are simulated. */
const FINALISTS = 4;

/** What somebody does who knows the scenario: the best fixed setting, and where the database changes, the best for every stretch of time. */
export interface Oracle extends Setting {
  /** Of the whole load, without jitter and warm-up. */
  readonly vectorsPerSecond: number;
  /** More than one entry where changing pays. */
  readonly schedule: readonly Assignment[];
}

/** The oracle of a scenario, over a grid of settings: powers of two, for concurrency also the halves between them. */
export function oracle(scenario: Scenario): Oracle {
  const { jitter: _, warmUp: __, wander: ___, ...steady } = scenario;
  const settings = grid(scenario);
  const changesMs = [0, ...(scenario.steps ?? []).map(({ atMs }) => atMs)].sort((a, b) => a - b);
  const informed = changesMs.map((fromMs) => ({
    ...settings.reduce((a, b) =>
      expectedRate(scenario, b, fromMs) > expectedRate(scenario, a, fromMs) ? b : a,
    ),
    fromMs,
  }));
  const finalists = [...settings.map((setting) => [{ ...setting, fromMs: 0 }]), informed].map((schedule) => ({
    schedule,
    ms: expectedTotalMs(scenario, schedule, changesMs),
  }));
  return finalists
    .sort((a, b) => a.ms - b.ms)
    .slice(0, FINALISTS)
    .map(({ schedule }) => {
      const { vectorsPerSecond } = simulate(steady, new SchedulePolicy(schedule), 0);
      const { batchSize, concurrency } = schedule[0]!;
      return { batchSize, concurrency, vectorsPerSecond, schedule };
    })
    .reduce((a, b) => (b.vectorsPerSecond > a.vectorsPerSecond ? b : a));
}

/** Time of the whole load by expected rates alone. */
function expectedTotalMs(
  scenario: Scenario,
  schedule: readonly Assignment[],
  changesMs: readonly number[],
): number {
  let remaining = scenario.rows;
  for (const [k, fromMs] of changesMs.entries()) {
    const rate = expectedRate(scenario, schedule.findLast((entry) => entry.fromMs <= fromMs)!, fromMs);
    const stretchMs = (changesMs[k + 1] ?? Number.POSITIVE_INFINITY) - fromMs;
    if ((1000 * remaining) / rate <= stretchMs) return fromMs + (1000 * remaining) / rate;
    remaining -= (rate * stretchMs) / 1000;
  }
  return Number.POSITIVE_INFINITY;
}

/** Steady rate of a setting at a moment of a scenario, leaving out chance; 0 of one that is refused or pushed back. */
export function expectedRate(scenario: Scenario, setting: Setting, nowMs = 0): number {
  const { limits, pushBack, dimension } = scenario;
  const { batchSize, concurrency } = setting;
  if (batchSize > (limits?.maxRows ?? Infinity) || batchSize * dimension * 4 > (limits?.maxBytes ?? Infinity))
    return 0;
  if (concurrency > (pushBack?.inFlight ?? Infinity)) return 0;
  return (1000 * batchSize * concurrency) / expectedMs(scenario, setting, nowMs);
}

/** Keeps to a timetable. */
export class SchedulePolicy implements Policy {
  readonly name = 'oracle';
  readonly #schedule: readonly Assignment[];
  #bounds: Bounds = UNBOUNDED;
  #nowMs = 0;

  /** @param schedule by rising `fromMs` */
  constructor(schedule: readonly Assignment[]) {
    this.#schedule = schedule;
  }

  get setting(): Decision {
    return { ...this.best, reason: 'the timetable' };
  }

  get best(): Setting {
    return clampSetting(
      this.#schedule.findLast(({ fromMs }) => fromMs <= this.#nowMs) ?? this.#schedule[0]!,
      this.#bounds,
    );
  }

  observe(sample: BatchSample): void {
    this.#nowMs = sample.endMs;
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
  }
}

function grid(scenario: Scenario): Setting[] {
  const { rows, limits, dimension } = scenario;
  const largest = Math.min(limits?.maxRows ?? Infinity, (limits?.maxBytes ?? Infinity) / (4 * dimension));
  const sizes = Number.isFinite(largest) ? [Math.floor(largest)] : [];
  for (let batchSize = 16; batchSize <= Math.min(16_384, largest); batchSize *= 2) sizes.push(batchSize);
  const bounds = simulatedBounds(scenario);
  return sizes
    .flatMap((batchSize) =>
      [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64].map((concurrency) =>
        clampSetting({ batchSize, concurrency }, bounds),
      ),
    )
    .filter(({ batchSize, concurrency }) => FEWEST_ROUNDS * batchSize * concurrency <= rows);
}
