import { Random } from '../../src/core/random.js';
import { BootstrappedFit } from '../../src/model/bootstrap.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../../src/model/cost.js';
import type { LatencySample } from '../../src/model/fit.js';

const BATCHES = [8, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const CONCURRENCIES = [1, 2, 4, 8];
export const SETTINGS = BATCHES.flatMap((batchSize) =>
  CONCURRENCIES.map((concurrency) => ({ batchSize, concurrency })),
);
const NOISE = 0.15;
const ROUNDS = 2;

/** Databases from a microsecond to a third of a millisecond per vector, from fixed costs of none to 4,000 vectors. */
export function drawTruth(random: Random): CostModel {
  const perVectorMs = 10 ** (-3 + 2.5 * random.next());
  return {
    fixedMs: perVectorMs * 2 ** (2 + 10 * random.next()),
    perVectorMs,
    superLinearMs: random.next() < 0.5 ? 0 : 0.1 * perVectorMs * random.next(),
    sigma: random.next(),
    kappa: 0.1 * random.next() ** 2,
  };
}

/** Every setting measured twice, with 15 % noise. */
export function measure(truth: CostModel, random: Random): LatencySample[] {
  return Array.from({ length: ROUNDS }, () => SETTINGS)
    .flat()
    .map((setting) => ({
      ...setting,
      latencyMs: latencyMs(truth, setting) * Math.exp(NOISE * random.normal()),
    }));
}

/** Shares of random models whose optimum is found, and of settings whose rate lies in its interval. */
export function recovery(models: number, seed: number): { withinFivePercent: number; coverage: number } {
  const random = new Random(seed);
  let found = 0;
  let covered = 0;
  for (let i = 0; i < models; i++) {
    const truth = drawTruth(random);
    const samples = measure(truth, random);
    const fit = new BootstrappedFit(samples, random);
    const best = (model: CostModel) =>
      SETTINGS.reduce((a, b) => (vectorsPerSecond(model, b) > vectorsPerSecond(model, a) ? b : a));
    const share = vectorsPerSecond(truth, best(fit.model)) / vectorsPerSecond(truth, best(truth));
    if (share >= 0.95) found++;
    covered +=
      SETTINGS.filter((setting) => {
        const { low, high } = fit.rateInterval(setting);
        const rate = vectorsPerSecond(truth, setting);
        return rate >= low && rate <= high;
      }).length / SETTINGS.length;
  }
  return { withinFivePercent: found / models, coverage: covered / models };
}
