import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MLBatchSizePredictor } from '../../src/model/batch-size-predictor.js';
import { learnedContender, measuredPairOf } from '../../src/model/contenders.js';
import { evaluate, scoreOf, scorePair } from '../../src/model/evaluation.js';
import { settingAt } from '../../src/model/lattice.js';
import { allowedNodes, Recommender } from '../../src/model/recommender.js';
import { loadSweeps, shareOfBest } from './sweeps.js';

const sweeps = loadSweeps();
const pairs = [...sweeps].map(([name, records]) => scorePair(name, records)!);
const subject = { database: 'unheard of', dimension: 256, isSingleWriter: false };
const anywhere = { maxBatchSize: 16_384, maxConcurrency: 8, maxInFlight: Infinity };

/** The recommender's score on each pair, taught by the others. */
const leaveOneOut = (options: { probes: number; draws: number; seed: number }) =>
  scoreOf(
    evaluate(
      pairs,
      (pair) =>
        learnedContender(
          pairs.filter((other) => other !== pair),
          options.seed,
        ),
      options,
    ),
  );

describe('the recommender', () => {
  it('names good settings for databases it has never seen, before a single measurement', () => {
    const score = leaveOneOut({ probes: 0, draws: 1, seed: 1 });
    expect(score.accuracy10).toBeGreaterThanOrEqual(0.55);
    expect(score.medianShareOfBest).toBeGreaterThanOrEqual(0.89);
    expect(score.worstShareOfBest).toBeGreaterThanOrEqual(0.6);
    expect(score.failing).toBe(0);
  });

  it('names better ones after six measurements', { timeout: 180_000 }, () => {
    const score = leaveOneOut({ probes: 6, draws: 20, seed: 1 });
    expect(score.accuracy10).toBeGreaterThanOrEqual(0.85);
    expect(score.medianShareOfBest).toBeGreaterThanOrEqual(0.97);
    expect(score.worstShareOfBest).toBeGreaterThanOrEqual(0.75);
    expect(score.failing).toBe(0);
  });

  it('finds the region of any database whose records are exact, in twelve measurements', () => {
    const recommender = new Recommender([]);
    for (const [half, sigma] of [
      [16, 1],
      [256, 0.6],
      [4096, 0.45],
    ] as const) {
      const rate = (b: number, c: number) =>
        (1000 * b * c) / ((half + b * (1 + b / 40_000)) * (1 + sigma * (c - 1) + 0.01 * c * (c - 1)));
      const survey = recommender.survey(subject, anywhere);
      for (let i = 0; i < 12; i++) {
        const at = survey.next();
        survey.add(at, rate(at.batchSize, at.concurrency), 0.01);
      }
      const { batchSize, concurrency } = survey.best();
      const best = Math.max(
        ...allowedNodes(anywhere).map((node) => rate(settingAt(node).batchSize, settingAt(node).concurrency)),
      );
      expect(rate(batchSize, concurrency) / best, `half ${half}`).toBeGreaterThan(0.9);
    }
  });

  it('names nothing beyond its limits, nor anything as large as what failed', () => {
    const recommender = new Recommender([]);
    const prior = recommender.prior(subject);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 100_000 }),
        (maxBatchSize, maxConcurrency, maxInFlight) => {
          const survey = recommender.survey(subject, { maxBatchSize, maxConcurrency, maxInFlight }, prior);
          for (const { batchSize, concurrency } of [survey.next(), survey.best()]) {
            expect(batchSize).toBeLessThanOrEqual(maxBatchSize);
            expect(concurrency).toBeLessThanOrEqual(maxConcurrency);
            expect(batchSize * concurrency).toBeLessThanOrEqual(maxInFlight);
          }
          survey.exclude({ batchSize: 64, concurrency: 1 });
          if (maxBatchSize >= 32) expect(survey.best().batchSize).toBeLessThan(64);
        },
      ),
      { seed: 8, numRuns: 10 },
    );
  });

  it('says the same twice, and something else after what was measured speaks against it', () => {
    const build = () => new Recommender(pairs.slice(0, 2).map(measuredPairOf)).survey(subject, anywhere);
    const [one, two] = [build(), build()];
    expect(one.best()).toEqual(two.best());
    const first = one.best();
    for (let i = 0; i < 5; i++) one.add(first, 10);
    for (let i = 0; i < 5; i++) one.add({ batchSize: 64, concurrency: 1 }, 1000);
    expect(one.best()).not.toEqual(first);
  });

  it('with all of a pair measured, names one of its best cells', () => {
    for (const [name, records] of sweeps) {
      const { database_type: databaseType, vector_dimension: vectorDimension } = records[0]!;
      const itemCount = Math.max(...records.map((record) => record.item_count!));
      const setting = new MLBatchSizePredictor(records).predict({ databaseType, vectorDimension, itemCount });
      expect(shareOfBest(records, setting), name).toBeGreaterThan(0.85);
    }
  });
});
