import { describe, expect, it } from 'vitest';
import {
  hadamardRows,
  paddedDimension,
  rotateRows,
  rotationSignCount,
  rotationSigns,
} from '../../src/kernels/hadamard.js';
import { hadamard, rotated } from '../reference/hadamard.js';
import { arena, expectSameBytes, fill, paddingIsZero, runAll, scoped, values, vectors } from './support.js';

const norm = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0));

describe('the Walsh-Hadamard transform', () => {
  it('equals its definition for every size, with signs, whatever the split', () => {
    for (const size of [16, 32, 64, 128, 256, 512, 1024, 2048]) {
      for (const parts of [1, 3]) {
        scoped(({ matrix, span }) => {
          const source = matrix('float32', 9, size);
          const target = matrix('float32', 9, size);
          const signs = span(4 * size);
          const data = vectors(size, 9 * size, 'unit');
          const flips = vectors(size + 1, size, 'unit').map((x) => (x > 0 ? 0.5 : -0.5));
          arena.float32(signs.pointer, size).set(flips);
          fill(source, data);
          runAll(hadamardRows(source, target, signs, parts));
          const got = values(target);
          for (let row = 0; row < 9; row++) {
            const x = data.subarray(row * size, (row + 1) * size).map((v, d) => v * flips[d]!);
            const expected = hadamard(x);
            const allowed = 2e-7 * Math.log2(size) * Math.sqrt(size) * norm(x);
            for (let d = 0; d < size; d++) {
              expect(Math.abs(got[row * size + d]! - expected[d]!)).toBeLessThan(allowed);
            }
          }
        });
      }
    }
  });

  it('is exact for small integers and undone by itself', () => {
    scoped(({ matrix, span }) => {
      const size = 1024;
      const x = matrix('float32', 1, size);
      const y = matrix('float32', 1, size);
      const ones = span(4 * size);
      arena.float32(ones.pointer, size).fill(1);
      const data = Float32Array.from({ length: size }, (_, d) => (d * 37) % 11);
      fill(x, data);
      runAll(hadamardRows(x, y, ones));
      expectSameBytes(values(y), Float32Array.from(hadamard(data)));
      arena.float32(ones.pointer, size).fill(1 / size);
      runAll(hadamardRows(y, x, ones));
      expect([...values(x)]).toEqual([...data]);
    });
  });

  it('carries NaN and infinities everywhere and writes nothing else', () => {
    scoped(({ matrix, span }) => {
      const source = matrix('float32', 2, 64);
      const target = matrix('float32', 2, 64);
      const signs = span(256);
      arena.float32(signs.pointer, 64).fill(1);
      const data = new Float32Array(128);
      data[5] = Number.NaN;
      fill(source, data);
      runAll(hadamardRows(source, target, signs));
      expect(values(target).subarray(0, 64).every(Number.isNaN)).toBe(true);
      expect(values(target).subarray(64)).toEqual(new Float32Array(64));
    });
  });
});

describe('the random rotation', () => {
  it('equals the reference for odd dimensions and every kind of padding', () => {
    for (const dimension of [1, 2, 63, 64, 65, 100, 128, 130, 192, 320, 384, 700, 768, 1000, 1536]) {
      scoped(({ matrix, span }) => {
        const padded = paddedDimension(dimension);
        const source = matrix('float32', 7, dimension);
        const target = matrix('float32', 7, padded);
        const centre = span(4 * dimension);
        const signs = span(4 * rotationSignCount(padded));
        const table = rotationSigns(padded, 42);
        arena.float32(signs.pointer, table.length).set(table);
        const middle = vectors(3, dimension, 'unit');
        arena.float32(centre.pointer, dimension).set(middle);
        const data = vectors(dimension, 7 * dimension, 'unit');
        fill(source, data);
        runAll(rotateRows(source, target, centre, signs, 2));
        expect(paddingIsZero(target)).toBe(true);
        const got = values(target);
        for (let row = 0; row < 7; row++) {
          const x = new Float32Array(padded);
          for (let d = 0; d < dimension; d++) x[d] = data[row * dimension + d]! - middle[d]!;
          const expected = rotated(x, table);
          const length = norm(x);
          // Orthogonal: lengths stay.
          expect(norm(expected)).toBeCloseTo(length, 5);
          for (let d = 0; d < padded; d++) {
            expect(Math.abs(got[row * padded + d]! - expected[d]!)).toBeLessThan(3e-6 * length + 1e-12);
          }
        }
      });
    }
  });

  it('is the same for the same seed and another for another', () => {
    expectSameBytes(rotationSigns(192, 7), rotationSigns(192, 7));
    const [a, b] = [rotationSigns(1024, 7), rotationSigns(1024, 8)];
    const differing = a.reduce((count, x, i) => count + Number(x !== b[i]), 0);
    expect(Math.abs(differing / a.length - 0.5)).toBeLessThan(0.05);
  });
});
