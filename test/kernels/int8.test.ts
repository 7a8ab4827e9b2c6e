import { describe, expect, it } from 'vitest';
import {
  calibrateInt8,
  decodeInt8,
  dotInt8,
  encodeInt8,
  estimateDotInt8,
  estimateSquaredL2Int8,
  int8Inverse,
  squaredL2Int8,
} from '../../src/kernels/int8.js';
import { sliceRows } from '../../src/kernels/matrix.js';
import { minMaxFloat32, minMaxScratchBytes } from '../../src/kernels/range.js';
import { callTask } from '../../src/kernels/task.js';
import { dot, squaredL2 } from '../reference/distance.js';
import { codeDot, codeSquaredL2, int8Code, int8Value } from '../reference/int8.js';
import {
  arena,
  expectSameBytes,
  fill,
  holds,
  kernels,
  paddingIsZero,
  rowBytes,
  runAll,
  scoped,
  seededVectors,
  values,
  vectors,
} from './support.js';

describe('the range of values', () => {
  it('is the least and greatest element, NaN left out, whatever the split', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const source = matrix('float32', shape.rows, shape.dimension, shape.layout);
        const data = seededVectors(shape);
        fill(source, data);
        const scratch = span(minMaxScratchBytes(shape.parts));
        const range = callTask(kernels, minMaxFloat32(arena, source, scratch, shape.parts));
        let min = Number.POSITIVE_INFINITY;
        let max = Number.NEGATIVE_INFINITY;
        for (const x of data) {
          if (x < min) min = x;
          if (x > max) max = x;
        }
        // `+ 0`: a zero is +0.
        expect(range).toEqual({ min: min + 0, max: max + 0 });
      }),
    );
  });

  it('is empty for no rows and for NaN only', () => {
    scoped(({ matrix, span }) => {
      const scratch = span(minMaxScratchBytes(1));
      const empty = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
      const source = matrix('float32', 3, 5);
      fill(source, new Float32Array(15).fill(Number.NaN));
      expect(callTask(kernels, minMaxFloat32(arena, source, scratch))).toEqual(empty);
      expect(callTask(kernels, minMaxFloat32(arena, sliceRows(source, 0, 0), scratch))).toEqual(empty);
    });
  });
});

describe('int8 codes', () => {
  it('equal the reference, with their sums, for every shape and split, and decode to it', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const codes = matrix('int8', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const terms = span(8 * rows);
        const data = seededVectors(shape);
        fill(source, data);
        const calibration = calibrateInt8({ min: Math.fround(-0.17), max: Math.fround(0.21) });
        const inverse = int8Inverse(calibration);
        runAll(encodeInt8(source, codes, terms, calibration, parts));
        runAll(decodeInt8(codes, back, calibration, parts));
        expect(paddingIsZero(codes)).toBe(true);
        expect(paddingIsZero(back)).toBe(true);
        const decoded = values(back);
        const sums = arena.int32(terms.pointer, 2 * rows);
        for (let row = 0; row < rows; row++) {
          const got = rowBytes(codes, row);
          const expected = Uint8Array.from(data.subarray(row * dimension, (row + 1) * dimension), (x) =>
            int8Code(x, inverse, calibration.offset),
          );
          expectSameBytes(got, expected);
          expect(sums[2 * row]).toBe(expected.reduce((sum, code) => sum + code, 0));
          expect(sums[2 * row + 1]).toBe(codeDot(expected, expected));
          for (let d = 0; d < dimension; d++) {
            const value = int8Value(expected[d]!, calibration.alpha, calibration.offset);
            if (decoded[row * dimension + d] !== value) expect(decoded[row * dimension + d]).toBe(value);
          }
        }
      }),
    );
  });

  it('are within half a step of every value inside the range', () => {
    scoped(({ matrix }) => {
      const source = matrix('float32', 50, 96);
      const codes = matrix('int8', 50, 96);
      const back = matrix('float32', 50, 96);
      const data = vectors(5, 50 * 96, 'unit');
      fill(source, data);
      const calibration = calibrateInt8({ min: Math.min(...data), max: Math.max(...data) });
      runAll(encodeInt8(source, codes, null, calibration));
      runAll(decodeInt8(codes, back, calibration));
      const worst = values(back).reduce((most, x, k) => Math.max(most, Math.abs(x - data[k]!)), 0);
      expect(worst).toBeLessThanOrEqual(calibration.alpha * 0.5001);
    });
  });

  it('are all 0 for constant data, which decodes to the constant', () => {
    scoped(({ matrix }) => {
      const source = matrix('float32', 2, 20);
      const codes = matrix('int8', 2, 20);
      const back = matrix('float32', 2, 20);
      fill(source, new Float32Array(40).fill(0.25));
      const calibration = calibrateInt8({ min: 0.25, max: 0.25 });
      expect(calibration).toEqual({ alpha: 0, offset: 0.25 });
      runAll(encodeInt8(source, codes, null, calibration));
      expect(rowBytes(codes, 1)).toEqual(new Uint8Array(20));
      runAll(decodeInt8(codes, back, calibration));
      expect(values(back)).toEqual(new Float32Array(40).fill(0.25));
    });
  });

  it('take an empty or a hair-thin range as constant', () => {
    const nothing = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
    expect(calibrateInt8(nothing)).toEqual({ alpha: 0, offset: 0 });
    expect(calibrateInt8({ min: 0, max: 1e-40 }).alpha).toBe(0);
    expect(calibrateInt8({ min: -3e38, max: 3e38 }).alpha).toBeGreaterThan(0);
  });

  it('have exact dot products and distances, up to the largest codes', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const codes = matrix('int8', rows + 1, dimension);
        const dots = span(4 * rows + 4);
        const distances = span(4 * rows + 4);
        const bytes = arena.bytes(codes.pointer, codes.span.byteLength);
        for (let k = 0; k < bytes.length; k++) {
          bytes[k] = shape.flavour === 'unit' ? (k * 2_654_435_761) >>> 25 : 127 * (k & 1);
        }
        if (shape.flavour === 'bits') bytes.fill(127);
        const query = sliceRows(codes, rows, 1);
        const scanned = sliceRows(codes, 0, rows);
        runAll(dotInt8(query, scanned, dots, parts));
        runAll(squaredL2Int8(query, scanned, distances, parts));
        const q = rowBytes(codes, rows);
        for (let row = 0; row < rows; row++) {
          const code = rowBytes(codes, row);
          expect(arena.int32(dots.pointer, rows)[row]).toBe(codeDot(q, code));
          expect(arena.int32(distances.pointer, rows)[row]).toBe(codeSquaredL2(q, code));
        }
      }),
    );
  });

  it('estimate dot product and distance of embedding-like vectors to within the quantization error', () => {
    scoped(({ matrix, span }) => {
      const dimension = 256;
      const data = vectors(9, 40 * dimension, 'unit');
      const source = matrix('float32', 40, dimension);
      const codes = matrix('int8', 40, dimension);
      const terms = span(8 * 40);
      const out = span(4 * 40);
      fill(source, data);
      const calibration = calibrateInt8({ min: Math.min(...data), max: Math.max(...data) });
      runAll(encodeInt8(source, codes, terms, calibration));
      const query = sliceRows(codes, 0, 1);
      const vector = (row: number) => data.subarray(row * dimension, (row + 1) * dimension);
      const sums = arena.int32(terms.pointer, 80);
      // Independent errors of at most alpha / 2 per element: |x| alpha / sqrt(12) per vector, ten deviations allowed.
      const allowed = (10 * calibration.alpha * Math.sqrt(dimension) * 0.05) / Math.sqrt(6);
      runAll(dotInt8(query, codes, out));
      for (let row = 0; row < 40; row++) {
        const estimate = estimateDotInt8(
          calibration,
          dimension,
          arena.int32(out.pointer, 40)[row]!,
          sums[0]!,
          sums[2 * row]!,
        );
        expect(Math.abs(estimate - dot(vector(0), vector(row)).value)).toBeLessThan(allowed);
      }
      runAll(squaredL2Int8(query, codes, out));
      for (let row = 0; row < 40; row++) {
        const estimate = estimateSquaredL2Int8(calibration, arena.int32(out.pointer, 40)[row]!);
        expect(Math.abs(estimate - squaredL2(vector(0), vector(row)).value)).toBeLessThan(4 * allowed);
      }
    });
  });
});
