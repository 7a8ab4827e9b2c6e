import { expect, it } from 'vitest';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import type { Scenario } from '../../src/control/scenario.js';
import { SimulatedLoad } from '../../src/control/simulated-load.js';
import { rateOf } from '../ingest/watched.js';

/** By then every load has settled. */
const FAULT_MS = 60_000;
/** Batches that a rate is measured on, and how many may pass after a fault before it is back. */
const WINDOW = 16;
const RECOVERY = 30;
const RECOVERED = 0.8;
const SEEDS = Array.from({ length: 10 }, (_, i) => i + 1);

/** Few enough for 30 batches to be a few round trips. */
const MAX_CONCURRENCY = 8;
const MAX_ROWS = 200;
const COSTS = {
  'far away': { fixedMs: 100, perVectorMs: 0.1, superLinearMs: 0.0002, sigma: 0.1, kappa: 0.001 },
  'that hardly scales': { fixedMs: 20, perVectorMs: 0.2, superLinearMs: 0.001, sigma: 0.5, kappa: 0.03 },
};

const times20: Pick<Scenario, 'steps'> = {
  steps: [
    { atMs: FAULT_MS, fixed: 20, perVector: 20 },
    { atMs: FAULT_MS + 5000, fixed: 1 / 20, perVector: 1 / 20 },
  ],
};
const refused = (share: number, retryAfterMs?: number): Pick<Scenario, 'refusals'> => ({
  refusals: {
    ...{ fromMs: FAULT_MS, forMs: 3000, share },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  },
});
const FAULTS: readonly [string, number, Partial<Scenario>][] = [
  ['latency x 20', 5000, times20],
  ['10 % 503', 3000, refused(0.1)],
  ['10 % 429 with Retry-After', 3000, refused(0.1, 1000)],
  ['nothing but 503', 3000, refused(1)],
  ['nothing but 429 with Retry-After', 3000, refused(1, 1000)],
];

for (const [where, cost] of Object.entries(COSTS)) {
  it.each(FAULTS)(
    `a database ${where}: after %s four fifths of the rate are back within 30 batches`,
    (_, forMs, fault) => {
      const shares = SEEDS.map((seed) => recovery({ ...fault, cost }, FAULT_MS + forMs, seed));
      expect(Math.min(...shares)).toBeGreaterThan(RECOVERED);
    },
  );
}

it('goes back to what was best before a slowdown as soon as it has passed, without a new search', () => {
  for (const seed of SEEDS) {
    const policy = new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });
    const scenario = {
      sentence: '',
      dimension: 128,
      rows: 1e9,
      jitter: 0.1,
      cost: COSTS['far away'],
      ...times20,
    };
    const load = new SimulatedLoad(
      { ...scenario, limits: { maxRows: MAX_ROWS, tells: true } },
      policy,
      seed,
      {
        maxConcurrency: MAX_CONCURRENCY,
      },
    );
    while (load.nowMs < FAULT_MS) load.step();
    const { best } = policy;
    while (load.nowMs < FAULT_MS + 5000) load.step();
    while (!policy.setting.reason.startsWith('the slowdown has passed')) {
      expect(load.nowMs, `seed ${seed}`).toBeLessThan(FAULT_MS + 10_000);
      load.step();
    }
    expect(policy.setting, `seed ${seed}`).toMatchObject(best);
  }
});

/** The share of the rate before the fault that comes back soon after it. */
function recovery(part: Partial<Scenario> & Pick<Scenario, 'cost'>, endMs: number, seed: number): number {
  const acknowledgements: { ms: number; rows: number }[] = [];
  const scenario = { sentence: '', dimension: 128, rows: 1e9, jitter: 0.1, ...part };
  const limits = { maxRows: MAX_ROWS, tells: true };
  const policy = new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });
  const load = new SimulatedLoad({ ...scenario, limits }, policy, seed, {
    maxConcurrency: MAX_CONCURRENCY,
    onAcknowledged: (ms, rows) => acknowledgements.push({ ms, rows }),
  });
  const since = (ms: number) => acknowledgements.filter((one) => one.ms >= ms);
  const least = RECOVERY + WINDOW + 1;
  while (load.nowMs < endMs) load.step();
  for (let more = least; more > 0; more = least - since(endMs).length) {
    for (let i = 0; i < more; i++) load.step();
  }
  const before = acknowledgements.filter(({ ms }) => ms < FAULT_MS).slice(-least);
  return bestRate(since(endMs)) / bestRate(before);
}

const bestRate = (acknowledgements: readonly { ms: number; rows: number }[]): number =>
  Math.max(...Array.from({ length: RECOVERY }, (_, i) => rateOf(acknowledgements.slice(i, i + WINDOW + 1))));
