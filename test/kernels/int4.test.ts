import { describe, expect, it } from 'vitest';
import {
  decodeInt4,
  encodeInt4,
  int4RecordBytes,
  int4ScratchBytes,
  scanInt4,
} from '../../src/kernels/int4.js';
import { integerQuery, integerQueryBytes } from '../../src/kernels/query.js';
import { dot } from '../reference/distance.js';
import { anisotropicLoss, level, optimizedLevels, unpackHalves } from '../reference/int4.js';
import {
  arena,
  expectSameBytes,
  fill,
  holds,
  paddingIsZero,
  runAll,
  type Shape,
  scoped,
  seededVectors,
  values,
  vectors,
} from './support.js';

/** Encodes and decodes `data`; `check` sees each record's factors and codes. */
function coded(
  shape: Pick<Shape, 'rows' | 'dimension' | 'layout' | 'parts'>,
  data: Float32Array,
  middle: Float32Array,
  check: (row: number, factors: Float32Array, codes: number[], decoded: Float32Array) => void,
): void {
  scoped(({ matrix, span }) => {
    const { rows, dimension, layout, parts } = shape;
    const source = matrix('float32', rows, dimension, layout);
    const back = matrix('float32', rows, dimension);
    const length = int4RecordBytes(dimension);
    const records = { pointer: span(rows * (length + 2)).pointer, rows, strideBytes: length + 2 };
    const centre = span(4 * dimension);
    arena.float32(centre.pointer, dimension).set(middle);
    fill(source, data);
    runAll(encodeInt4(source, records, centre, span(parts * int4ScratchBytes(dimension)), parts));
    runAll(decodeInt4(records, back, centre, parts));
    expect(paddingIsZero(back)).toBe(true);
    const decoded = values(back);
    for (let row = 0; row < rows; row++) {
      const bytes = Uint8Array.from(arena.bytes(records.pointer + row * (length + 2), length + 2));
      expect([...bytes.subarray(length)]).toEqual([0, 0]);
      if (dimension % 2 === 1) expect(bytes[length - 1]! >> 4).toBe(0);
      check(
        row,
        new Float32Array(bytes.slice(0, 16).buffer),
        unpackHalves(bytes.subarray(16), dimension),
        decoded.subarray(row * dimension, (row + 1) * dimension),
      );
    }
  });
}

describe('int4 codes', () => {
  it('are the nearest levels of an interval as good as the reference’s, for every shape and split', () => {
    const total = { ours: 0, reference: 0 };
    holds((shape) => {
      const { dimension } = shape;
      const data = seededVectors(shape, 'unit');
      const middle = vectors(shape.seed + 1, dimension, 'unit').map((x) => x * 0.3);
      coded(shape, data, middle, (row, [lower, step, dotCentre, square], codes, decoded) => {
        const x = data.subarray(row * dimension, (row + 1) * dimension);
        const v = x.map((value, d) => value - middle[d]!);
        const levels = { lower: lower!, step: step! };
        const wrong = codes.findIndex((c, d) => {
          const position = step === 0 ? 0 : (v[d]! - lower!) / step!;
          // Float32 may decide a near tie otherwise.
          const nearTie = Math.abs(position - Math.floor(position) - 0.5) < 1e-4;
          const expected = middle[d]! + lower! + step! * c;
          return (!nearTie && c !== level(v[d]!, levels)) || Math.abs(decoded[d]! - expected) > 1e-6;
        });
        expect(wrong).toBe(-1);
        const lossOf = (of: { lower: number; step: number }) =>
          anisotropicLoss(
            v,
            Array.from(v, (value) => level(value, of)),
            of,
          );
        const energy = dot(v, v).value;
        const loss = anisotropicLoss(v, codes, levels);
        // Rounding may decide for a step more or less, and another local optimum: never for one worse than the start,
        // but for a code or two at a tie: each can turn 0.9 (v s)^2 / |v|^2 of about 0.1 D s^2 / 12.
        const start = lossOf(optimizedLevels(v, 0));
        expect(loss).toBeLessThanOrEqual(start * (1.05 + 1000 / dimension ** 2) + 1e-6 * energy);
        total.ours += loss / Math.max(energy, 1e-30);
        total.reference += lossOf(optimizedLevels(v)) / Math.max(energy, 1e-30);
        expect(dotCentre).toBeCloseTo(dot(x, middle).value, 5);
        expect(square).toBeCloseTo(dot(x, x).value, 5);
      });
    }, 200);
    expect(total.ours).toBeLessThan(1.02 * total.reference);
  });

  it('lose about one percent of the energy of normally distributed vectors', () => {
    const [rows, dimension] = [100, 512];
    const data = vectors(11, rows * dimension, 'unit');
    let error = 0;
    coded(
      { rows, dimension, layout: 'aligned', parts: 1 },
      data,
      new Float32Array(dimension),
      (row, _factors, _codes, decoded) => {
        const x = data.subarray(row * dimension, (row + 1) * dimension);
        error += decoded.reduce((sum, y, d) => sum + (y - x[d]!) ** 2, 0) / dot(x, x).value / rows;
      },
    );
    // 0.01154 for the best uniform quantizer of a normal variable with 16 levels (Max 1960).
    expect(error).toBeGreaterThan(0.01);
    expect(error).toBeLessThan(0.0135);
  });

  it('keep zero and constant vectors exactly', () => {
    for (const dimension of [1, 2, 7, 33]) {
      const data = new Float32Array(2 * dimension);
      data.fill(0.75, dimension);
      coded(
        { rows: 2, dimension, layout: 'aligned', parts: 1 },
        data,
        new Float32Array(dimension),
        (row, _factors, _codes, decoded) =>
          expectSameBytes(decoded, data.subarray(row * dimension, (row + 1) * dimension)),
      );
    }
  });

  it('are defined for values that are not finite: nothing outside the record is touched', () => {
    holds((shape) => {
      const data = seededVectors(shape, 'special');
      coded(shape, data, new Float32Array(shape.dimension), (_row, _factors, codes) => {
        expect(codes.every((c) => c >= 0 && c <= 15)).toBe(true);
      });
    }, 60);
  });

  it('estimate dot products: the scan equals its formula and lies near the exact product', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, parts } = shape;
        const source = matrix('float32', rows, dimension);
        const length = int4RecordBytes(dimension);
        const records = { pointer: span(rows * length).pointer, rows, strideBytes: length };
        const centre = span(4 * dimension);
        const out = span(4 * rows);
        const data = seededVectors(shape, 'unit');
        const middle = vectors(shape.seed + 1, dimension, 'unit').map((x) => x * 0.3);
        const q = vectors(shape.seed + 2, dimension, 'unit');
        const q0 = q.map((x, d) => x - middle[d]!);
        arena.float32(centre.pointer, dimension).set(middle);
        fill(source, data);
        runAll(encodeInt4(source, records, centre, span(int4ScratchBytes(dimension))));
        const query = integerQuery(arena, q0, span(integerQueryBytes(dimension)));
        const constant = dot(q, middle).value - dot(middle, middle).value;
        runAll(scanInt4(query, records, dimension, out, constant, parts));
        for (let row = 0; row < rows; row++) {
          const bytes = Uint8Array.from(arena.bytes(records.pointer + row * length, length));
          const [lower, step, dotCentre] = new Float32Array(bytes.slice(0, 16).buffer);
          const codes = unpackHalves(bytes.subarray(16), dimension);
          const v = codes.map((c) => lower! + step! * c);
          const got = arena.float32(out.pointer, rows)[row]!;
          expect(Math.abs(got - (dot(q0, v).value + dotCentre! + constant))).toBeLessThan(
            2e-6 * (1 + dimension * 0.01),
          );
          const x = data.subarray(row * dimension, (row + 1) * dimension);
          // About 11 % error of |x - c| in a random direction: five deviations.
          const r = x.map((value, d) => value - middle[d]!);
          const deviation = 0.12 * Math.sqrt((dot(r, r).value * dot(q0, q0).value) / Math.max(1, dimension));
          expect(Math.abs(got - dot(q, x).value)).toBeLessThan(6 * deviation + 1e-5);
        }
      }),
    );
  });

  it('sum the largest products of long vectors without overflow', () => {
    scoped(({ span }) => {
      const dimension = 65_536;
      const length = int4RecordBytes(dimension);
      const records = { pointer: span(length).pointer, rows: 1, strideBytes: length };
      arena.bytes(records.pointer, length).fill(255);
      arena.float32(records.pointer, 4).set([0, 1, 0, 0]);
      const query = integerQuery(
        arena,
        new Float32Array(dimension).fill(1),
        span(integerQueryBytes(dimension)),
      );
      const out = span(4);
      runAll(scanInt4(query, records, dimension, out, 0));
      expect(arena.float32(out.pointer, 1)[0]! / (15 * dimension)).toBeCloseTo(1, 5);
    });
  });
});
