import fc from 'fast-check';
import { expect } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { KernelCall } from '../../src/kernels/kernels.js';
import { Kernels } from '../../src/kernels/kernels.js';
import {
  allocateMatrix,
  type ElementType,
  type Matrix,
  matrixBytes,
  type OwnedMatrix,
  rowByteLength,
} from '../../src/kernels/matrix.js';

export const SEED = 20_240_607;
export const kernels = Kernels.load();
export const { arena } = kernels;

export function runAll(calls: readonly KernelCall[]): void {
  for (const call of calls) kernels.call(call);
}

/** Runs `body` with matrices and spans from `take`; frees them afterwards. */
export function scoped<T>(
  body: (take: {
    matrix<E extends ElementType>(
      element: E,
      rows: number,
      dimension: number,
      layout?: 'aligned' | 'contiguous',
    ): OwnedMatrix<E>;
    span(byteLength: number): { pointer: number; byteLength: number };
  }) => T,
): T {
  const spans: { pointer: number; byteLength: number }[] = [];
  const span = (byteLength: number) => {
    const taken = arena.allocate(byteLength);
    spans.push(taken);
    // What a kernel does not write must not pass for right by luck.
    arena.bytes(taken.pointer, taken.byteLength).fill(0xa5);
    return taken;
  };
  try {
    return body({
      span,
      matrix(element, rows, dimension, layout = 'aligned') {
        const matrix = allocateMatrix(arena, element, rows, dimension, layout);
        spans.push(matrix.span);
        arena.bytes(matrix.pointer, matrix.span.byteLength).fill(0xa5);
        return matrix;
      },
    });
  } finally {
    for (const taken of spans) arena.free(taken);
  }
}

/** Writes contiguous values into a matrix, padding zero. */
export function fill(matrix: Matrix<'float32'>, values: Float32Array): void {
  matrixBytes(arena, matrix).fill(0);
  const { pointer, rows, dimension, strideBytes } = matrix;
  // Through integers: a float store may quiet a signalling NaN.
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let row = 0; row < rows; row++) {
    new Uint32Array(arena.memory.buffer, pointer + row * strideBytes, dimension).set(
      bits.subarray(row * dimension, (row + 1) * dimension),
    );
  }
}

/** A copy of a row's bytes, without padding. */
export function rowBytes(matrix: Matrix, row: number): Uint8Array {
  const length = rowByteLength(matrix.element, matrix.dimension);
  return Uint8Array.from(arena.bytes(matrix.pointer + row * matrix.strideBytes, length));
}

/** A copy of a matrix' floats, without padding. */
export function values(matrix: Matrix<'float32'>): Float32Array {
  const out = new Uint8Array(matrix.rows * matrix.dimension * 4);
  for (let row = 0; row < matrix.rows; row++) out.set(rowBytes(matrix, row), row * matrix.dimension * 4);
  return new Float32Array(out.buffer);
}

/** Are all bytes between the rows zero? */
export function paddingIsZero(matrix: Matrix): boolean {
  const length = rowByteLength(matrix.element, matrix.dimension);
  for (let row = 0; row < matrix.rows; row++) {
    const start = matrix.pointer + row * matrix.strideBytes;
    if (arena.bytes(start + length, matrix.strideBytes - length).some((byte) => byte !== 0)) return false;
  }
  return true;
}

const SPECIAL_BITS = [
  0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff, 0xff7fffff,
  0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0x387fffff, 0x38800000, 0x33000000, 0x33000001,
  0x477fefff, 0x477ff000, 0x47800000,
];

export type Flavour = 'unit' | 'special' | 'bits';

/** Deterministic test vectors: embedding-like, mixed with special values, or any bit patterns. */
export function vectors(seed: number, count: number, flavour: Flavour): Float32Array {
  const random = new Random(seed);
  const out = new Float32Array(count);
  const bits = new Uint32Array(out.buffer);
  for (let k = 0; k < count; k++) {
    if (flavour === 'bits') bits[k] = random.uint32();
    else if (flavour === 'special' && random.next() < 0.2) {
      bits[k] = SPECIAL_BITS[random.integer(SPECIAL_BITS.length)]!;
    } else out[k] = random.normal() * 0.05;
  }
  return out;
}

export interface Shape {
  rows: number;
  dimension: number;
  layout: 'aligned' | 'contiguous';
  parts: number;
  seed: number;
  flavour: Flavour;
}

/** Shapes around every loop boundary of the kernels. */
export const shapes: fc.Arbitrary<Shape> = fc.record({
  rows: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 60, max: 200 })),
  dimension: fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom(63, 64, 65, 96, 100, 127, 128, 129, 255, 256, 257, 384),
  ),
  layout: fc.constantFrom('aligned' as const, 'contiguous' as const),
  parts: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(),
  flavour: fc.constantFrom<Flavour>('unit', 'special', 'bits'),
});

/** Checks a property of shapes with the fixed seed. */
export function holds(property: (shape: Shape) => void, numRuns = 300): void {
  fc.assert(fc.property(shapes, property), { seed: SEED, numRuns });
}

export const seededVectors = (shape: Shape, flavour = shape.flavour): Float32Array =>
  vectors(shape.seed, shape.rows * shape.dimension, flavour);

/** Compares bytes, so NaN payloads and the sign of zero count; the slow comparison only renders a difference. */
export function expectSameBytes(actual: ArrayBufferView, expected: ArrayBufferView): void {
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  if (!bytes(actual).equals(bytes(expected))) expect(actual).toEqual(expected);
}
