import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../../src/model/cost.js';
import { fitCostModel, type LatencySample } from '../../src/model/fit.js';

const BATCHES = [8, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const CONCURRENCIES = [1, 2, 4, 8];

/** Every setting of the grid, measured `rounds` times with log-normal noise. */
function measure(truth: CostModel, deviation: number, rounds: number, seed: number): LatencySample[] {
  const random = new Random(seed);
  const samples: LatencySample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const batchSize of BATCHES) {
      for (const concurrency of CONCURRENCIES) {
        const noise = Math.exp(deviation * random.normal());
        samples.push({
          batchSize,
          concurrency,
          latencyMs: noise * latencyMs(truth, { batchSize, concurrency }),
        });
      }
    }
  }
  return samples;
}

/** The largest relative error of the rate over the grid. */
function worstError(fitted: CostModel, truth: CostModel): number {
  let worst = 0;
  for (const batchSize of BATCHES) {
    for (const concurrency of CONCURRENCIES) {
      const setting = { batchSize, concurrency };
      worst = Math.max(
        worst,
        Math.abs(vectorsPerSecond(fitted, setting) / vectorsPerSecond(truth, setting) - 1),
      );
    }
  }
  return worst;
}

const anyTruth = fc.record({
  fixedMs: fc.double({ min: 0.2, max: 30, noNaN: true }),
  perVectorMs: fc.double({ min: 0.002, max: 0.3, noNaN: true }),
  superLinearMs: fc.double({ min: 0, max: 0.002, noNaN: true }),
  sigma: fc.double({ min: 0, max: 1, noNaN: true }),
  kappa: fc.double({ min: 0, max: 0.2, noNaN: true }),
});

const seeded = { seed: 20_260_731, numRuns: 60 };

describe('fitCostModel', () => {
  it('recovers the surface from exact measurements', () => {
    fc.assert(
      fc.property(anyTruth, (truth) => {
        expect(worstError(fitCostModel(measure(truth, 0, 3, 1)), truth)).toBeLessThan(0.05);
      }),
      seeded,
    );
  });

  it('recovers the surface from measurements that scatter by 20 %', () => {
    fc.assert(
      fc.property(anyTruth, fc.integer({ min: 1, max: 1e6 }), (truth, seed) => {
        expect(worstError(fitCostModel(measure(truth, 0.2, 5, seed)), truth)).toBeLessThan(0.3);
      }),
      seeded,
    );
  });

  it('recovers the parameters themselves where the terms can be told apart', () => {
    const truth = { fixedMs: 5, perVectorMs: 0.05, superLinearMs: 0, sigma: 0.4, kappa: 0.03 };
    const fitted = fitCostModel(measure(truth, 0.1, 8, 7));
    expect(Math.abs(fitted.fixedMs / truth.fixedMs - 1)).toBeLessThan(0.1);
    expect(Math.abs(fitted.perVectorMs / truth.perVectorMs - 1)).toBeLessThan(0.15);
    expect(Math.abs(fitted.sigma - truth.sigma)).toBeLessThan(0.12);
    expect(Math.abs(fitted.kappa - truth.kappa)).toBeLessThan(0.02);
  });

  it('is not bent by a tenth of the samples stalling for twenty times as long', () => {
    const truth = { fixedMs: 5, perVectorMs: 0.02, superLinearMs: 0.0005, sigma: 0.4, kappa: 0.03 };
    const samples = measure(truth, 0.05, 4, 3).map((sample, i) =>
      i % 10 === 0 ? { ...sample, latencyMs: 20 * sample.latencyMs } : sample,
    );
    expect(worstError(fitCostModel(samples), truth)).toBeLessThan(0.12);
  });

  it('returns the prior without samples, and near it with few', () => {
    const prior = { fixedMs: 5, perVectorMs: 0.02, superLinearMs: 0.0005, sigma: 0.4, kappa: 0.03 };
    expect(fitCostModel([], prior)).toBe(prior);
    const one = fitCostModel(
      [{ batchSize: 256, concurrency: 1, latencyMs: latencyMs(prior, { batchSize: 256, concurrency: 1 }) }],
      prior,
    );
    expect(worstError(one, prior)).toBeLessThan(0.02);
  });

  it('takes the level from a single sample and the shape from the prior', () => {
    const prior = { fixedMs: 5, perVectorMs: 0.02, superLinearMs: 0.0005, sigma: 0.4, kappa: 0.03 };
    const setting = { batchSize: 256, concurrency: 1 };
    const slower = fitCostModel([{ ...setting, latencyMs: 10 * latencyMs(prior, setting) }], prior);
    for (const other of [
      { batchSize: 16, concurrency: 1 },
      { batchSize: 2048, concurrency: 4 },
    ]) {
      const ratio = latencyMs(slower, other) / latencyMs(prior, other);
      expect(ratio).toBeGreaterThan(5);
      expect(ratio).toBeLessThan(11);
    }
  });

  it('lets measurements overrule a wrong prior as they accumulate', () => {
    const truth = { fixedMs: 20, perVectorMs: 0.01, superLinearMs: 0, sigma: 0.1, kappa: 0.01 };
    const prior = { fixedMs: 0.5, perVectorMs: 0.2, superLinearMs: 0, sigma: 1, kappa: 0.1 };
    const few = worstError(fitCostModel(measure(truth, 0.05, 1, 5).slice(0, 3), prior), truth);
    const many = worstError(fitCostModel(measure(truth, 0.05, 6, 5), prior), truth);
    expect(many).toBeLessThan(few);
    expect(many).toBeLessThan(0.1);
  });

  it('never returns a negative, infinite or all-zero model, whatever the samples', () => {
    const anySample = fc.record({
      batchSize: fc.integer({ min: 1, max: 65_536 }),
      concurrency: fc.integer({ min: 1, max: 64 }),
      latencyMs: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(anySample, { minLength: 1, maxLength: 40 }), (samples) => {
        const model = fitCostModel(samples);
        for (const value of Object.values(model)) expect(value >= 0 && Number.isFinite(value)).toBe(true);
        expect(model.sigma).toBeLessThanOrEqual(1);
        expect(latencyMs(model, { batchSize: 1, concurrency: 1 })).toBeGreaterThan(0);
      }),
      { ...seeded, numRuns: 300 },
    );
  });

  it('gives the same model for the same samples', () => {
    const truth = { fixedMs: 5, perVectorMs: 0.02, superLinearMs: 0.0005, sigma: 0.4, kappa: 0.03 };
    expect(fitCostModel(measure(truth, 0.3, 2, 9))).toEqual(fitCostModel(measure(truth, 0.3, 2, 9)));
  });

  it('weighs a sample of weight 3 as three samples', () => {
    const truth = { fixedMs: 5, perVectorMs: 0.02, superLinearMs: 0, sigma: 0.4, kappa: 0.03 };
    const samples = measure(truth, 0.2, 1, 11);
    const tripled = samples.flatMap((s, i) => (i % 2 ? [s, s, s] : [s]));
    const weighted = samples.map((s, i) => (i % 2 ? { ...s, weight: 3 } : s));
    const [a, b] = [fitCostModel(tripled), fitCostModel(weighted)];
    for (const key of Object.keys(a) as (keyof CostModel)[]) expect(b[key]).toBeCloseTo(a[key], 6);
  });
});
