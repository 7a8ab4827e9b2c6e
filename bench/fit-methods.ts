/**
 * The cost model's own fit against `ml-levenberg-marquardt`, on records of known models with noise and stalls:
 *
 *     npx tsx bench/fit-methods.ts [MODELS]
 */
import { levenbergMarquardt } from 'ml-levenberg-marquardt';
import { Random } from '../src/core/random.js';
import { median } from '../src/core/statistics.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../src/model/cost.js';
import { fitCostModel, type LatencySample } from '../src/model/fit.js';
import { drawTruth, measure, SETTINGS } from '../test/model/recovery.js';

const STALLS = 20;
const STALL = 10;

/** All five unknowns as logarithms, so that none is negative; least squares of log(latency). */
function byLevenbergMarquardt(samples: readonly LatencySample[]): CostModel {
  const modelOf = (p: readonly number[]): CostModel => {
    const [fixedMs, perVectorMs, superLinearMs, sigma, kappa] = p.map((value) => Math.exp(value));
    return {
      fixedMs: fixedMs!,
      perVectorMs: perVectorMs!,
      superLinearMs: superLinearMs!,
      sigma: sigma!,
      kappa: kappa!,
    };
  };
  const logs = samples.map((sample) => Math.log(sample.latencyMs));
  const smallest = Math.min(...samples.map((sample) => sample.latencyMs));
  const perVector = Math.min(...samples.map((sample) => sample.latencyMs / sample.batchSize));
  const fit = levenbergMarquardt(
    { x: samples.map((_, i) => i), y: logs },
    (p) => (i) => Math.log(latencyMs(modelOf(p), samples[i]!)),
    {
      initialValues: [smallest, perVector, perVector / 100, 0.3, 0.02].map(Math.log),
      ...{ damping: 1e-2, gradientDifference: 1e-4, maxIterations: 100, errorTolerance: 1e-8 },
    },
  );
  return modelOf(fit.parameterValues);
}

const random = new Random(11);
const methods = { 'fit.ts': fitCostModel, 'ml-levenberg-marquardt': byLevenbergMarquardt };
const results = Object.fromEntries(
  Object.keys(methods).map((name) => [name, { found: 0, errors: [] as number[], ms: [] as number[] }]),
);
const models = Number(process.argv[2] ?? 200);
for (let i = 0; i < models; i++) {
  const truth = drawTruth(random);
  const samples = measure(truth, random).map((sample) =>
    random.integer(STALLS) === 0 ? { ...sample, latencyMs: STALL * sample.latencyMs } : sample,
  );
  for (const [name, method] of Object.entries(methods)) {
    const result = results[name]!;
    const start = performance.now();
    const model = method(samples);
    result.ms.push(performance.now() - start);
    const rate = (of: CostModel, at: (typeof SETTINGS)[number]) => vectorsPerSecond(of, at);
    const best = (of: CostModel) => SETTINGS.reduce((a, b) => (rate(of, b) > rate(of, a) ? b : a));
    if (rate(truth, best(model)) >= 0.95 * rate(truth, best(truth))) result.found++;
    result.errors.push(median(SETTINGS.map((at) => Math.abs(rate(model, at) / rate(truth, at) - 1))));
  }
}
for (const [name, { found, errors, ms }] of Object.entries(results)) {
  process.stdout.write(
    `${name.padEnd(24)} optimum within 5 %: ${(found / models).toFixed(3)}  median error of a rate: ${median(errors).toFixed(3)}  ms: ${median(ms).toFixed(2)}\n`,
  );
}
