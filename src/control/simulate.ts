import { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import { vectorsPerSecond } from '../model/cost.js';
import { FixedPolicy } from './fixed.js';
import { Guard } from './guard.js';
import type { Decision, Policy } from './policy.js';
import type { Scenario } from './scenario.js';
import { type SimulatedAnswer, SimulatedDatabase } from './simulator.js';

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

interface Event {
  readonly atMs: number;
  readonly happen: () => void;
}

/** A push-back without advice is waited out this long. */
const BACK_OFF_MS = 200;

/**
 * Runs a whole load of `scenario` under `policy`, inside a guard, as a discrete-event simulation: no clock,
 * no promises, a million batches in a second or so. Deterministic in `seed`.
 */
export function simulate(scenario: Scenario, policy: Policy, seed: number): SimulationResult {
  const database = new SimulatedDatabase(scenario, new Random(seed));
  const bytesPerRow = scenario.dimension * 4;
  const guard = new Guard(policy, {
    maxBatchSize: scenario.rows,
    maxConcurrency: 64,
    maxBatchBytes: Number.POSITIVE_INFINITY,
    bytesPerRow,
    memoryBytes: 256e6,
    memoryBytesPerRow: 2 * bytesPerRow,
  });
  const events: Event[] = [];
  const settings: (Decision & { atMs: number })[] = [];
  /** Refused rows wait here until they can be sent again. */
  const returned: number[] = [];
  let fresh = scenario.rows;
  let inFlight = 0;
  let requests = 0;
  let pushedBack = 0;
  let nowMs = 0;

  const send = (rows: number, { batchSize, concurrency }: Setting): void => {
    const startMs = nowMs;
    const flying = ++inFlight;
    requests++;
    const bytes = rows * bytesPerRow;
    const answer: SimulatedAnswer = database.request(startMs, rows, bytes, flying);
    const endMs = startMs + answer.latencyMs;
    const settle = () => {
      guard.observe({
        ...{ batchSize, rows, bytes, concurrency, inFlight: flying, startMs, endMs },
        ...(answer.kind === 'shrink' && answer.limits ? { limits: answer.limits } : {}),
        outcome: answer.kind,
        remainingRows: fresh,
      });
      inFlight--;
      if (answer.kind === 'shrink') {
        returned.push(Math.ceil(rows / 2));
        if (rows > 1) returned.push(Math.floor(rows / 2));
      } else if (answer.kind === 'backOff') {
        // The batch keeps its permit while it waits, as in a real load.
        pushedBack++;
        inFlight++;
        const wakeMs = endMs + (answer.retryAfterMs ?? BACK_OFF_MS);
        schedule(wakeMs, () => {
          inFlight--;
          returned.push(rows);
        });
      }
    };
    schedule(endMs, settle);
  };
  const schedule = (atMs: number, happen: () => void): void => {
    const index = events.findIndex((other) => other.atMs > atMs);
    events.splice(index < 0 ? events.length : index, 0, { atMs, happen });
  };

  while (fresh > 0 || returned.length > 0 || events.length > 0) {
    for (;;) {
      const setting = guard.setting;
      const last = settings.at(-1);
      if (last?.batchSize !== setting.batchSize || last.concurrency !== setting.concurrency) {
        settings.push({ ...setting, atMs: nowMs });
      }
      if (inFlight >= setting.concurrency || (fresh === 0 && returned.length === 0)) break;
      let rows = returned.pop();
      if (rows === undefined) {
        rows = Math.min(setting.batchSize, fresh);
        fresh -= rows;
      }
      send(rows, setting);
    }
    const event = events.shift();
    if (!event) break;
    nowMs = event.atMs;
    event.happen();
  }
  return {
    vectorsPerSecond: (1000 * scenario.rows) / nowMs,
    totalMs: nowMs,
    best: guard.best,
    settings,
    requests,
    pushedBack,
  };
}

/** A setting that sends everything in fewer rounds than this is not measured but truncated. */
const FEWEST_ROUNDS = 16;

/** A setting that the cost model alone holds this much slower than the best cannot be the best. */
const WORTH_SIMULATING = 0.4;

/** The best a fixed setting achieves on the whole load, over a grid of powers of two; jitter and warm-up left out. */
export function oracle(scenario: Scenario): Setting & { vectorsPerSecond: number } {
  const { jitter: _, warmUp: __, ...steady } = scenario;
  const { cost, limits, rows } = scenario;
  const grid: Setting[] = [];
  for (let batchSize = 16; batchSize <= Math.min(8192, limits?.maxRows ?? Infinity); batchSize *= 2) {
    for (let concurrency = 1; concurrency <= 16; concurrency *= 2) {
      if (FEWEST_ROUNDS * batchSize * concurrency <= rows) grid.push({ batchSize, concurrency });
    }
  }
  const peak = Math.max(...grid.map((setting) => vectorsPerSecond(cost, setting)));
  return grid
    .filter((setting) => vectorsPerSecond(cost, setting) >= WORTH_SIMULATING * peak)
    .map((setting) => ({
      ...setting,
      vectorsPerSecond: simulate(steady, new FixedPolicy(setting), 0).vectorsPerSecond,
    }))
    .reduce((a, b) => (b.vectorsPerSecond > a.vectorsPerSecond ? b : a));
}
