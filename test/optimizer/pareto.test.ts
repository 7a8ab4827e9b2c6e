import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';
import { Extremes } from '../../src/optimizer/pareto.js';
import { loadSweeps } from '../model/sweeps.js';
import { loads } from './loads.js';

const kernels = Kernels.load();
const model = new PerformanceModel();
model.train([...loadSweeps().values()].flat());
const cold = new OptimalBatchSizeCalculator({ kernels });
const taught = new OptimalBatchSizeCalculator({ kernels, model });

interface Point {
  readonly batchSize: number;
  readonly throughputVps: number;
  readonly p95LatencyMs: number;
  readonly memoryMb: number;
}

/** No worse in anything, and better in something by more than rounding. */
function dominates(a: Point, b: Point): boolean {
  const ratios = [
    a.throughputVps / b.throughputVps,
    b.p95LatencyMs / a.p95LatencyMs,
    b.memoryMb / a.memoryMb,
    a.batchSize / b.batchSize,
  ];
  return ratios.every((ratio) => ratio > 1 - 1e-9) && ratios.some((ratio) => ratio > 1 + 1e-9);
}

/** Of rates row by row, 0 for a setting that is not allowed. */
function extremesOf(
  batchSizes: readonly number[],
  concurrencies: readonly number[],
  rates: readonly number[],
) {
  const extremes = new Extremes(Math.max(...rates));
  for (const [i, batchSize] of batchSizes.entries()) {
    for (const [j, concurrency] of [...concurrencies.entries()].reverse()) {
      extremes.offer(batchSize, concurrency, rates[i * concurrencies.length + j]!);
    }
  }
  return extremes.found();
}

describe('the alternatives of a recommendation', () => {
  it.each([
    ['untaught', cold],
    ['taught by the sweeps', taught],
  ])('are beaten neither by each other nor by the choice, nor beat it (%s)', async (_, calculator) => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(loads, async (load) => {
        const answer = await calculator.calculateOptimalBatchSize(load);
        const chosen = { batchSize: answer.recommendedBatchSize, ...answer.predicted };
        const points = [chosen, ...answer.alternatives];
        count += answer.alternatives.length;
        for (const a of points) for (const b of points) expect(a !== b && dominates(a, b)).toBe(false);
        for (const { why } of answer.alternatives) expect(why).toMatch(/^the /);
        expect(answer.explanation).toContain(
          answer.alternatives[0]?.why ?? 'in rate, p95 latency, memory and number of requests at once',
        );
      }),
      { seed: 21, numRuns: 300 },
    );
    expect(count).toBeGreaterThan(300);
  });

  it('hold the fastest, the quickest, the leanest and the one with the fewest requests', () => {
    const batchSizes = [1, 64, 256, 1024, 8192];
    const concurrencies = [1, 4];
    const fastest = { batchSize: 1024, concurrency: 4, vectorsPerSecond: 1000 };
    const lean = { batchSize: 256, concurrency: 1, vectorsPerSecond: 800 };
    const large = { batchSize: 8192, concurrency: 1, vectorsPerSecond: 900 };
    const quick = { batchSize: 64, concurrency: 1, vectorsPerSecond: 500 };
    const points = [{ batchSize: 1, concurrency: 1, vectorsPerSecond: 10 }, quick, lean, fastest, large];
    const rates = batchSizes.flatMap((batchSize) =>
      concurrencies.map(
        (concurrency) =>
          points.find((point) => point.batchSize === batchSize && point.concurrency === concurrency)
            ?.vectorsPerSecond ?? 0,
      ),
    );
    expect(extremesOf(batchSizes, concurrencies, rates)).toEqual([
      { ...fastest, merits: ['rate'] },
      { ...quick, merits: ['latency'] },
      { ...lean, merits: ['memory'] },
      { ...large, merits: ['requests'] },
    ]);
  });
});

describe('the extremes of a front', () => {
  it('are beaten by no setting, and none with the rate it takes is better at what they are good for', () => {
    const batchSizes = [1, 2, 3, 4, 8, 16];
    const concurrencies = [1, 2, 3, 4, 8];
    const rate = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 6 }),
      fc.double({ min: 0.1, max: 6, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(rate, { minLength: 30, maxLength: 30 }), (rates) => {
        fc.pre(rates.some((value) => value > 0));
        const allowed = batchSizes
          .flatMap((batchSize, i) =>
            concurrencies.map((concurrency, j) => ({
              ...{ batchSize, concurrency, vectorsPerSecond: rates[5 * i + j]! },
            })),
          )
          .filter(({ vectorsPerSecond }) => vectorsPerSecond > 0);
        type Cell = (typeof allowed)[0];
        const inFlight = (s: Cell) => s.batchSize * s.concurrency;
        const latency = (s: Cell) => inFlight(s) / s.vectorsPerSecond;
        const highest = Math.max(...allowed.map((s) => s.vectorsPerSecond));
        const best = {
          rate: [1, (s: Cell) => -s.vectorsPerSecond],
          latency: [0.5, latency],
          memory: [0.75, inFlight],
          requests: [0.9, (s: Cell) => -s.batchSize],
        } as const;
        const extremes = extremesOf(batchSizes, concurrencies, rates);
        expect(extremes.flatMap(({ merits }) => merits).sort()).toEqual(Object.keys(best).sort());
        for (const { merits, ...setting } of extremes) {
          const beating = allowed.filter(
            (b) =>
              (b.batchSize !== setting.batchSize || b.concurrency !== setting.concurrency) &&
              b.vectorsPerSecond >= setting.vectorsPerSecond &&
              latency(b) <= latency(setting) &&
              inFlight(b) <= inFlight(setting) &&
              b.batchSize >= setting.batchSize,
          );
          expect(beating).toEqual([]);
          for (const merit of merits) {
            const [share, measure] = best[merit];
            const asFast = allowed.filter((s) => s.vectorsPerSecond >= share * highest);
            expect(measure(setting)).toBe(Math.min(...asFast.map(measure)));
          }
        }
      }),
      { seed: 22, numRuns: 1000 },
    );
  });
});
