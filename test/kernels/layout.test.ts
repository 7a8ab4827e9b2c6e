import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateBlocks, blocksToRows, rowsToBlocks } from '../../src/kernels/blocks.js';
import { allocateMatrix, float32Row, sliceRows, splitRows } from '../../src/kernels/matrix.js';
import { packRows, unpackRows } from '../../src/kernels/rows.js';
import { dimensionBlocks } from '../reference/blocks.js';
import {
  arena,
  expectSameBytes,
  fill,
  holds,
  paddingIsZero,
  runAll,
  SEED,
  scoped,
  seededVectors,
  values,
} from './support.js';

describe('matrices', () => {
  it('start every aligned row at a multiple of 64 bytes', () => {
    const matrix = allocateMatrix(arena, 'float32', 3, 5);
    expect(matrix.strideBytes).toBe(64);
    expect(matrix.pointer % 64).toBe(0);
    expect(sliceRows(matrix, 1, 2)).toMatchObject({ pointer: matrix.pointer + 64, rows: 2 });
    expect(float32Row(arena, matrix, 2).byteOffset).toBe(matrix.pointer + 128);
    arena.free(matrix.span);
  });

  it('are cut into ranges that cover every row once, in whole groups', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1, 4, 64),
        (rows, parts, multiple) => {
          const ranges = splitRows(rows, parts, multiple);
          expect(ranges.length).toBeLessThanOrEqual(parts);
          let next = 0;
          for (const { first, count } of ranges) {
            expect(first).toBe(next);
            expect(first % multiple).toBe(0);
            expect(count).toBeGreaterThan(0);
            next += count;
          }
          expect(next).toBe(rows);
        },
      ),
      { seed: SEED },
    );
  });
});

describe('row packing', () => {
  it('keeps every bit there and back, and zeroes the padding', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const source = matrix('float32', shape.rows, shape.dimension, 'contiguous');
        const packed = matrix('float32', shape.rows, shape.dimension, 'aligned');
        const back = matrix('float32', shape.rows, shape.dimension, 'contiguous');
        const data = seededVectors(shape);
        fill(source, data);
        runAll(packRows(source, packed, shape.parts));
        expectSameBytes(values(packed), data);
        expect(paddingIsZero(packed)).toBe(true);
        runAll(unpackRows(packed, back, shape.parts));
        expectSameBytes(values(back), data);
      }),
    );
  });

  it('works for rows of any element size', () => {
    for (const element of ['float16', 'int8', 'bit'] as const) {
      for (const dimension of [1, 3, 17, 100, 2050]) {
        scoped(({ matrix }) => {
          const source = matrix(element, 7, dimension, 'contiguous');
          const packed = matrix(element, 7, dimension);
          const back = matrix(element, 7, dimension, 'contiguous');
          const bytes = arena.bytes(source.pointer, 7 * source.strideBytes);
          for (let k = 0; k < bytes.length; k++) bytes[k] = (k * 37) & 255;
          runAll(packRows(source, packed, 2));
          runAll(unpackRows(packed, back, 2));
          expect(paddingIsZero(packed)).toBe(true);
          expectSameBytes(arena.bytes(back.pointer, bytes.length), bytes);
        });
      }
    }
  });
});

describe('dimension blocks', () => {
  it('equal the reference, from rows at any stride, and come back bit for bit', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const source = matrix('float32', shape.rows, shape.dimension, shape.layout);
        const back = matrix('float32', shape.rows, shape.dimension);
        const blocks = allocateBlocks(arena, shape.rows, shape.dimension);
        const data = seededVectors(shape);
        fill(source, data);
        arena.bytes(blocks.pointer, blocks.byteLength).fill(0xa5);
        runAll(rowsToBlocks(source, blocks, shape.parts));
        const got = Uint8Array.from(arena.bytes(blocks.pointer, blocks.byteLength));
        const bits = new Uint32Array(data.buffer);
        expectSameBytes(got, dimensionBlocks(bits, shape.rows, shape.dimension));
        runAll(blocksToRows(blocks, back, shape.parts));
        expectSameBytes(values(back), data);
        expect(paddingIsZero(back)).toBe(true);
        arena.free(blocks.span);
      }),
    );
  });
});
