import { describe, expect, it } from 'vitest';
import { base64Bytes, encodeBase64 } from '../../src/kernels/base64.js';
import { base64 } from '../reference/base64.js';
import { arena, fill, holds, rowBytes, runAll, scoped, seededVectors } from './support.js';

describe('base64 of rows', () => {
  it('equals the specification for any bits, shape, stride and split, and writes nothing else', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        fill(source, seededVectors(shape));
        const textBytes = base64Bytes(4 * dimension);
        const target = span(rows * textBytes + 64);
        runAll(encodeBase64(source, target, parts));
        for (let row = 0; row < rows; row++) {
          const bytes = Buffer.from(arena.bytes(target.pointer + row * textBytes, textBytes));
          const expected = Buffer.from(rowBytes(source, row)).toString('base64');
          expect(bytes.toString('latin1')).toBe(expected);
          if (row === 0) expect(expected).toBe(base64(rowBytes(source, row)));
        }
        expect(arena.bytes(target.pointer + rows * textBytes, 64).every((byte) => byte === 0xa5)).toBe(true);
      }),
    );
  });

  it('pads rows of every length modulo three', () => {
    scoped(({ matrix, span }) => {
      for (let dimension = 1; dimension <= 64; dimension++) {
        const source = matrix('int8', 1, dimension, 'contiguous');
        const bytes = arena.bytes(source.pointer, dimension);
        for (let k = 0; k < dimension; k++) bytes[k] = (k * 37 + dimension * 101) & 255;
        const target = span(base64Bytes(dimension));
        runAll(encodeBase64(source, target));
        const text = Buffer.from(arena.bytes(target.pointer, base64Bytes(dimension))).toString('latin1');
        expect(text).toBe(base64(rowBytes(source, 0)));
      }
    });
  });

  it('knows every character in every place', () => {
    scoped(({ matrix, span }) => {
      const source = matrix('int8', 1, 48 * 64, 'contiguous');
      const all = Array.from({ length: 64 }, (_, first) =>
        Array.from({ length: 64 }, (_, k) => (first + k) % 64),
      ).flat();
      const expected = all.map((k) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'[k]);
      arena.bytes(source.pointer, 48 * 64).set(Buffer.from(expected.join(''), 'base64'));
      const target = span(64 * 64);
      runAll(encodeBase64(source, target));
      expect(Buffer.from(arena.bytes(target.pointer, 64 * 64)).toString('latin1')).toBe(expected.join(''));
    });
  });
});
