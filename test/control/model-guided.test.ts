import { describe, expect, it } from 'vitest';
import { UNBOUNDED } from '../../src/control/bounds.js';
import { FixedPolicy } from '../../src/control/fixed.js';
import { initialSetting } from '../../src/control/initial.js';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { oracle } from '../../src/control/oracle.js';
import { parseScenario, type Scenario } from '../../src/control/scenario.js';
import { simulate } from '../../src/control/simulate.js';
import { sampleOf } from './support.js';

const scenario = (part: Partial<Scenario>): Scenario => ({
  ...{ sentence: '', dimension: 128, rows: 300_000 },
  cost: { fixedMs: 4, perVectorMs: 0.006, superLinearMs: 0.0002, sigma: 0.5, kappa: 0.03 },
  ...part,
});
const policy = () => new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });

describe('the model-guided policy', () => {
  it('decides the same for the same samples', () => {
    const noisy = scenario({ jitter: 0.4 });
    const runs = [1, 1, 2].map((seed) => simulate(noisy, policy(), seed).settings);
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
  });

  it('comes within 5 % of the best fixed setting where nothing is random', () => {
    const still = scenario({ rows: 1_000_000 });
    expect(simulate(still, policy(), 1).vectorsPerSecond).toBeGreaterThan(
      0.95 * oracle(still).vectorsPerSecond,
    );
  });

  it('beats 100 x 1 threefold, ramp included, where the fixed cost dominates', () => {
    const load = scenario({ rows: 100_000, jitter: 0.2 });
    const usual = simulate(load, new FixedPolicy({ batchSize: 100, concurrency: 1 }), 1).vectorsPerSecond;
    for (const seed of [1, 2, 3, 4, 5]) {
      expect(simulate(load, policy(), seed).vectorsPerSecond).toBeGreaterThan(3 * usual);
    }
  });

  it('discards the first batches, however slow they are', () => {
    const cold = scenario({ warmUp: { batches: 2, factor: 50 } });
    const warm = simulate(scenario({}), policy(), 1);
    expect(simulate(cold, policy(), 1).settings.at(-1)).toMatchObject({
      batchSize: warm.settings.at(-1)!.batchSize,
      concurrency: warm.settings.at(-1)!.concurrency,
    });
  });

  it('looks again ever more rarely at a steady database', () => {
    const { settings, totalMs } = simulate(scenario({ rows: 20_000_000, jitter: 0.2 }), policy(), 1);
    const inThe = (from: number, to: number) =>
      settings.filter(({ atMs }) => atMs >= from * totalMs && atMs < to * totalMs).length;
    expect(inThe(0, 0.25)).toBeGreaterThan(inThe(0.25, 1));
    expect(settings.length).toBeLessThan(120);
  });

  describe('whose requests in flight are cut by push-back', () => {
    /** Settled on some setting of several in flight. */
    const settled = () => {
      const one = policy();
      let nowMs = 0;
      const send = (batches: number) => {
        for (let i = 0; i < batches; i++) {
          const { batchSize, concurrency } = one.setting;
          const startMs = nowMs;
          nowMs += (4 + 0.05 * batchSize) / concurrency;
          const endMs = startMs + 4 + 0.05 * batchSize;
          one.observe(
            sampleOf({ batchSize, rows: batchSize, concurrency, inFlight: concurrency, startMs, endMs }),
          );
        }
      };
      one.limit({ ...UNBOUNDED, maxConcurrency: 8 });
      send(1000);
      const { batchSize, concurrency } = one.best;
      expect(concurrency).toBe(8);
      const hold = (maxConcurrency: number) => one.limit({ ...UNBOUNDED, maxConcurrency });
      return { one, best: { batchSize, concurrency }, hold, send };
    };

    it('keeps its batch size meanwhile, and goes on where it was', () => {
      const { one, best, hold, send } = settled();
      for (const level of [7, 4, 2, 1]) hold(level);
      expect(one.setting).toMatchObject({ ...best, concurrency: 1 });
      send(40);
      expect(one.setting).toMatchObject({ ...best, concurrency: 1 });
      hold(8);
      expect(one.best).toEqual(best);
    });

    it('for long finds out what is best with fewer, and returns to what it had once it may', () => {
      const { one, best, hold, send } = settled();
      hold(2);
      send(500);
      expect(one.best.concurrency).toBeLessThanOrEqual(2);
      expect(one.best.batchSize).toBeGreaterThanOrEqual(best.batchSize / 4);
      hold(8);
      expect(one.best).toEqual(best);
    });
  });

  it('gives up a probe that never comes about', () => {
    const stuck = policy();
    // A byte limit cuts every batch to half of what was asked for.
    for (let i = 0; i < 2000; i++) {
      const { batchSize, concurrency } = stuck.setting;
      stuck.observe(
        sampleOf({
          batchSize,
          rows: Math.ceil(batchSize / 2),
          concurrency,
          startMs: 10 * i,
          endMs: 10 * i + 10,
        }),
      );
    }
    expect(stuck.setting.reason).not.toMatch(/warming up|starting point/);
  });

  it('notices a database that has become slower, and searches again', () => {
    const stepped = scenario({
      rows: 3_000_000,
      jitter: 0.1,
      steps: [{ atMs: 8000, fixed: 30, perVector: 1 }],
    });
    const { settings } = simulate(stepped, policy(), 1);
    expect(settings.some(({ atMs }) => atMs > 8000 && atMs < 12_000)).toBe(true);
  });

  it('never sends more than is granted while it searches', () => {
    const limited = scenario({ limits: { maxRows: 300, tells: true }, pushBack: { inFlight: 3 } });
    const { settings, best } = simulate(limited, policy(), 3);
    expect(best.batchSize).toBeLessThanOrEqual(300);
    const learnt = settings.findIndex(({ batchSize }) => batchSize > 300);
    expect(settings.slice(learnt + 1).every(({ batchSize }) => batchSize <= 300)).toBe(true);
  });
});

describe('the starting point', () => {
  const prior = { fixedMs: 4, perVectorMs: 0.006, superLinearMs: 0, sigma: 0.3, kappa: 0.05 };

  it('is what a measured prior holds best, within the envelope', () => {
    expect(initialSetting(prior, UNBOUNDED)).toEqual({ batchSize: 16_384, concurrency: 4 });
    expect(initialSetting(prior, { ...UNBOUNDED, maxBatchSize: 166, maxConcurrency: 1 })).toEqual({
      batchSize: 166,
      concurrency: 1,
    });
  });

  it('is a quarter of the batch and half of the requests in flight that advice holds best', () => {
    expect(initialSetting(prior, UNBOUNDED, 'advised')).toEqual({ batchSize: 4096, concurrency: 2 });
  });

  it('is small where nothing is known', () => {
    expect(initialSetting(undefined, UNBOUNDED)).toEqual({ batchSize: 128, concurrency: 1 });
  });
});

describe('a scenario file', () => {
  it('that is not one is refused with its name and the field', () => {
    expect(() => parseScenario('{', 'a.json')).toThrow(/a\.json: the file is not JSON/);
    expect(() => parseScenario('{"sentence":"x","dimension":0}', 'a.json')).toThrow(/"dimension" is 0/);
    expect(() =>
      parseScenario('{"sentence":"x","dimension":1,"rows":5,"cost":{"fixedMs":-1}}', 'a.json'),
    ).toThrow(expect.objectContaining({ code: 'VBO_ERR_SCENARIO' }));
  });
});
