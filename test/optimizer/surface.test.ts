import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OBJECTIVES } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { PROFILES } from '../../src/model/profiles.js';
import { batchSizeAxis, concurrencyAxis } from '../../src/optimizer/axes.js';
import {
  type BatchSizeRequest,
  OptimalBatchSizeCalculator,
} from '../../src/optimizer/batch-size-calculator.js';
import { machines } from './loads.js';

const calculator = new OptimalBatchSizeCalculator({ kernels: Kernels.load() });

const requests: fc.Arbitrary<BatchSizeRequest> = fc.record({
  itemCount: fc.integer({ min: 1, max: 10_000_000 }),
  vectorDimension: fc.integer({ min: 1, max: 2000 }),
  databaseType: fc.constantFrom(...PROFILES.map(({ name }) => name)),
  systemResources: machines,
  objective: fc.constantFrom(...OBJECTIVES),
});

describe('the cost surface', () => {
  it('has the recommendation as its smallest setting on the plateau, within every edge', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const answer = await calculator.calculateOptimalBatchSize(request);
        const chosen = answer.recommendedBatchSize * answer.recommendedConcurrency;
        const rows = (await calculator.costSurface(request, { batchSizes: [1], concurrencies: [1] })).limits
          .maxRows;
        const batchSizes = batchSizeAxis([rows, request.itemCount]);
        const concurrencies = concurrencyAxis();
        const surface = await calculator.costSurface(request, { batchSizes, concurrencies });
        const { edges, score, plateauScore } = surface;
        let best = 0;
        let smallest = Number.POSITIVE_INFINITY;
        for (const [i, b] of batchSizes.entries()) {
          for (const [j, c] of concurrencies.entries()) {
            const within =
              b <= Math.min(edges.rows, edges.requestBytes, edges.fastest.batchSize) &&
              c <= Math.min(edges.concurrency, edges.fastest.concurrency) &&
              b * c <= Math.min(edges.memory, edges.items);
            if (!within) continue;
            const at = score[i * concurrencies.length + j]!;
            best = Math.max(best, at);
            if (at >= plateauScore * (1 - 1e-12)) smallest = Math.min(smallest, b * c);
          }
        }
        expect(best).toBeCloseTo(1, 9);
        expect(smallest).toBe(chosen);
        if (answer.bindingConstraint === 'io') expect(surface.ceilingScore).toBeLessThan(1);
        else expect(surface.ceilingScore).toBe(Number.POSITIVE_INFINITY);
      }),
      { seed: 11, numRuns: 150 },
    );
  });

  it('is the same at a setting whatever the resolution', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const at = async (batchSizes: number[], concurrencies: number[]) =>
          (await calculator.costSurface(request, { batchSizes, concurrencies })).score;
        const coarse = await at([1, 64, 4096], [1, 8]);
        const fine = await at([1, 2.5, 64, 100, 4096], [1, 3, 8]);
        for (const [i, fineRow] of [0, 2, 4].entries()) {
          for (const [j, fineColumn] of [0, 2].entries()) {
            const expected = coarse[i * 2 + j]!;
            expect(fine[fineRow * 3 + fineColumn]! / expected).toBeCloseTo(1, 9);
          }
        }
      }),
      { seed: 12, numRuns: 60 },
    );
  });
});
