import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { decodeFloat16, encodeFloat16 } from '../../src/kernels/float16.js';
import { bitsFromFloat16, float16FromBits } from '../reference/float16.js';
import {
  arena,
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

describe('float16', () => {
  it('decodes all 65,536 values exactly and encodes them back', () => {
    scoped(({ matrix }) => {
      const halves = matrix('float16', 1, 65_536);
      const floats = matrix('float32', 1, 65_536);
      const back = matrix('float16', 1, 65_536);
      const input = new Uint16Array(arena.memory.buffer, halves.pointer, 65_536);
      for (let half = 0; half < 65_536; half++) input[half] = half;
      runAll(decodeFloat16(halves, floats));
      const bits = new Uint32Array(arena.memory.buffer, floats.pointer, 65_536);
      runAll(encodeFloat16(floats, back));
      const output = new Uint16Array(arena.memory.buffer, back.pointer, 65_536);
      for (let half = 0; half < 65_536; half++) {
        if (bits[half] !== bitsFromFloat16(half)) expect(bits[half]).toBe(bitsFromFloat16(half));
        const isNan = (half & 0x7fff) > 0x7c00;
        const expected = isNan ? half | 0x200 : half;
        if (output[half] !== expected) expect(output[half]).toBe(expected);
      }
    });
  });

  it('rounds four million random bit patterns to nearest even', () => {
    const count = 1 << 20;
    scoped(({ matrix }) => {
      const source = matrix('float32', 1, count);
      const target = matrix('float16', 1, count);
      for (const seed of [1, 2, 3, 4]) {
        const data = vectors(seed, count, 'bits');
        const bits = new Uint32Array(data.buffer);
        // Half of them where float16 is interesting: exponents from -30 to 20.
        if (seed > 2) {
          for (let k = 0; k < count; k++) {
            bits[k] = (bits[k]! & 0x807fffff) | ((97 + ((bits[k]! >>> 23) % 51)) << 23);
          }
        }
        fill(source, data);
        runAll(encodeFloat16(source, target));
        const halves = new Uint16Array(arena.memory.buffer, target.pointer, count);
        let wrong = 0;
        for (let k = 0; k < count; k++) if (halves[k] !== float16FromBits(bits[k]!)) wrong++;
        expect(wrong).toBe(0);
      }
    });
  });

  it('rounds alike whichever way sixteen lanes take: by exponent, signs mixed, one odd lane among usual ones', () => {
    const random = new Random(11);
    const groups: number[] = [];
    for (let exponent = 0; exponent < 256; exponent++) {
      for (let lane = 0; lane < 256; lane++) {
        const odd = exponent % 2 === 1 && lane % 16 === lane >>> 4;
        const e = odd ? random.integer(256) : exponent & ~1;
        groups.push(((random.integer(2) << 31) | (e << 23) | random.integer(1 << 23)) >>> 0);
      }
    }
    scoped(({ matrix }) => {
      const source = matrix('float32', 1, groups.length);
      const target = matrix('float16', 1, groups.length);
      fill(source, new Float32Array(Uint32Array.from(groups).buffer));
      runAll(encodeFloat16(source, target));
      const halves = new Uint16Array(arena.memory.buffer, target.pointer, groups.length);
      expect(groups.filter((bits, k) => halves[k] !== float16FromBits(bits))).toEqual([]);
    });
  });

  it('rounds every tie between neighbours to the even one', () => {
    const ties: number[] = [];
    for (let half = 0; half < 0x7bff; half++) {
      const scratch = new DataView(new ArrayBuffer(4));
      scratch.setUint32(0, bitsFromFloat16(half));
      const low = scratch.getFloat32(0);
      scratch.setUint32(0, bitsFromFloat16(half + 1));
      ties.push((low + scratch.getFloat32(0)) / 2);
    }
    scoped(({ matrix }) => {
      const source = matrix('float32', 1, ties.length);
      const target = matrix('float16', 1, ties.length);
      fill(source, Float32Array.from(ties));
      runAll(encodeFloat16(source, target));
      const halves = new Uint16Array(arena.memory.buffer, target.pointer, ties.length);
      expect(halves.every((value, half) => value === half + (half & 1))).toBe(true);
    });
  });

  it('equals the reference for every shape and split, both ways, and zeroes the padding', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const target = matrix('float16', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const data = seededVectors(shape);
        const bits = new Uint32Array(data.buffer);
        fill(source, data);
        runAll(encodeFloat16(source, target, parts));
        runAll(decodeFloat16(target, back, parts));
        expect(paddingIsZero(target)).toBe(true);
        expect(paddingIsZero(back)).toBe(true);
        const decoded = new Uint32Array(values(back).buffer);
        for (let row = 0; row < rows; row++) {
          const halves = new Uint16Array(rowBytes(target, row).buffer);
          for (let d = 0; d < dimension; d++) {
            const k = row * dimension + d;
            if (halves[d] !== float16FromBits(bits[k]!)) expect(halves[d]).toBe(float16FromBits(bits[k]!));
            if (decoded[k] !== bitsFromFloat16(halves[d]!))
              expect(decoded[k]).toBe(bitsFromFloat16(halves[d]!));
          }
        }
      }),
    );
  });
});
