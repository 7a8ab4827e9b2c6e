import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PerformanceModel } from '../../src/model/performance.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';
import { decimalText } from '../../src/server/decimals.js';
import { sizeAnswer, sizeAnswerText } from '../../src/server/size-answer.js';
import { loadSweeps } from '../model/sweeps.js';
import { loads } from '../optimizer/loads.js';
import { closeTo } from './support.js';

const model = new PerformanceModel();
model.train([...loadSweeps().values()].flat());

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
  it('has thousandths, below one millionths, and the digits of V8 where it is very small or large', () => {
    const numbers = {
      '3652.799': 3652.7990181276,
      '48.500': 48.5,
      '7': 7.00000049,
      '0.250000': 0.25,
      '0.001235': 0.0012345678912,
      '1000': 999.9999999,
      '1000000': 999_999.9999,
      '0.999999': 0.9999994,
      '0.9999996': 0.9999996,
      '12': 12,
      '2500000.125': 2_500_000.125,
      '0.00001234567': 0.00001234567,
      '0': 0,
    };
    expect(Object.values(numbers).map(decimalText)).toEqual(Object.keys(numbers));
  });

  it('is JSON of that number to half a thousandth', () => {
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
        expect(Math.abs(read - value)).toBeLessThanOrEqual(5.0001e-4 * Math.abs(value));
        if (Number.isInteger(value)) expect(read).toBe(value);
      }),
      { seed: 32, numRuns: 20_000 },
    );
  });
});
