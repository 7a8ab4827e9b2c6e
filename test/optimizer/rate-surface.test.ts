import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Grid, type GridCell } from '../../src/kernels/grid.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { batchSizeAxis, concurrencyAxis } from '../../src/optimizer/axes.js';
import { RateSurface } from '../../src/optimizer/rate-surface.js';
import { WEIGHTS } from '../../src/optimizer/search.js';

const kernels = Kernels.load();

const magnitude = (low: number, high: number) =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);
const sometimes = (arbitrary: fc.Arbitrary<number>) => fc.oneof(fc.constant(0), arbitrary);
const limit = (arbitrary: fc.Arbitrary<number>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const cases = fc.record({
  model: fc.record({
    fixedMs: magnitude(0.01, 1000),
    perVectorMs: sometimes(magnitude(1e-4, 1)),
    superLinearMs: sometimes(magnitude(1e-6, 0.1)),
    sigma: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
    kappa: sometimes(magnitude(1e-6, 0.1)),
  }),
  rows: fc.option(fc.integer({ min: 1, max: 70_000 }), { nil: undefined }),
  perVectorBytes: magnitude(100, 1e5),
  perRequestBytes: sometimes(magnitude(1, 1e4)),
  limits: fc.record({
    maxMemoryBytes: limit(magnitude(10, 1e10)),
    maxRequestBytes: limit(magnitude(10, 1e9)),
    maxRows: limit(fc.integer({ min: 0, max: 70_000 })),
    maxLatencyMs: limit(magnitude(0.01, 1e6)),
    maxConcurrency: limit(fc.integer({ min: 0, max: 300 })),
    itemCount: limit(fc.integer({ min: 1, max: 1_000_000 })),
  }),
  tolerance: fc.oneof(fc.constant(0.03), fc.double({ min: 0, max: 3, noNaN: true })),
});

describe('the search of the rate alone', () => {
  it('finds what the kernel finds, and lifts a limit as it does', () => {
    let found = 0;
    let lifted = 0;
    fc.assert(
      fc.property(cases, ({ model, rows, perVectorBytes, perRequestBytes, limits, tolerance }) => {
        const shape = {
          ...{ model, batchSizes: batchSizeAxis([rows]), concurrencies: concurrencyAxis() },
          memory: { baseBytes: 0, perVectorBytes: 5 * perVectorBytes },
          wire: { perVectorBytes, perRequestBytes },
        };
        const rates = new RateSurface(shape);
        const grid = new Grid(kernels, shape);
        const question = {
          limits: given(limits),
          weights: WEIGHTS.performance,
          plateauTolerance: tolerance,
          top: 1,
        };
        const { best, plateau, unlimited, binding, violated, references } = grid.search(question);
        const answer = rates.search(question.limits, tolerance);
        expect(answer).toMatchObject({ plateau, binding, violated });
        expect(answer.unlimited.plateau).toEqual(unlimited.plateau);
        // Where each request slows the others down by all it adds, rounding alone says which concurrency is fastest.
        expectAsFast(answer.best, best);
        expectAsFast(answer.unlimited.best, unlimited.best);
        expect(rates.references).toEqual(references);
        if (best) found++;
        for (const { bound } of violated) {
          const expected = grid.plateauWithout(bound, question);
          expect(rates.plateauWithout(bound, question.limits, tolerance)).toEqual(expected);
          lifted++;
        }
        grid.dispose();
      }),
      { seed: 23, numRuns: 2000 },
    );
    expect(found).toBeGreaterThan(500);
    expect(lifted).toBeGreaterThan(2000);
  });
});

function expectAsFast(cell: GridCell | null, other: GridCell | null): void {
  expect(cell === null).toBe(other === null);
  if (cell && other) expect(Math.abs(cell.cost / other.cost - 1)).toBeLessThan(1e-14);
}

/** Without the limits that are not set. */
function given<T extends object>(limits: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)) as never;
}
