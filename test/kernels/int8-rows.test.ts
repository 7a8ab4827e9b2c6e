import { describe, expect, it } from 'vitest';
import {
  columnStep,
  decodeInt8Columns,
  decodeInt8Rows,
  encodeInt8Columns,
  encodeInt8Rows,
  int8RecordBytes,
  scanInt8,
  scanInt8Rows,
} from '../../src/kernels/int8-rows.js';
import { integerQuery, integerQueryBytes } from '../../src/kernels/query.js';
import type { Records } from '../../src/kernels/records.js';
import { code, interval, value } from '../reference/int8-rows.js';
import {
  arena,
  expectSameBytes,
  fill,
  holds,
  paddingIsZero,
  rowBytes,
  runAll,
  type Shape,
  scoped,
  seededVectors,
  values,
  vectors,
} from './support.js';

const recordBytes = (records: Records, row: number, length: number): Uint8Array =>
  Uint8Array.from(arena.bytes(records.pointer + row * records.strideBytes, length));

/** Without infinities, which no interval can hold. */
function finiteVectors(shape: Shape): Float32Array {
  return seededVectors(shape).map((x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? 1 : x));
}

describe('int8 per vector', () => {
  it('equals the reference for every shape and split, and decodes to it', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const back = matrix('float32', rows, dimension);
        const length = int8RecordBytes(dimension);
        const records = { pointer: span(rows * (length + 3)).pointer, rows, strideBytes: length + 3 };
        const data = finiteVectors(shape);
        fill(source, data);
        runAll(encodeInt8Rows(source, records, parts));
        runAll(decodeInt8Rows(records, back, parts));
        expect(paddingIsZero(back)).toBe(true);
        const decoded = values(back);
        for (let row = 0; row < rows; row++) {
          const vector = data.subarray(row * dimension, (row + 1) * dimension);
          const expected = interval(vector);
          const codes = Uint8Array.from(vector, (x) => code(x, expected));
          const bytes = recordBytes(records, row, length + 3);
          expectSameBytes(
            new Float32Array(bytes.slice(0, 8).buffer),
            Float32Array.of(expected.lower, expected.step),
          );
          expectSameBytes(bytes.subarray(8, length), codes);
          expect([...bytes.subarray(length)]).toEqual([0, 0, 0]);
          expectSameBytes(
            decoded.subarray(row * dimension, (row + 1) * dimension),
            Float32Array.from(codes, (c) => value(c, expected.lower, expected.step)),
          );
        }
      }),
    );
  });

  it('is within half a step of every value, and exact for constant vectors', () => {
    scoped(({ matrix, span }) => {
      const source = matrix('float32', 60, 97);
      const back = matrix('float32', 60, 97);
      const records = { pointer: span(60 * 105).pointer, rows: 60, strideBytes: 105 };
      const data = vectors(8, 60 * 97, 'unit');
      data.fill(0.3, 0, 97);
      data.fill(0, 97, 194);
      fill(source, data);
      runAll(encodeInt8Rows(source, records));
      runAll(decodeInt8Rows(records, back));
      const decoded = values(back);
      expectSameBytes(decoded.subarray(0, 194), data.subarray(0, 194));
      for (let row = 0; row < 60; row++) {
        const vector = data.subarray(row * 97, (row + 1) * 97);
        const step = (Math.max(...vector) - Math.min(...vector)) / 255;
        for (let d = 0; d < 97; d++) {
          expect(Math.abs(decoded[row * 97 + d]! - vector[d]!)).toBeLessThanOrEqual(step * 0.5001);
        }
      }
    });
  });

  it('is defined for infinities: codes at the ends, nothing outside the record', () => {
    scoped(({ matrix, span }) => {
      const source = matrix('float32', 2, 5);
      const records = { pointer: span(64).pointer, rows: 2, strideBytes: 13 };
      const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
      fill(source, Float32Array.of(1, inf, -inf, 0, nan, nan, nan, nan, nan, nan));
      runAll(encodeInt8Rows(source, records));
      expect([...recordBytes(records, 1, 13)]).toEqual(Array(13).fill(0));
    });
  });

  it('has the dot product of its decoded rows, to the rounding of query and sums', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const length = int8RecordBytes(dimension);
        const records = { pointer: span(rows * length).pointer, rows, strideBytes: length };
        const out = span(4 * rows);
        const q = vectors(shape.seed + 1, dimension, 'unit');
        const query = integerQuery(arena, q, span(integerQueryBytes(dimension)));
        fill(source, seededVectors(shape, 'unit'));
        runAll(encodeInt8Rows(source, records));
        runAll(decodeInt8Rows(records, back));
        runAll(scanInt8Rows(query, records, dimension, out, parts));
        const decoded = values(back);
        const integers = new Int16Array(arena.memory.buffer, query.pointer, dimension);
        for (let row = 0; row < rows; row++) {
          let expected = 0;
          for (let d = 0; d < dimension; d++)
            expected += query.scale * integers[d]! * decoded[row * dimension + d]!;
          const got = arena.float32(out.pointer, rows)[row]!;
          expect(Math.abs(got - expected)).toBeLessThan(1e-6 * dimension * 0.05);
        }
      }),
    );
  });

  it('sums the largest products of long vectors without overflow', () => {
    scoped(({ span }) => {
      const dimension = 5000;
      const records = { pointer: span(dimension + 8).pointer, rows: 1, strideBytes: dimension + 8 };
      arena.bytes(records.pointer, dimension + 8).fill(255);
      arena.float32(records.pointer, 2).set([0, 1]);
      const query = integerQuery(
        arena,
        new Float32Array(dimension).fill(-2),
        span(integerQueryBytes(dimension)),
      );
      const out = span(4);
      runAll(scanInt8Rows(query, records, dimension, out));
      expect(arena.float32(out.pointer, 1)[0]).toBeCloseTo(-2 * 255 * dimension, -1);
    });
  });
});

describe('int8 per dimension', () => {
  it('equals the reference for every shape and split, and decodes to it', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const codes = matrix('int8', rows, dimension);
        const back = matrix('float32', rows, dimension);
        const [lowers, steps, inverses] = [span(4 * dimension), span(4 * dimension), span(4 * dimension)];
        const data = finiteVectors(shape);
        fill(source, data);
        const columns = Array.from({ length: dimension }, (_, d) =>
          interval(Array.from({ length: rows }, (_, row) => data[row * dimension + d]!)),
        );
        arena.float32(lowers.pointer, dimension).set(columns.map(({ lower }) => lower));
        arena.float32(steps.pointer, dimension).set(columns.map(({ step }) => step));
        arena.float32(inverses.pointer, dimension).set(columns.map(({ inverse }) => inverse));
        runAll(encodeInt8Columns(source, codes, lowers, inverses, parts));
        runAll(decodeInt8Columns(codes, back, { lowers, steps }, parts));
        expect(paddingIsZero(codes)).toBe(true);
        const decoded = values(back);
        for (let row = 0; row < rows; row++) {
          const vector = data.subarray(row * dimension, (row + 1) * dimension);
          const expected = Uint8Array.from(vector, (x, d) => code(x, columns[d]!));
          expectSameBytes(rowBytes(codes, row), expected);
          expectSameBytes(
            decoded.subarray(row * dimension, (row + 1) * dimension),
            Float32Array.from(expected, (c, d) => value(c, columns[d]!.lower, columns[d]!.step)),
          );
        }
      }),
    );
  });

  it('has a step for a range, and none for a constant or an absurdly thin one', () => {
    expect(columnStep(-1, 1).step).toBe(Math.fround(2 / 255));
    for (const [min, max] of [
      [3, 3],
      [0, 1e-44],
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ] as const) {
      expect(columnStep(min, max)).toEqual({ step: 0, inverse: 0 });
    }
  });

  it('is scanned as a weighted sum of bare codes', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const codes = matrix('int8', rows, dimension, shape.layout);
        const out = span(4 * rows);
        const bytes = arena.bytes(codes.pointer, rows * codes.strideBytes);
        for (let k = 0; k < bytes.length; k++) bytes[k] = (k * 2_654_435_761) >>> 24;
        const q = vectors(shape.seed, dimension, 'unit');
        const query = integerQuery(arena, q, span(integerQueryBytes(dimension)));
        const integers = new Int16Array(arena.memory.buffer, query.pointer, dimension);
        runAll(scanInt8(query, codes, out, { scale: query.scale, constant: 0.5 }, parts));
        for (let row = 0; row < rows; row++) {
          const sum = rowBytes(codes, row).reduce((total, c, d) => total + c * integers[d]!, 0);
          const got = arena.float32(out.pointer, rows)[row]!;
          expect(Math.abs(got - (query.scale * sum + 0.5))).toBeLessThan(1e-5 * dimension);
        }
      }),
    );
  });
});
