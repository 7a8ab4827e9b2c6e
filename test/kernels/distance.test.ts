import { describe, expect, it } from 'vitest';
import { dotFloat32, squaredL2Float32 } from '../../src/kernels/distance.js';
import { sliceRows } from '../../src/kernels/matrix.js';
import { dot, squaredL2 } from '../reference/distance.js';
import { arena, fill, holds, runAll, scoped, seededVectors } from './support.js';

const FLOAT32_ULP = 2 ** -23;
const families = [
  { name: 'dot product', calls: dotFloat32, reference: dot, one: 'dotFloat32By1', four: 'dotFloat32By4' },
  {
    name: 'squared distance',
    calls: squaredL2Float32,
    reference: squaredL2,
    one: 'squaredL2Float32By1',
    four: 'squaredL2Float32By4',
  },
] as const;

describe.each(families)('the float32 $name', ({ calls, reference, one, four }) => {
  it('is within float32 rounding of the float64 reference', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts } = shape;
        const all = matrix('float32', rows + 1, dimension, layout);
        const out = span(4 * rows);
        const data = seededVectors({ ...shape, rows: rows + 1 }, 'unit');
        fill(all, data);
        runAll(calls(sliceRows(all, rows, 1), sliceRows(all, 0, rows), out, parts));
        const vector = (row: number) => data.subarray(row * dimension, (row + 1) * dimension);
        for (let row = 0; row < rows; row++) {
          const expected = reference(vector(rows), vector(row));
          const error = Math.abs(arena.float32(out.pointer, rows)[row]! - expected.value);
          // Products are summed in eight lanes, so an error grows with dimension / 8 at most.
          expect(error).toBeLessThanOrEqual((dimension / 8 + 8) * FLOAT32_ULP * expected.scale);
        }
      }),
    );
  });

  it('has the same bits one row and four rows at a time, for any values', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension } = shape;
        const all = matrix('float32', rows + 1, dimension, shape.layout);
        const outs = [span(4 * rows), span(4 * rows)];
        fill(all, seededVectors({ ...shape, rows: rows + 1 }));
        const query = sliceRows(all, rows, 1);
        for (const [k, name] of [one, four].entries()) {
          for (const call of calls(query, sliceRows(all, 0, rows), outs[k]!)) runAll([{ ...call, name }]);
        }
        // NaN results may differ in payload; as float32 values they must agree.
        expect(arena.float32(outs[0]!.pointer, rows)).toEqual(arena.float32(outs[1]!.pointer, rows));
      }),
    );
  });

  it('does not depend on the split', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const all = matrix('float32', rows + 1, dimension);
        const outs = [span(4 * rows), span(4 * rows)];
        fill(all, seededVectors({ ...shape, rows: rows + 1 }, 'unit'));
        const query = sliceRows(all, rows, 1);
        runAll(calls(query, sliceRows(all, 0, rows), outs[0]!));
        runAll(calls(query, sliceRows(all, 0, rows), outs[1]!, parts));
        expect(arena.int32(outs[0]!.pointer, rows)).toEqual(arena.int32(outs[1]!.pointer, rows));
      }),
    );
  });
});
