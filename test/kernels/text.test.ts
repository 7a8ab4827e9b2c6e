import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { callTask } from '../../src/kernels/task.js';
import { maxTextBytes, textFloat32, textTargetBytes } from '../../src/kernels/text.js';
import { shortestTexts, shortLength } from '../reference/shortest.js';
import { arena, fill, holds, kernels, SEED, scoped, seededVectors } from './support.js';

/** The text of each element. */
function texts(values: Float32Array): string[] {
  return scoped(({ matrix, span }) => {
    const source = matrix('float32', 1, values.length, 'contiguous');
    fill(source, values);
    const target = span(textTargetBytes(1, values.length, 1));
    const text = callTask(kernels, textFloat32(arena, source, target));
    if ('nonFinite' in text) throw new Error(`element ${text.nonFinite.component} is not finite`);
    return Buffer.from(text.pieces[0]!.bytes).toString('latin1').slice(1, -1).split(',');
  });
}

const text = (x: number): string => texts(Float32Array.of(x))[0]!;

const fromBits = (patterns: readonly number[]): Float32Array =>
  new Float32Array(Uint32Array.from(patterns).buffer);

/** Every power of two and of ten, the ends of the subnormal and normal range, and the neighbours of them all. */
function boundaries(): Float32Array {
  const powers = [
    ...Array.from({ length: 277 }, (_, k) => 2 ** (k - 149)),
    ...Array.from({ length: 84 }, (_, k) => Number(`1e${k - 45}`)),
    ...[0.5, 5, 9.5, 9.99999, 99.5, 123456.7, 16_777_216, 3.4028234663852886e38],
  ];
  const patterns = new Uint32Array(Float32Array.from(powers).buffer);
  const around = [...patterns].flatMap((bits) => [-2, -1, 0, 1, 2].map((step) => bits + step));
  const finite = around.filter((bits) => bits >= 0 && bits < 0x7f800000);
  return fromBits(finite.flatMap((bits) => [bits, bits + 2 ** 31]));
}

function randomPatterns(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  const patterns = Uint32Array.from({ length: count }, () => {
    const bits = random.uint32();
    return (bits & 0x7f800000) === 0x7f800000 ? bits & 0x807fffff : bits;
  });
  return new Float32Array(patterns.buffer);
}

/** As the elements of embeddings of unit norm. */
function unitElements(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal() / Math.sqrt(768));
}

/** Of every size that plain digits are written for, with any digits, with few of them, and whole. */
function plainElements(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, (_, k) => {
    const x = 2 ** (random.next() * 40 - 15);
    return [x, -x, Number(x.toPrecision(3)), Math.round(x), 1000 * Math.round(x / 1000)][k % 5]!;
  });
}

/** The first text that does not read back to its value, bit by bit; undefined if all do. */
function firstMisread(values: Float32Array): string | undefined {
  const written = texts(values);
  const read = Float32Array.from(written, Number);
  const [expected, actual] = [new Uint32Array(values.buffer), new Uint32Array(read.buffer)];
  const k = actual.findIndex((bits, i) => bits !== expected[i]);
  return k < 0 ? undefined : `${written[k]} for 0x${expected[k]!.toString(16)}`;
}

describe('the text of a float32', () => {
  it('has the form the documentation promises', () => {
    const promised: [number, string][] = [
      [0, '0'],
      [-0, '-0'],
      [1, '1'],
      [-1.5, '-1.5'],
      [0.1, '0.1'],
      [0.25, '0.25'],
      [0.01, '0.01'],
      [0.001, '1e-3'],
      [0.00123, '123e-5'],
      [0.0012345678, '0.0012345678'],
      [0.00012345678, '12345678e-11'],
      [1e-7, '1e-7'],
      [1.5e-7, '15e-8'],
      [1.5e-5, '15e-6'],
      [100, '100'],
      [1000, '1e3'],
      [1200, '1200'],
      [16_777_216, '16777216'],
      [12_345.678, '12345.678'],
      [1e21, '1e21'],
      [3.4028234663852886e38, '34028235e31'],
      [1e-45, '1e-45'],
      [0.3, '0.3'],
      [1 / 3, '0.33333334'],
    ];
    for (const [x, expected] of promised) expect(text(x)).toBe(expected);
  });

  it('is the shortest there is at every power of two and ten and around it', () => {
    const values = boundaries();
    expect(firstMisread(values)).toBeUndefined();
    const written = texts(values);
    values.forEach((x, k) => {
      expect(shortestTexts(x)).toContain(written[k]);
    });
  });

  it('is the shortest there is for random values', () => {
    for (const elements of [randomPatterns, unitElements, plainElements]) {
      const values = elements(3000, SEED);
      const written = texts(values);
      values.forEach((x, k) => {
        expect(shortestTexts(x)).toContain(written[k]);
      });
    }
  });

  it('reads back to the same bits and is as short as JavaScript’s digits allow, for three million patterns', () => {
    for (let round = 0; round < 4; round++) {
      for (const elements of [randomPatterns, unitElements, plainElements]) {
        const values = elements(250_000, SEED + round);
        expect(firstMisread(values)).toBeUndefined();
        const written = texts(values);
        const tooLong = written.findIndex((t, k) => k % 64 === 0 && t.length > shortLength(values[k]!));
        expect(written[tooLong]).toBeUndefined();
      }
    }
  });

  it('reads back even where the shortest decimal would be rounded twice by way of a float64', () => {
    const values = fromBits([0x15ae43fd, 0x95ae43fd]);
    expect(Math.fround(7.038531e-26)).not.toBe(values[0]);
    expect(firstMisread(values)).toBeUndefined();
    expect(texts(values)).toEqual(['70385307e-33', '-70385307e-33']);
  });
});

describe('the text of rows', () => {
  it('is a JSON array for each row at its offset, whatever the shape, the stride and the split', () => {
    holds((shape) => {
      const { rows, dimension, layout, parts } = shape;
      const data = seededVectors(shape).map((x) => (Number.isFinite(x) ? x : 0));
      scoped(({ matrix, span }) => {
        const source = matrix('float32', rows, dimension, layout);
        fill(source, data);
        const target = span(textTargetBytes(rows, dimension, parts));
        const written = callTask(kernels, textFloat32(arena, source, target, parts));
        if ('nonFinite' in written) throw new Error('all are finite');
        const lines = written.pieces.flatMap(({ bytes, offsets }) =>
          Array.from(offsets.subarray(1), (end, row) =>
            Buffer.from(bytes.subarray(offsets[row], end)).toString('latin1'),
          ),
        );
        expect(lines).toHaveLength(rows);
        const elements = rows === 0 ? [] : texts(data);
        lines.forEach((line, row) => {
          expect(line).toBe(`[${elements.slice(row * dimension, (row + 1) * dimension).join(',')}]`);
        });
      });
    });
  });

  it('never takes more than the bound, and leaves what follows its target alone', () => {
    const values = new Float32Array(300).fill(-1.26711165e-36);
    expect(text(values[0]!)).toBe('-126711165e-44');
    scoped(({ matrix, span }) => {
      const source = matrix('float32', 3, 100, 'contiguous');
      fill(source, values);
      const needed = textTargetBytes(3, 100, 3);
      const target = span(needed + 64);
      const written = callTask(kernels, textFloat32(arena, source, target, 3));
      if ('nonFinite' in written) throw new Error('all are finite');
      const bytes = written.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
      expect(bytes).toBeLessThanOrEqual(maxTextBytes(3, 100));
      expect(arena.bytes(target.pointer + needed, 64).every((byte) => byte === 0xa5)).toBe(true);
    });
  });

  it('is refused at the first NaN or infinity, whatever the split', () => {
    const rows = 11;
    const dimension = 9;
    scoped(({ matrix, span }) => {
      const source = matrix('float32', rows, dimension);
      for (const parts of [1, 2, 4]) {
        const target = span(textTargetBytes(rows, dimension, parts));
        for (let k = 0; k < rows * dimension; k++) {
          const data = unitElements(rows * dimension, 3);
          data[k] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][k % 3]!;
          data[rows * dimension - 1] = Number.NaN;
          fill(source, data);
          expect(callTask(kernels, textFloat32(arena, source, target, parts))).toEqual({
            nonFinite: { row: Math.floor(k / dimension), component: k % dimension },
          });
        }
      }
    });
  });
});
