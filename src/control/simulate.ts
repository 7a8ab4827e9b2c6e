import type { Setting } from '../core/types.js';
import type { Decision, Policy } from './policy.js';
import type { Scenario } from './scenario.js';
import { SimulatedLoad, type SimulatedLoadOptions } from './simulated-load.js';

export interface SimulationResult {
  /** Rate of the whole load, ramp included. */
  readonly vectorsPerSecond: number;
  readonly totalMs: number;
  /** What the policy held to be best at the end. */
  readonly best: Setting;
  /** Every change of the set-point. */
  readonly settings: readonly (Decision & { readonly atMs: number })[];
  readonly requests: number;
  readonly pushedBack: number;
}

/** Runs a whole load of `scenario` under `policy`; see {@link SimulatedLoad}. */
export function simulate(
  scenario: Scenario,
  policy: Policy,
  seed: number,
  options: SimulatedLoadOptions = {},
): SimulationResult {
  const load = new SimulatedLoad(scenario, policy, seed, options);
  while (load.step());
  return {
    vectorsPerSecond: (1000 * scenario.rows) / load.nowMs,
    totalMs: load.nowMs,
    best: load.guard.best,
    settings: load.settings,
    requests: load.requests,
    pushedBack: load.pushedBack,
  };
}
