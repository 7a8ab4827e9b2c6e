import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import {
  allocateInterleaved,
  deinterleaveInt8,
  dotInt8Interleaved,
  interleavedByteLength,
  interleaveInt8,
} from '../../src/kernels/interleave.js';
import { matrixBytes, type OwnedMatrix, sliceRows } from '../../src/kernels/matrix.js';
import { codeDot } from '../reference/int8.js';
import { interleavedCodes } from '../reference/interleave.js';
import {
  arena,
  expectSameBytes,
  holds,
  paddingIsZero,
  rowBytes,
  runAll,
  type Shape,
  scoped,
} from './support.js';

/** Fills the rows with codes; the bytes between them stay as they are. Returns the rows without padding. */
function fillCodes(matrix: OwnedMatrix<'int8'>, shape: Shape): Uint8Array {
  const random = new Random(shape.seed);
  const { rows, dimension, strideBytes } = matrix;
  const codes = Uint8Array.from({ length: rows * dimension }, () =>
    shape.flavour === 'bits' ? 127 : random.integer(128),
  );
  const bytes = matrixBytes(arena, matrix);
  for (let row = 0; row < rows; row++) {
    bytes.set(codes.subarray(row * dimension, (row + 1) * dimension), row * strideBytes);
  }
  return codes;
}

describe('interleaved codes', () => {
  it('equal the reference, from rows at any stride, and come back byte for byte', () => {
    holds((shape) =>
      scoped(({ matrix }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('int8', rows, dimension, layout);
        const back = matrix('int8', rows, dimension);
        const groups = allocateInterleaved(arena, rows, dimension);
        const codes = fillCodes(source, shape);
        expect(groups.byteLength).toBe(interleavedByteLength(rows, dimension));
        arena.bytes(groups.pointer, groups.span.byteLength).fill(0xa5);
        runAll(interleaveInt8(source, groups, parts));
        const got = Uint8Array.from(arena.bytes(groups.pointer, groups.byteLength));
        expectSameBytes(got, interleavedCodes(codes, rows, dimension));
        const behind = arena.bytes(
          groups.pointer + groups.byteLength,
          groups.span.byteLength - groups.byteLength,
        );
        expect(behind.every((byte) => byte === 0xa5)).toBe(true);
        runAll(deinterleaveInt8(groups, back, parts));
        for (let row = 0; row < rows; row++) {
          expectSameBytes(rowBytes(back, row), codes.subarray(row * dimension, (row + 1) * dimension));
        }
        expect(paddingIsZero(back)).toBe(true);
        arena.free(groups.span);
      }),
    );
  });

  it('have exact dot products, up to the largest codes, whatever lies behind the query', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('int8', rows + 1, dimension, shape.layout);
        const groups = allocateInterleaved(arena, rows, dimension);
        const dots = span(4 * rows + 4);
        const codes = fillCodes(source, shape);
        runAll(interleaveInt8(sliceRows(source, 0, rows), groups, parts));
        runAll(dotInt8Interleaved(sliceRows(source, rows, 1), groups, dots, parts));
        const vector = (row: number) => codes.subarray(row * dimension, (row + 1) * dimension);
        const got = arena.int32(dots.pointer, rows + 1);
        for (let row = 0; row < rows; row++) expect(got[row]).toBe(codeDot(vector(rows), vector(row)));
        expect(got[rows]).toBe(0xa5a5a5a5 | 0);
        arena.free(groups.span);
      }),
    );
  });
});
