import { expect, it } from 'vitest';
import { minMaxColumns, sumColumns } from '../../src/kernels/columns.js';
import { sliceRows } from '../../src/kernels/matrix.js';
import { arena, expectSameBytes, fill, holds, runAll, scoped, seededVectors } from './support.js';

it('columns are summed row by row in float64, the same bits whatever the chunks and parts', () => {
  holds((shape) =>
    scoped(({ matrix, span }) => {
      const { rows, dimension, layout, parts } = shape;
      const source = matrix('float32', rows, dimension, layout);
      const data = seededVectors(shape).map((x) => (Number.isFinite(x) ? x : 1));
      fill(source, data);
      const sums = [span(8 * dimension), span(8 * dimension)] as const;
      arena.float64(sums[0].pointer, dimension).fill(0.1);
      const cut = Math.floor(rows / 3);
      runAll(sumColumns(sliceRows(source, 0, cut), sums[0], sums[1], parts));
      runAll(sumColumns(sliceRows(source, cut, rows - cut), sums[1], sums[0]));
      const expected = new Float64Array(dimension).fill(0.1);
      for (let i = 0; i < data.length; i++) expected[i % dimension]! += data[i]!;
      expectSameBytes(arena.float64(sums[0].pointer, dimension), expected);
    }),
  );
});

it('columns have the range of their values, NaN left out', () => {
  holds((shape) =>
    scoped(({ matrix, span }) => {
      const { rows, dimension, layout, parts } = shape;
      const source = matrix('float32', rows, dimension, layout);
      const data = seededVectors(shape);
      fill(source, data);
      const [mins, maxs] = [span(4 * dimension), span(4 * dimension)];
      runAll(minMaxColumns(source, mins, maxs, parts));
      const least = new Float32Array(dimension).fill(Number.POSITIVE_INFINITY);
      const most = new Float32Array(dimension).fill(Number.NEGATIVE_INFINITY);
      for (const [i, x] of data.entries()) {
        if (x < least[i % dimension]!) least[i % dimension] = x + 0;
        if (x > most[i % dimension]!) most[i % dimension] = x + 0;
      }
      expect(arena.float32(mins.pointer, dimension)).toEqual(least);
      expect(arena.float32(maxs.pointer, dimension)).toEqual(most);
    }),
  );
});
