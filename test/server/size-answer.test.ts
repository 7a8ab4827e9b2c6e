import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OBJECTIVES } from '../../src/core/types.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { PROFILES } from '../../src/model/profiles.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';
import { decimalText } from '../../src/server/decimals.js';
import { sizeAnswer, sizeAnswerText } from '../../src/server/size-answer.js';
import { loadSweeps } from '../model/sweeps.js';
import { closeTo } from './support.js';

const model = new PerformanceModel();
model.train([...loadSweeps().values()].flat());

const loads = fc.record({
  itemCount: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 1e8 })),
  vectorDimension: fc.oneof(fc.constantFrom(128, 768), fc.integer({ min: 1, max: 4096 })),
  databaseType: fc.constantFrom(...PROFILES.map(({ name }) => name)),
  systemResources: fc.record({
    availableMemoryMb: fc.integer({ min: 100, max: 64_000 }),
    cpuCores: fc.integer({ min: 1, max: 64 }),
    ioBandwidthMbps: fc.integer({ min: 1, max: 10_000 }),
  }),
  objective: fc.constantFrom(...OBJECTIVES),
});

describe('the JSON of a recommendation', () => {
  it.each([
    ['untaught', new OptimalBatchSizeCalculator({})],
    ['taught by the sweeps', new OptimalBatchSizeCalculator({ model })],
  ])('says all of it, and nothing else (%s)', (_, calculator) => {
    fc.assert(
      fc.property(loads, (load) => {
        const answer = sizeAnswer(calculator.recommend(load));
        expect(JSON.parse(sizeAnswerText(answer))).toEqual(closeTo(answer));
      }),
      { seed: 33, numRuns: 1000 },
    );
  });
});

describe('the text of a number', () => {
  it('has seven digits at least, and those of V8 where it is very small or large', () => {
    const numbers = [
      3652.7990181276, 48.5, 7.00000049, 0.25, 0.0012345678912, 999.9999999, 12, 1000, 2.5e6, 1e-7, 0,
    ];
    expect(numbers.map(decimalText)).toEqual([
      ...['3652.799', '48.500000', '7.000000', '0.250000000', '0.001234568', '1000.000000'],
      ...['12', '1000', '2500000', '1e-7', '0'],
    ]);
  });

  it('is JSON of that number to half a millionth', () => {
    const number = fc.oneof(
      fc.double({ min: 0, max: 2, noNaN: true }),
      fc.double({ min: 0, max: 2000, noNaN: true }),
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
      fc.integer({ min: 0, max: 2e6 }),
      fc
        .tuple(fc.integer({ min: -7, max: 7 }), fc.integer({ min: -3, max: 3 }))
        .map(([power, ulps]) => 10 ** power * (1 + ulps * Number.EPSILON)),
    );
    fc.assert(
      fc.property(number, (value) => {
        const read: number = JSON.parse(decimalText(value));
        expect(Math.abs(read - value)).toBeLessThanOrEqual(5.0001e-7 * Math.abs(value));
        if (Number.isInteger(value)) expect(read).toBe(value);
      }),
      { seed: 32, numRuns: 20_000 },
    );
  });
});
