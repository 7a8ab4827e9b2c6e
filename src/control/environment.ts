import type { Setting } from '../core/types.js';
import { clampSetting } from './bounds.js';
import { expectedRate } from './oracle.js';
import type { Scenario } from './scenario.js';
import { SimulatedLoad, simulatedBounds } from './simulated-load.js';
import { ACTIONS, type Observation, SteeredPolicy } from './steered.js';

/** What a step led to. */
export interface EnvironmentStep extends Observation {
  /** `log(rate / best expected rate of the scenario) / 2`, not below -1; less half the error rate. */
  readonly reward: number;
  /** Everything is stored. */
  readonly done: boolean;
  /** The set-point of the round that was seen. */
  readonly setting: Setting;
}

const BLIND: Setting = { batchSize: 128, concurrency: 1 };

/**
 * The simulator in the form that reinforcement learning knows: `reset` begins a load, `step` takes an action and
 * lets one round of batches go by on the virtual clock, inside the guard. Deterministic in the seed.
 */
export class BatchEnvironment {
  readonly scenario: Scenario;
  readonly actions = ACTIONS;
  readonly #best: number;
  #load!: SimulatedLoad;
  #policy!: SteeredPolicy;
  #last!: EnvironmentStep;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.#best = bestRate(scenario);
    this.reset(1);
  }

  /** Begins the load anew; returns what the first round shows. */
  reset(seed: number, initial: Setting = BLIND): EnvironmentStep {
    this.#policy = new SteeredPolicy(initial, 'environment');
    this.#load = new SimulatedLoad(this.scenario, this.#policy, seed);
    this.#last = {
      ...{ state: new Float64Array(0), open: [], vectorsPerSecond: 0, errorRate: 0 },
      ...{ reward: 0, done: true, setting: initial },
    };
    return this.#untilSeen();
  }

  /** @param action an index into `actions` */
  step(action: number): EnvironmentStep {
    if (this.#last.done) return this.#last;
    this.#policy.steer(action);
    return this.#untilSeen();
  }

  #untilSeen(): EnvironmentStep {
    let more = true;
    while (more && !this.#policy.seen) more = this.#load.step();
    const seen = this.#policy.seen;
    if (!seen) {
      this.#last = { ...this.#last, done: true };
      return this.#last;
    }
    const share = Math.log(seen.vectorsPerSecond / this.#best) / 2;
    const { batchSize, concurrency } = this.#load.guard.setting;
    this.#last = {
      ...seen,
      reward: Math.max(-1, share) - seen.errorRate / 2,
      done: !more,
      setting: { batchSize, concurrency },
    };
    return this.#last;
  }
}

function bestRate(scenario: Scenario): number {
  const bounds = simulatedBounds(scenario);
  let best = 0;
  for (let batchSize = 1; batchSize <= Math.min(16_384, scenario.rows); batchSize *= 2) {
    for (let concurrency = 1; concurrency <= bounds.maxConcurrency; concurrency *= 2) {
      best = Math.max(best, expectedRate(scenario, clampSetting({ batchSize, concurrency }, bounds)));
    }
  }
  return best;
}
