import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { paddedDimension, rotationSignCount, rotationSigns } from '../../src/kernels/hadamard.js';
import { integerQuery, integerQueryBytes } from '../../src/kernels/query.js';
import {
  decodeRabitq,
  encodeRabitq,
  type RabitqBits,
  rabitqErrorBound,
  rabitqRecordBytes,
  rabitqScratchBytes,
  scanRabitq,
} from '../../src/kernels/rabitq.js';
import { dot } from '../reference/distance.js';
import { rotated } from '../reference/hadamard.js';
import { bestCosine, centredCode, unpackCodes } from '../reference/rabitq.js';
import { arena, expectSameBytes, fill, paddingIsZero, runAll, scoped, values, vectors } from './support.js';

const BITS: readonly RabitqBits[] = [1, 2, 4];
const SEED = 99;

interface Coded {
  factor: number;
  dotCentre: number;
  square: number;
  /** z of each padded element. */
  z: number[];
  decoded: Float32Array;
  /** P (x - centre), from the reference. */
  r: Float64Array;
}

function coded(
  data: Float32Array,
  dimension: number,
  bits: RabitqBits,
  middle: Float32Array = new Float32Array(dimension),
  parts = 1,
): Coded[] {
  return scoped(({ matrix, span }) => {
    const rows = data.length / dimension;
    const padded = paddedDimension(dimension);
    const table = rotationSigns(padded, SEED);
    const source = matrix('float32', rows, dimension);
    const back = matrix('float32', rows, dimension);
    const length = rabitqRecordBytes(bits, dimension);
    const records = { pointer: span(rows * (length + 1)).pointer, rows, strideBytes: length + 1 };
    const frame = {
      bits,
      centre: span(4 * dimension),
      signs: span(4 * rotationSignCount(padded)),
      scratch: span(parts * rabitqScratchBytes(dimension)),
    };
    arena.float32(frame.centre.pointer, dimension).set(middle);
    arena.float32(frame.signs.pointer, table.length).set(table);
    fill(source, data);
    runAll(encodeRabitq(source, records, frame, parts));
    runAll(decodeRabitq(records, back, frame, dot(middle, middle).value, parts));
    expect(paddingIsZero(back)).toBe(true);
    const decoded = values(back);
    return Array.from({ length: rows }, (_, row) => {
      const bytes = Uint8Array.from(arena.bytes(records.pointer + row * (length + 1), length + 1));
      expect(bytes[length]).toBe(0);
      const [factor, dotCentre, square] = new Float32Array(bytes.slice(0, 12).buffer);
      const x = new Float32Array(padded);
      for (let d = 0; d < dimension; d++) x[d] = data[row * dimension + d]! - middle[d]!;
      return {
        factor: factor!,
        dotCentre: dotCentre!,
        square: square!,
        z: unpackCodes(bytes.subarray(12, length), padded, bits).map((u) => centredCode(u, bits)),
        decoded: decoded.slice(row * dimension, (row + 1) * dimension),
        r: rotated(x, table),
      };
    });
  });
}

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  dot(a, b).value / Math.sqrt(dot(a, a).value * dot(b, b).value);

describe('RaBitQ codes', () => {
  it('have the signs of the rotated vector, its factors, and a cosine next to the best one', () => {
    for (const dimension of [1, 3, 64, 65, 100, 200, 384]) {
      for (const bits of BITS) {
        const data = vectors(dimension + bits, 12 * dimension, 'unit');
        const middle = vectors(5, dimension, 'unit').map((x) => 0.2 * x);
        for (const [row, code] of coded(data, dimension, bits, middle, 2).entries()) {
          const x = data.subarray(row * dimension, (row + 1) * dimension);
          const largest = Math.max(...Array.from(code.r, Math.abs));
          for (const [d, r] of code.r.entries()) {
            if (Math.abs(r) > 1e-5 * largest) expect(Math.sign(code.z[d]!)).toBe(Math.sign(r));
          }
          expect(code.dotCentre).toBeCloseTo(dot(x, middle).value, 5);
          expect(code.square).toBeCloseTo(dot(x, x).value, 5);
          const factor = dot(code.r, code.r).value / dot(code.r, code.z).value;
          expect(Math.abs(code.factor / factor - 1)).toBeLessThan(1e-4);
          expect(cosine(code.r, code.z)).toBeGreaterThan(bestCosine(code.r, bits) - 5e-4);
        }
      }
    }
  });

  it('have the mean cosine on Gaussian data that the papers state', () => {
    const expected = { 1: 0.798, 2: 0.939, 4: 0.994 };
    for (const bits of BITS) {
      const codes = coded(vectors(1, 60 * 768, 'unit'), 768, bits);
      const mean = codes.reduce((sum, { r, z }) => sum + cosine(r, z), 0) / codes.length;
      expect(Math.abs(mean - expected[bits])).toBeLessThan(0.005);
    }
  });

  it('decode to the nearest multiple of the code, rotated back', () => {
    for (const dimension of [5, 100, 192]) {
      const middle = vectors(6, dimension, 'unit');
      const data = vectors(dimension, 20 * dimension, 'unit');
      for (const bits of BITS) {
        for (const [row, code] of coded(data, dimension, bits, middle, 3).entries()) {
          const r = data.subarray(row * dimension, (row + 1) * dimension).map((x, d) => x - middle[d]!);
          const back = code.decoded.map((x, d) => x - middle[d]!);
          // The part of the best multiple that lies in the padding is lost: never more error than the angle allows.
          const error = back.reduce((sum, y, d) => sum + (y - r[d]!) ** 2, 0);
          const allowed = (1 - cosine(code.r, code.z) ** 2) * dot(r, r).value;
          expect(error).toBeLessThanOrEqual(allowed * 1.001 + 1e-9);
        }
      }
    }
  });

  it('are the centre for the centre, and finite for constant and tiny vectors', () => {
    const dimension = 70;
    const middle = new Float32Array(dimension).fill(0.5);
    const data = new Float32Array(4 * dimension);
    data.set(middle);
    data.fill(0.25, dimension, 2 * dimension);
    data.fill(1e-42, 2 * dimension, 3 * dimension);
    for (const bits of BITS) {
      const [same] = coded(data, dimension, bits, middle);
      expect(same!.factor).toBe(0);
      expectSameBytes(same!.decoded, middle);
      for (const code of coded(data, dimension, bits)) {
        expect([...code.decoded].every(Number.isFinite)).toBe(true);
        expect(Number.isFinite(code.factor)).toBe(true);
      }
    }
  });

  it('are defined for values that are not finite: nothing outside the record is touched', () => {
    for (const flavour of ['special', 'bits'] as const) {
      for (const bits of BITS) {
        for (const { z } of coded(vectors(4, 40 * 65, flavour), 65, bits)) expect(z.length).toBe(128);
      }
    }
  });
});

describe('the RaBitQ estimator', () => {
  it('is the formula, has no bias within three standard errors, and keeps its bound for 99 % of pairs', () => {
    for (const dimension of [100, 256]) {
      for (const bits of BITS) {
        scoped(({ matrix, span }) => {
          const padded = paddedDimension(dimension);
          const rows = 400;
          const queries = 20;
          const source = matrix('float32', rows, dimension);
          const length = rabitqRecordBytes(bits, dimension);
          const records = { pointer: span(rows * length).pointer, rows, strideBytes: length };
          const frame = {
            bits,
            centre: span(4 * dimension),
            signs: span(4 * rotationSignCount(padded)),
            scratch: span(rabitqScratchBytes(dimension)),
          };
          const out = span(4 * rows);
          const queryAt = span(integerQueryBytes(padded));
          const data = vectors(21, rows * dimension, 'unit');
          arena.float32(frame.centre.pointer, dimension).fill(0);
          fill(source, data);
          const random = new Random(17);
          let sum = 0;
          let squares = 0;
          let within = 0;
          let pairs = 0;
          for (let k = 0; k < queries; k++) {
            // A rotation for each query: unbiased means over rotations.
            const table = rotationSigns(padded, 1000 + k);
            arena.float32(frame.signs.pointer, table.length).set(table);
            runAll(encodeRabitq(source, records, frame));
            const q = Float32Array.from({ length: dimension }, () => random.normal());
            const p = new Float32Array(padded);
            p.set(q);
            const turned = Float32Array.from(rotated(p, table));
            const query = integerQuery(arena, turned, queryAt);
            runAll(scanRabitq(query, records, dimension, bits, out, 0));
            const estimates = arena.float32(out.pointer, rows);
            const lengthOfQuery = Math.sqrt(dot(q, q).value);
            for (let row = 0; row < rows; row++) {
              const x = data.subarray(row * dimension, (row + 1) * dimension);
              const bytes = Uint8Array.from(arena.bytes(records.pointer + row * length, length));
              const factor = new Float32Array(bytes.slice(0, 4).buffer)[0]!;
              const z = unpackCodes(bytes.subarray(12), padded, bits).map((u) => centredCode(u, bits));
              const lengthOfVector = Math.sqrt(dot(x, x).value);
              const formula = factor * dot(z, turned).value;
              expect(Math.abs(estimates[row]! - formula)).toBeLessThan(2e-4 * lengthOfVector * lengthOfQuery);
              const error = (estimates[row]! - dot(q, x).value) / (lengthOfVector * lengthOfQuery);
              const cos = lengthOfVector / (factor * Math.sqrt(dot(z, z).value));
              if (Math.abs(error) <= rabitqErrorBound(1, 1, cos, padded)) within++;
              sum += error;
              squares += error * error;
              pairs++;
            }
          }
          const mean = sum / pairs;
          const standardError = Math.sqrt((squares / pairs - mean * mean) / pairs);
          expect(Math.abs(mean)).toBeLessThan(3 * standardError);
          expect(within / pairs).toBeGreaterThan(0.99);
        });
      }
    }
  });
});
