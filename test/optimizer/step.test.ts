import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepBatchSize } from '../../src/optimizer/step.js';

const step = (executionTimeMs: number, currentBatchSize: number, performanceThresholdMs = 1000) =>
  stepBatchSize({ executionTimeMs, currentBatchSize, performanceThresholdMs });

describe('stepBatchSize', () => {
  it('holds between 80 % and 100 % of the threshold', () => {
    for (const time of [800, 900, 1000])
      expect(step(time, 100)).toMatchObject({ batchSize: 100, action: 'hold' });
  });

  it('moves in proportion to the threshold, by half as much again or by half at most', () => {
    expect(step(700, 100)).toMatchObject({ batchSize: 128, action: 'increase' });
    expect(step(1500, 100)).toMatchObject({ batchSize: 60, action: 'decrease' });
    expect(step(1, 100)).toMatchObject({ batchSize: 150, action: 'increase' });
    expect(step(60_000, 100)).toMatchObject({ batchSize: 50, action: 'decrease' });
  });

  it('moves by one where a proportion would round to nothing, and stops at the ends', () => {
    expect(step(700, 1)).toMatchObject({ batchSize: 2, action: 'increase' });
    expect(step(1050, 2)).toMatchObject({ batchSize: 1, action: 'decrease' });
    expect(step(5000, 1)).toMatchObject({ batchSize: 1, action: 'hold' });
    expect(step(1, 1_048_576)).toMatchObject({ batchSize: 1_048_576, action: 'hold' });
  });

  it('brings an affine batch time into the band and stays there', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.double({ min: 0.01, max: 5, noNaN: true }),
        (start, fixedMs, perVectorMs) => {
          let batchSize = start;
          for (let i = 0; i < 40; i++)
            batchSize = step(fixedMs + perVectorMs * batchSize, batchSize).batchSize;
          const time = fixedMs + perVectorMs * batchSize;
          expect(time).toBeLessThanOrEqual(1000);
          expect(time).toBeGreaterThanOrEqual(800 - perVectorMs);
        },
      ),
      { seed: 31 },
    );
  });

  it.each([
    ['executionTimeMs', { executionTimeMs: -1, currentBatchSize: 1, performanceThresholdMs: 1 }],
    ['currentBatchSize', { executionTimeMs: 1, currentBatchSize: 0, performanceThresholdMs: 1 }],
    ['currentBatchSize', { executionTimeMs: 1, currentBatchSize: 2.5, performanceThresholdMs: 1 }],
    [
      'performanceThresholdMs',
      { executionTimeMs: 1, currentBatchSize: 1, performanceThresholdMs: Number.NaN },
    ],
    ['request', undefined as never],
  ])('refuses a bad %s by name', (name, bad) => {
    expect(() => stepBatchSize(bad)).toThrow(
      expect.objectContaining({
        code: 'VBO_ERR_ARGUMENT',
        details: expect.objectContaining({ argument: name }),
      }),
    );
  });
});
