import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { decodeBfloat16, encodeBfloat16, scanBfloat16 } from '../../src/kernels/bfloat16.js';
import { bfloat16FromBits, bitsFromBfloat16 } from '../reference/bfloat16.js';
import { dot } from '../reference/distance.js';
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
  vectors,
} from './support.js';

const halves = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, 0, bytes.length / 2);

describe('bfloat16', () => {
  it('equals the reference for every shape and split', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const codes = matrix('bfloat16', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const data = seededVectors(shape);
        const bits = new Uint32Array(data.buffer);
        fill(source, data);
        runAll(encodeBfloat16(source, codes, parts));
        runAll(decodeBfloat16(codes, back, parts));
        expect(paddingIsZero(codes)).toBe(true);
        expect(paddingIsZero(back)).toBe(true);
        const expected = Uint16Array.from(bits, bfloat16FromBits);
        for (let row = 0; row < rows; row++) {
          expectSameBytes(
            halves(rowBytes(codes, row)),
            expected.subarray(row * dimension, (row + 1) * dimension),
          );
        }
        expectSameBytes(values(back), Uint32Array.from(expected, bitsFromBfloat16));
      }),
    );
  });

  it('keeps each of its 65,536 values there and back, NaN made quiet', () => {
    scoped(({ matrix }) => {
      const codes = matrix('bfloat16', 1, 65_536);
      const floats = matrix('float32', 1, 65_536);
      const again = matrix('bfloat16', 1, 65_536);
      const all = Uint16Array.from({ length: 65_536 }, (_, h) => h);
      new Uint16Array(arena.memory.buffer, codes.pointer, 65_536).set(all);
      runAll(decodeBfloat16(codes, floats));
      expectSameBytes(values(floats), Uint32Array.from(all, bitsFromBfloat16));
      runAll(encodeBfloat16(floats, again));
      const quiet = all.map((h) => ((h & 0x7fff) > 0x7f80 ? h | 0x40 : h));
      expectSameBytes(halves(rowBytes(again, 0)), quiet);
    });
  });

  it('rounds four million random patterns like the reference', () => {
    scoped(({ matrix }) => {
      const count = 1 << 16;
      const source = matrix('float32', 1, count);
      const codes = matrix('bfloat16', 1, count);
      const random = new Random(3);
      const bits = new Uint32Array(count);
      for (let round = 0; round < 64; round++) {
        // Every fourth pattern is a tie.
        for (let k = 0; k < count; k++) {
          bits[k] = k % 4 === 0 ? (random.uint32() & 0xffff0000) | 0x8000 : random.uint32();
        }
        fill(source, new Float32Array(bits.buffer));
        runAll(encodeBfloat16(source, codes));
        expectSameBytes(halves(rowBytes(codes, 0)), Uint16Array.from(bits, bfloat16FromBits));
      }
    });
  });

  it('has the dot product of its decoded rows, to the rounding of the sum', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows, dimension);
        const codes = matrix('bfloat16', rows, dimension, shape.layout);
        const back = matrix('float32', rows, dimension);
        const query = span(4 * dimension);
        const out = span(4 * rows);
        const q = vectors(shape.seed + 1, dimension, 'unit');
        arena.float32(query.pointer, dimension).set(q);
        fill(source, seededVectors(shape, 'unit'));
        runAll(encodeBfloat16(source, codes));
        runAll(decodeBfloat16(codes, back));
        runAll(scanBfloat16(query, codes, out, parts));
        const decoded = values(back);
        for (let row = 0; row < rows; row++) {
          const { value, scale } = dot(q, decoded.subarray(row * dimension, (row + 1) * dimension));
          const got = arena.float32(out.pointer, rows)[row]!;
          expect(Math.abs(got - value)).toBeLessThanOrEqual((dimension / 8 + 8) * 2 ** -24 * scale + 1e-30);
        }
      }),
    );
  });
});
