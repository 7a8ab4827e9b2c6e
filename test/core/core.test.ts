import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toVectorBatchError, VectorBatchError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { median, quantile } from '../../src/core/statistics.js';
import { formatBytes, formatCount, formatDuration, parseBytes, parseDuration } from '../../src/core/units.js';
import { toWire } from '../../src/core/wire.js';

describe('quantiles', () => {
  it('interpolate, and the median of an even number is the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('lie between the least and the greatest value, and leave the input alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const copy = [...values];
          const answer = quantile(values, q);
          expect(values).toEqual(copy);
          // Differences of huge values of opposite sign overflow to infinity.
          if (Math.max(...values) - Math.min(...values) < 1e300) {
            expect(answer).toBeGreaterThanOrEqual(
              Math.min(...values) * (1 + Math.sign(Math.min(...values)) * -1e-12),
            );
            expect(answer).toBeLessThanOrEqual(
              Math.max(...values) * (1 + Math.sign(Math.max(...values)) * 1e-12),
            );
          }
        },
      ),
      { seed: 5 },
    );
  });
});

describe('units', () => {
  it('read bytes in decimal and binary units', () => {
    expect(parseBytes('128MB', '--memory')).toBe(128e6);
    expect(parseBytes('1.5 GiB', '--memory')).toBe(1.5 * 2 ** 30);
    expect(parseBytes('4096', '--memory')).toBe(4096);
    for (const wrong of ['', 'MB', '-1MB', '1 pound', '1e3MB', '0x10']) {
      expect(() => parseBytes(wrong, '--memory')).toThrow('expected bytes such as 512MB');
    }
  });

  it('read durations', () => {
    expect(parseDuration('30s', '--budget')).toBe(30_000);
    expect(parseDuration('250ms', '--budget')).toBe(250);
    expect(() => parseDuration('30', '--budget')).toThrow('expected a duration');
  });

  it('are printed short', () => {
    expect([formatBytes(999), formatBytes(1_536_000), formatCount(125_000.4)]).toEqual([
      '999 B',
      '1.54 MB',
      '125,000',
    ]);
    expect([0.123, 8500, 59_960, 83_500, 119_700, 7_300_000].map(formatDuration)).toEqual([
      '0.123 ms',
      '8.5 s',
      '1 min 0 s',
      '1 min 24 s',
      '2 min 0 s',
      '2 h 1 min',
    ]);
  });

  it('are printed with three digits, and what rounds up to a thousand in the next unit', () => {
    const sizes = [1000, 9994, 9996, 99_940, 99_960, 999_400, 999_600, 2_050_000, 1.5e15, 0, 7.5];
    expect(sizes.map(formatBytes)).toEqual([
      ...['1.00 kB', '9.99 kB', '10.0 kB', '99.9 kB', '100 kB', '999 kB', '1.00 MB', '2.05 MB', '1500 TB'],
      ...['0 B', '7.5 B'],
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1e12 }), (bytes) => {
        const [value, unit] = formatBytes(bytes).split(' ') as [string, string];
        expect(value.replace('.', '')).toHaveLength(3);
        const scale = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }[unit]!;
        expect(Math.abs((Number(value) * scale) / bytes - 1)).toBeLessThanOrEqual(0.00501);
      }),
    );
  });
});

describe('random numbers', () => {
  it('repeat for a seed and differ between seeds', () => {
    const draw = (seed: number) =>
      Array.from(
        { length: 8 },
        (
          (random) => () =>
            random.next()
        )(new Random(seed)),
      );
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(2 ** 40)).not.toEqual(draw(0));
  });

  it('have the moments of their distributions', () => {
    const random = new Random(9);
    const mean = (draw: () => number) =>
      Array.from({ length: 20_000 }, draw).reduce((a, b) => a + b) / 20_000;
    expect(mean(() => random.next())).toBeCloseTo(0.5, 1);
    expect(mean(() => random.normal())).toBeCloseTo(0, 1);
    expect(mean(() => random.normal() ** 2)).toBeCloseTo(1, 1);
    expect(mean(() => random.exponential())).toBeCloseTo(1, 1);
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
  });
});

it('the wire form has snake case keys all the way down', () => {
  expect(toWire({ batchSize: 1, list: [{ peakRssMb: null }], already_so: 'x' })).toEqual({
    batch_size: 1,
    list: [{ peak_rss_mb: null }],
    already_so: 'x',
  });
});

it('an error keeps its code, its values and its cause, and passes through wrapping unchanged', () => {
  const cause = new Error('inner');
  const error = new VectorBatchError('VBO_ERR_SINK', 'outer', { cause, details: { position: 7 } });
  expect(toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'x')).toBe(error);
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'VBO_ERR_SINK',
    message: 'outer',
    details: { position: 7 },
  });
  expect(error.cause).toBe(cause);
  expect(toVectorBatchError(cause, 'VBO_ERR_SINK', 'Loading')).toMatchObject({
    code: 'VBO_ERR_SINK',
    message: 'Loading: inner',
    cause,
  });
});
