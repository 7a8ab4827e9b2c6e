import { describe, expect, it } from 'vitest';
import { decodeBits, encodeBits, hammingBits } from '../../src/kernels/bits.js';
import { sliceRows } from '../../src/kernels/matrix.js';
import { hammingDistance, signBits } from '../reference/bits.js';
import {
  arena,
  expectSameBytes,
  fill,
  holds,
  paddingIsZero,
  rowBytes,
  runAll,
  scoped,
  seededVectors,
  values,
} from './support.js';

describe('sign bits', () => {
  it('equal the reference for every shape and split, and decode to +1 and -1', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const bits = matrix('bit', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const data = seededVectors(shape);
        fill(source, data);
        runAll(encodeBits(source, bits, parts));
        runAll(decodeBits(bits, back, parts));
        expect(paddingIsZero(bits)).toBe(true);
        expect(paddingIsZero(back)).toBe(true);
        for (let row = 0; row < rows; row++) {
          expect(rowBytes(bits, row)).toEqual(
            signBits(data.subarray(row * dimension, (row + 1) * dimension)),
          );
        }
        expectSameBytes(
          values(back),
          data.map((x) => (x > 0 ? 1 : -1)),
        );
      }),
    );
  });

  it('count zeros of either sign and NaN as not positive', () => {
    scoped(({ matrix }) => {
      const source = matrix('float32', 1, 8);
      const bits = matrix('bit', 1, 8);
      fill(source, Float32Array.of(0, -0, Number.NaN, 1e-45, -1e-45, Number.POSITIVE_INFINITY, -1, 1));
      runAll(encodeBits(source, bits));
      expect(rowBytes(bits, 0)).toEqual(Uint8Array.of(0b1010_1000));
    });
  });

  it('have the Hamming distance of the reference', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows + 1, dimension);
        const bits = matrix('bit', rows + 1, dimension, shape.layout);
        const out = span(4 * rows);
        fill(source, seededVectors({ ...shape, rows: rows + 1 }));
        runAll(encodeBits(source, bits));
        runAll(hammingBits(sliceRows(bits, rows, 1), sliceRows(bits, 0, rows), out, parts));
        const query = rowBytes(bits, rows);
        for (let row = 0; row < rows; row++) {
          expect(arena.int32(out.pointer, rows)[row]).toBe(hammingDistance(query, rowBytes(bits, row)));
        }
      }),
    );
  });
});
