import { describe, expect, it } from 'vitest';
import { encodeBits } from '../../src/kernels/bits.js';
import { decodeFloat16, encodeFloat16 } from '../../src/kernels/float16.js';
import { integerQuery, integerQueryBytes } from '../../src/kernels/query.js';
import { scanBits, scanFloat16 } from '../../src/kernels/scan.js';
import { dot } from '../reference/distance.js';
import { arena, fill, holds, runAll, scoped, seededVectors, values, vectors } from './support.js';

describe('a query in integers', () => {
  it('is within 2^-16 of its largest element, and zero for a zero vector', () => {
    scoped(({ span }) => {
      const q = vectors(2, 333, 'unit');
      const query = integerQuery(arena, q, span(integerQueryBytes(333)));
      const integers = new Int16Array(arena.memory.buffer, query.pointer, 333);
      const largest = Math.max(...Array.from(q, Math.abs));
      let sum = 0;
      for (const [d, x] of q.entries()) {
        expect(Math.abs(query.scale * integers[d]! - x)).toBeLessThanOrEqual(1.01 * 2 ** -16 * largest);
        sum += query.scale * integers[d]!;
      }
      expect(query.sum).toBeCloseTo(sum, 10);
      for (const zero of [new Float32Array(5), new Float32Array(5).fill(1e-45)]) {
        const none = integerQuery(arena, zero, query);
        expect(Number.isFinite(none.scale) && Number.isFinite(none.sum)).toBe(true);
      }
    });
  });
});

describe('scans', () => {
  it('of float16 equal the dot product of the decoded rows, specials included', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows, dimension);
        const codes = matrix('float16', rows, dimension, shape.layout);
        const back = matrix('float32', rows, dimension);
        const [query, out] = [span(4 * dimension), span(4 * rows)];
        const q = vectors(shape.seed + 1, dimension, 'unit');
        arena.float32(query.pointer, dimension).set(q);
        fill(source, seededVectors(shape));
        runAll(encodeFloat16(source, codes));
        runAll(decodeFloat16(codes, back));
        runAll(scanFloat16(query, codes, out, parts));
        const decoded = values(back);
        for (let row = 0; row < rows; row++) {
          const { value, scale } = dot(q, decoded.subarray(row * dimension, (row + 1) * dimension));
          const got = arena.float32(out.pointer, rows)[row]!;
          if (!Number.isFinite(value)) expect(got).toBe(value);
          else
            expect(Math.abs(got - value)).toBeLessThanOrEqual((dimension / 8 + 8) * 2 ** -24 * scale + 1e-30);
        }
      }),
    );
  });

  it('of bits equal the dot product with +1 and -1', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows, dimension);
        const bits = matrix('bit', rows, dimension, shape.layout);
        const out = span(4 * rows);
        const data = seededVectors(shape);
        fill(source, data);
        runAll(encodeBits(source, bits));
        const q = vectors(shape.seed + 1, dimension, 'unit');
        const query = integerQuery(arena, q, span(integerQueryBytes(dimension)));
        const integers = new Int16Array(arena.memory.buffer, query.pointer, dimension);
        runAll(scanBits(query, bits, out, parts));
        for (let row = 0; row < rows; row++) {
          let sum = 0;
          for (let d = 0; d < dimension; d++) {
            sum += data[row * dimension + d]! > 0 ? integers[d]! : -integers[d]!;
          }
          const got = arena.float32(out.pointer, rows)[row]!;
          expect(Math.abs(got - query.scale * sum)).toBeLessThan(1e-6 * dimension);
        }
      }),
    );
  });
});
