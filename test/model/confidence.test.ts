import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confidenceOf, rateInterval } from '../../src/model/confidence.js';

const records = (count: number, settings: number, medianAbsoluteRelativeError = 0.15) => ({
  count,
  settings,
  medianAbsoluteRelativeError,
});

describe('confidenceOf', () => {
  it('stays low where nothing was measured', () => {
    expect(confidenceOf({ basis: 'vendor advice', dimensionDistance: 0 }).confidence).toBeLessThanOrEqual(
      0.3,
    );
    const measured = confidenceOf({ basis: 'measured sweep', dimensionDistance: 0 }).confidence;
    expect(measured).toBeGreaterThanOrEqual(0.4);
    expect(measured).toBeLessThanOrEqual(0.5);
    expect(confidenceOf({ basis: 'assumption', dimensionDistance: 0 }).confidence).toBeLessThanOrEqual(0.1);
  });

  it('grows with the number and the spread of the records, and with the goodness and nearness of the fit', () => {
    const ask = (dimensionDistance: number, ...args: Parameters<typeof records>) =>
      confidenceOf({ basis: 'vendor advice', dimensionDistance, records: records(...args) }).confidence;
    expect(ask(0, 12, 4)).toBeGreaterThan(ask(0, 4, 4));
    expect(ask(0, 12, 12)).toBeGreaterThan(ask(0, 12, 2));
    expect(ask(0, 12, 4, 0.05)).toBeGreaterThan(ask(0, 12, 4, 0.5));
    expect(ask(0, 12, 4)).toBeGreaterThan(ask(3, 12, 4));
  });

  it('never falls below the prior nor reaches certainty', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('measured sweep' as const, 'vendor advice' as const, 'assumption' as const),
        fc.double({ min: 0, max: 16, noNaN: true }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 200 }),
        fc.double({ min: 0, max: 3, noNaN: true }),
        (basis, dimensionDistance, repeats, settings, error) => {
          const prior = confidenceOf({ basis, dimensionDistance });
          const learnt = confidenceOf({
            basis,
            dimensionDistance,
            records: records(repeats * settings, settings, error),
          });
          expect(learnt.confidence).toBeGreaterThanOrEqual(prior.confidence);
          expect(learnt.confidence).toBeLessThan(0.95);
          expect(learnt.logDeviation).toBeGreaterThan(0.2);
        },
      ),
      { seed: 4 },
    );
  });
});

describe('rateInterval', () => {
  it('holds the rate in its geometric middle', () => {
    const { low, high } = rateInterval(1000, 0.5);
    expect(Math.sqrt(low * high)).toBeCloseTo(1000, 6);
    expect(high / 1000).toBeCloseTo(Math.exp(0.6408), 6);
  });
});
