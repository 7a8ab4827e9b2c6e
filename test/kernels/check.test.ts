import { describe, expect, it } from 'vitest';
import { firstNonFiniteRow } from '../../src/kernels/check.js';
import { callTask } from '../../src/kernels/task.js';
import { fill, holds, kernels, scoped, seededVectors, vectors } from './support.js';

describe('the first row that is not finite', () => {
  it('equals that of a plain loop, whatever the split', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const data = seededVectors(shape);
        fill(source, data);
        const element = data.findIndex((x) => !Number.isFinite(x));
        const expected = element < 0 ? -1 : Math.floor(element / dimension);
        expect(callTask(kernels, firstNonFiniteRow(source, parts))).toBe(expected);
      }),
    );
  });

  it('is found wherever the one bad element stands', () => {
    const rows = 37;
    const dimension = 70;
    scoped(({ matrix }) => {
      for (const layout of ['aligned', 'contiguous'] as const) {
        const source = matrix('float32', rows, dimension, layout);
        for (let k = 0; k < rows * dimension; k += 13) {
          const data = vectors(3, rows * dimension, 'unit');
          data[k] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][k % 3]!;
          fill(source, data);
          expect(callTask(kernels, firstNonFiniteRow(source, 3))).toBe(Math.floor(k / dimension));
        }
      }
    });
  });

  it('does not exist among the largest and smallest floats', () => {
    scoped(({ matrix }) => {
      const source = matrix('float32', 2, 4);
      fill(source, Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0, 0, 1, -1, 2));
      expect(callTask(kernels, firstNonFiniteRow(source))).toBe(-1);
    });
  });
});
