import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdaptiveController } from '../../src/control/adaptive-controller.js';
import { FixedPolicy } from '../../src/control/fixed.js';
import { Guard } from '../../src/control/guard.js';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { oracle } from '../../src/control/oracle.js';
import { agentPolicy, createPolicy, POLICY_NAMES } from '../../src/control/policies.js';
import type { Policy } from '../../src/control/policy.js';
import { randomScenario } from '../../src/control/random-scenario.js';
import type { Scenario } from '../../src/control/scenario.js';
import { simulate } from '../../src/control/simulate.js';
import { Watchdog } from '../../src/control/watchdog.js';
import { Random } from '../../src/core/random.js';
import { RandomWalk, sampleOf } from './support.js';

const initial = { batchSize: 128, concurrency: 1 };
const LOAD: Scenario = {
  ...{ sentence: '', dimension: 128, rows: 2_000_000, jitter: 0.2 },
  cost: { fixedMs: 4, perVectorMs: 0.01, superLinearMs: 0, sigma: 0.4, kappa: 0.03 },
};
const POLICIES: [string, () => Policy][] = [
  ...POLICY_NAMES.map((name): [string, () => Policy] => [name, () => createPolicy(name, { initial })]),
  ['dqn, unwatched', () => agentPolicy({ initial })],
];

describe('whatever the policy', () => {
  const event = fc.record({
    outcome: fc.constantFrom('ok', 'ok', 'ok', 'shrink', 'backOff', 'timeOut', 'retry', 'permanent' as const),
    ms: fc.integer({ min: 1, max: 5000 }),
    maxRows: fc.option(fc.integer({ min: 1, max: 3000 })),
  });
  for (const [name, create] of POLICIES) {
    it(`${name}: nothing outside the guard’s envelope is granted`, () => {
      fc.assert(
        fc.property(fc.array(event, { minLength: 20, maxLength: 300 }), (events) => {
          const guard = new Guard(create(), {
            ...{ maxBatchSize: 3000, maxConcurrency: 12, maxBatchBytes: 1_000_000, bytesPerRow: 512 },
            ...{ memoryBytes: 8e6, memoryBytesPerRow: 1024 },
          });
          let named = 3000;
          let nowMs = 0;
          for (const { outcome, ms, maxRows } of events) {
            const { batchSize, concurrency, reason } = guard.setting;
            expect(Number.isInteger(batchSize) && Number.isInteger(concurrency)).toBe(true);
            expect(Math.min(batchSize, concurrency)).toBeGreaterThanOrEqual(1);
            expect(batchSize).toBeLessThanOrEqual(Math.min(named, 1_000_000 / 512));
            expect(concurrency).toBeLessThanOrEqual(12);
            expect(batchSize * concurrency * 1024).toBeLessThanOrEqual(8e6);
            expect(reason).not.toBe('');
            if (outcome === 'shrink' && maxRows) named = Math.min(named, maxRows);
            guard.observe(
              sampleOf({
                ...{ batchSize, rows: batchSize, bytes: batchSize * 512, concurrency, outcome },
                ...{ inFlight: concurrency, startMs: nowMs, endMs: nowMs + ms },
                ...(maxRows ? { limits: { maxRows } } : {}),
              }),
            );
            nowMs += ms;
          }
        }),
        { seed: 11, numRuns: 40 },
      );
    });

    it(`${name}: the same samples give the same decisions`, () => {
      const short = { ...LOAD, rows: 100_000 };
      expect(simulate(short, create(), 3).settings).toEqual(simulate(short, create(), 3).settings);
    });
  }
});

describe('the classical policies', () => {
  const rateOf = (policy: Policy) => simulate(LOAD, policy, 1).vectorsPerSecond;
  const usual = rateOf(new FixedPolicy({ batchSize: 64, concurrency: 1 }));

  it('AIMD and gradient leave 64 x 1 far behind', () => {
    expect(rateOf(createPolicy('aimd', { initial }))).toBeGreaterThan(2 * usual);
    expect(rateOf(createPolicy('gradient', { initial }))).toBeGreaterThan(3 * usual);
  });

  it('AIMD gives way when the sink pushes back', () => {
    const policy = createPolicy('aimd', { initial: { batchSize: 100, concurrency: 20 } });
    policy.observe(sampleOf({ batchSize: 100, concurrency: 20, outcome: 'backOff' }));
    expect(policy.setting).toMatchObject({ batchSize: 100, concurrency: 18 });
  });

  it('the gradient does not mistake a larger batch for congestion', () => {
    const policy = createPolicy('gradient', { initial: { batchSize: 64, concurrency: 4 } });
    let nowMs = 0;
    const permits: number[] = [];
    for (let k = 0; k < 400; k++) {
      const { batchSize, concurrency } = policy.setting;
      permits.push(concurrency);
      // Time of a request follows its size alone: nothing in flight disturbs anything.
      const tookMs = 2 + 0.1 * batchSize;
      policy.observe(
        sampleOf({
          batchSize,
          rows: batchSize,
          concurrency,
          inFlight: concurrency,
          startMs: nowMs,
          endMs: nowMs + tookMs,
        }),
      );
      nowMs += tookMs / concurrency;
    }
    expect(policy.setting.batchSize).toBeGreaterThan(64);
    expect(permits).toEqual([...permits].sort((a, b) => a - b));
  });
});

describe('the watchdog', () => {
  const reference = () => new ModelGuidedPolicy({ initial });
  const rateOf = (policy: Policy) => simulate(LOAD, policy, 1).vectorsPerSecond;
  const terrible = () => new FixedPolicy({ batchSize: 16, concurrency: 1 });
  const flooding = () => new FixedPolicy({ batchSize: 65_536, concurrency: 64 });

  it('lets a policy that is bad, or that floods, cost about a twentieth', () => {
    const good = rateOf(reference());
    expect(rateOf(terrible())).toBeLessThan(0.1 * good);
    expect(rateOf(flooding())).toBeLessThan(0.5 * good);
    expect(rateOf(new Watchdog(terrible(), reference()))).toBeGreaterThan(0.88 * good);
    expect(rateOf(new Watchdog(flooding(), reference()))).toBeGreaterThan(0.88 * good);
  });

  it('leaves a policy that is as good as the reference in charge', () => {
    const { batchSize, concurrency } = simulate(LOAD, reference(), 1).best;
    const good = new FixedPolicy({ batchSize: batchSize + 7, concurrency });
    const long = { ...LOAD, rows: 10_000_000 };
    const { settings, totalMs } = simulate(long, new Watchdog(good, reference()), 1);
    const ownMs = settings.reduce((sum, { reason, atMs }, k) => {
      const untilMs = settings[k + 1]?.atMs ?? totalMs;
      return reason === 'fixed by the caller' ? sum + untilMs - atMs : sum;
    }, 0);
    expect(ownMs).toBeGreaterThan(0.4 * totalMs);
  });

  // Batches that are pushed back hold their permits while they wait; these loads once fell to 0.02 of the oracle.
  for (const seed of [6, 15]) {
    it(`charges the waiting for a sink that takes one request at a time (random load ${seed})`, () => {
      const scenario = randomScenario(new Random(seed));
      expect(scenario.pushBack!.inFlight).toBe(1);
      const best = oracle(scenario).vectorsPerSecond;
      const watched = [new RandomWalk(initial, 1), flooding(), agentPolicy({ initial })];
      for (const policy of watched) {
        const { vectorsPerSecond } = simulate(scenario, new Watchdog(policy, reference()), 1);
        expect(vectorsPerSecond / best, policy.name).toBeGreaterThan(0.8);
      }
    });
  }

  it('charges nobody for a source that has nothing to send', () => {
    const watchdog = new Watchdog(new FixedPolicy({ batchSize: 200, concurrency: 1 }), reference());
    watchdog.limit({ maxBatchSize: 1000, maxConcurrency: 1, maxRowsInFlight: 1000 });
    const owners: boolean[] = [];
    let nowMs = 0;
    for (let k = 0; k < 3000; k++) {
      const { batchSize, concurrency, reason } = watchdog.setting;
      owners.push(reason === 'fixed by the caller');
      const endMs = nowMs + 0.1 * batchSize;
      watchdog.observe(sampleOf({ batchSize, concurrency, startMs: nowMs, endMs }));
      nowMs = endMs + 100;
    }
    expect(owners.slice(1000).filter(Boolean).length).toBeGreaterThan(1800);
  });
});

describe('an adaptive controller', () => {
  it('finds a better setting from reports of attempts alone', () => {
    const controller = new AdaptiveController({ maxBatchSize: 4000 });
    expect(controller.setting).toMatchObject({ batchSize: 128, concurrency: 1 });
    let nowMs = 0;
    for (let k = 0; k < 500; k++) {
      const { batchSize, concurrency } = controller.setting;
      const tookMs = (20 + 0.01 * batchSize) * (1 + 0.9 * (concurrency - 1));
      controller.observe({ rows: batchSize, startMs: nowMs, endMs: nowMs + tookMs });
      nowMs += tookMs / concurrency;
    }
    expect(controller.best.batchSize).toBeGreaterThan(1000);
    expect(controller.best.batchSize).toBeLessThanOrEqual(4000);
    expect(controller.model!.fixedMs).toBeGreaterThan(5);
  });

  it('keeps to a limit that a refusal named', () => {
    const controller = new AdaptiveController({
      policy: 'fixed',
      initial: { batchSize: 1000, concurrency: 2 },
    });
    const { batchSize } = controller.observe({
      ...{ rows: 1000, startMs: 0, endMs: 1, outcome: 'shrink' },
      limits: { maxRows: 166 },
    });
    expect(batchSize).toBe(166);
  });

  it('refuses what cannot be', () => {
    const code = expect.objectContaining({ code: 'VBO_ERR_ARGUMENT' });
    expect(() => new AdaptiveController({ policy: 'magic' as never })).toThrow(code);
    expect(() => new AdaptiveController({ maxConcurrency: 0 })).toThrow(code);
    expect(() => new AdaptiveController().observe({ rows: 10, startMs: 5, endMs: 4 })).toThrow(code);
  });
});
