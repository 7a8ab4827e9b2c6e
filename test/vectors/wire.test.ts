import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { KernelPool } from '../../src/pool/pool.js';
import { pack } from '../../src/vectors/pack.js';
import {
  POSTGRES_COPY_HEADER,
  POSTGRES_COPY_TRAILER,
  toPostgresCopy,
} from '../../src/vectors/postgres-copy.js';
import { LAYOUTS } from '../../src/vectors/vector-block.js';
import { toBase64, toJsonText } from '../../src/vectors/wire.js';
import { copyTuple } from '../reference/copy.js';

const kernels = Kernels.load();
const inline = { kernels, runner: new KernelPool(kernels, { threads: 0 }) };
const pooled = { kernels, runner: new KernelPool(kernels, { threads: 2 }) };
afterAll(() => pooled.runner.close());

const input = fc
  .record({ rows: fc.integer({ min: 0, max: 40 }), dimension: fc.integer({ min: 1, max: 70 }) })
  .chain(({ rows, dimension }) =>
    fc
      .array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
        minLength: rows * dimension,
        maxLength: rows * dimension,
      })
      .map((values) => ({ rows, dimension, vectors: Float32Array.from(values) })),
  );
const settings = { seed: 20_262, numRuns: 60 };

/** More than the kernels see at a time. */
const LARGE = { rows: 1500, dimension: 768 };
const large = (() => {
  const random = new Random(5);
  return Float32Array.from({ length: LARGE.rows * LARGE.dimension }, () => random.normal() / 28);
})();

const ascii = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);
const row = (vectors: Float32Array, dimension: number, r: number): Float32Array =>
  vectors.slice(r * dimension, (r + 1) * dimension);

describe('JSON text', () => {
  it('parses back to the same bits, row by row, from an array and from a block of either layout', async () => {
    await fc.assert(
      fc.asyncProperty(input, async ({ rows, dimension, vectors }) => {
        const text = await toJsonText(inline, vectors, { dimension });
        expect(text.offsets).toHaveLength(rows + 1);
        expect(text.offsets[rows]).toBe(text.bytes.length);
        for (let r = 0; r < rows; r++) {
          const line = ascii(text.bytes.subarray(text.offsets[r], text.offsets[r + 1]));
          const read = Float32Array.from(JSON.parse(line) as number[]);
          expect(bitsOf(read)).toEqual(bitsOf(row(vectors, dimension, r)));
        }
        for (const layout of LAYOUTS) {
          using block = await pack(inline, vectors, { layout, dimension });
          expect(await toJsonText(inline, block)).toEqual(text);
        }
      }),
      settings,
    );
  });

  it('is the same bytes whatever the threads, and can be parsed as a whole', async () => {
    const { dimension } = LARGE;
    const alone = await toJsonText(inline, large, { dimension });
    const together = await toJsonText(pooled, large, { dimension });
    expect(pooled.runner.workers().length).toBeGreaterThan(0);
    expect(Buffer.compare(alone.bytes, together.bytes)).toBe(0);
    expect(alone.offsets).toEqual(together.offsets);
    for (const r of [0, 681, 682, 683, LARGE.rows - 1]) {
      const line = ascii(alone.bytes.subarray(alone.offsets[r], alone.offsets[r + 1]));
      expect(Float32Array.from(JSON.parse(line) as number[])).toEqual(row(large, dimension, r));
    }
  });

  it('goes to the caller’s array from its first byte on, and says how long a too short one must be', async () => {
    const vectors = Float32Array.of(0.5, -1, 0.1, 2);
    const into = new Uint8Array(20).fill(7);
    const { bytes, offsets } = await toJsonText(inline, vectors, { dimension: 2, into });
    expect(bytes.buffer).toBe(into.buffer);
    expect(ascii(bytes)).toBe('[0.5,-1][0.1,2]');
    expect([...offsets]).toEqual([0, 8, 15]);
    expect(into[15]).toBe(7);
    await expect(
      toJsonText(inline, vectors, { dimension: 2, into: into.subarray(0, 14) }),
    ).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      details: { byteLength: 14, needed: 15 },
    });
  });

  it('is refused at the first NaN or infinity, with its position and component', async () => {
    for (const context of [inline, pooled]) {
      for (const position of [0, 3, 700, LARGE.rows - 1]) {
        const vectors = large.slice();
        vectors[position * LARGE.dimension + 5] = Number.NaN;
        vectors[vectors.length - 1] = Number.POSITIVE_INFINITY;
        await expect(toJsonText(context, vectors, { dimension: LARGE.dimension })).rejects.toMatchObject({
          code: 'VBO_ERR_NOT_FINITE',
          details: { position, component: 5 },
        });
      }
    }
  });

  it('refuses a missing dimension and numbers that are not a whole number of vectors', async () => {
    await expect(toJsonText(inline, new Float32Array(6))).rejects.toMatchObject({ code: 'VBO_ERR_ARGUMENT' });
    await expect(toJsonText(inline, new Float32Array(6), { dimension: 4 })).rejects.toMatchObject({
      code: 'VBO_ERR_DIMENSION',
    });
    using block = await pack(inline, new Float32Array(6), { dimension: 3 });
    await expect(toJsonText(inline, block, { dimension: 2 })).rejects.toMatchObject({
      code: 'VBO_ERR_DIMENSION',
    });
  });

  it('gives all scratch memory back, also after a refusal', async () => {
    const before = kernels.arena.usedBytes;
    await toJsonText(inline, large, { dimension: LARGE.dimension });
    await toJsonText(inline, Float32Array.of(Number.NaN), { dimension: 1 }).catch(() => {});
    await toPostgresCopy(inline, Float32Array.of(Number.NaN), { dimension: 1 }).catch(() => {});
    expect(kernels.arena.usedBytes).toBe(before);
  });
});

describe('base64', () => {
  it('is that of each row’s little-endian bytes, any bits, whatever the threads', async () => {
    const odd = large.slice();
    bitsOf(odd)[17] = 0x7f800001;
    for (const context of [inline, pooled]) {
      const { bytes, rowByteLength } = await toBase64(context, odd, { dimension: LARGE.dimension });
      for (const r of [0, 1, 682, 683, LARGE.rows - 1]) {
        const rowBytes = Buffer.from(odd.buffer, 4 * r * LARGE.dimension, 4 * LARGE.dimension);
        const text = ascii(bytes.subarray(r * rowByteLength, (r + 1) * rowByteLength));
        expect(text).toBe(rowBytes.toString('base64'));
      }
    }
  });

  it('goes to the caller’s array', async () => {
    const into = new Uint8Array(16);
    const { bytes } = await toBase64(inline, Float32Array.of(1, 2), { dimension: 1, into });
    expect(bytes.buffer).toBe(into.buffer);
    expect(ascii(bytes)).toBe('AACAPw==AAAAQA==');
    await expect(toBase64(inline, Float32Array.of(1, 2, 3), { dimension: 1, into })).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
    });
  });
});

describe('PostgreSQL binary COPY', () => {
  it('is the tuples of a plain writer, with ids and without', async () => {
    await fc.assert(
      fc.asyncProperty(input, fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), async (given, firstId) => {
        const { rows, dimension, vectors } = given;
        const ids = BigInt64Array.from({ length: rows }, (_, r) => firstId + BigInt(r));
        const withIds = await toPostgresCopy(inline, vectors, { dimension, ids });
        const without = await toPostgresCopy(inline, vectors, { dimension });
        const tuples = Array.from({ length: rows }, (_, r) => copyTuple(row(vectors, dimension, r), ids[r]));
        const fields = Array.from({ length: rows }, (_, r) => copyTuple(row(vectors, dimension, r)));
        expect(Buffer.compare(withIds.bytes, Buffer.concat(tuples))).toBe(0);
        expect(Buffer.compare(without.bytes, Buffer.concat(fields))).toBe(0);
        expect(withIds.rowByteLength).toBe(22 + 4 * dimension);
        expect(without.rowByteLength).toBe(8 + 4 * dimension);
      }),
      settings,
    );
  });

  it('is the same bytes whatever the threads, and takes plain numbers as ids', async () => {
    const { rows, dimension } = LARGE;
    const ids = Array.from({ length: rows }, (_, r) => r * 1e12 - 7);
    const alone = await toPostgresCopy(inline, large, { dimension, ids });
    const together = await toPostgresCopy(pooled, large, { dimension, ids });
    expect(Buffer.compare(alone.bytes, together.bytes)).toBe(0);
    for (const r of [0, 682, 683, rows - 1]) {
      const tuple = alone.bytes.subarray(r * alone.rowByteLength, (r + 1) * alone.rowByteLength);
      expect(Buffer.compare(tuple, copyTuple(row(large, dimension, r), BigInt(ids[r]!)))).toBe(0);
    }
  });

  it('opens with the signature and ends with a field count of -1', () => {
    expect(ascii(POSTGRES_COPY_HEADER)).toBe('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0');
    expect(new DataView(POSTGRES_COPY_TRAILER.buffer).getInt16(0)).toBe(-1);
  });

  it('is refused at the first NaN or infinity, for ids that do not fit, and above pgvector’s dimension', async () => {
    const vectors = large.slice();
    vectors[900 * LARGE.dimension + 3] = Number.NEGATIVE_INFINITY;
    await expect(toPostgresCopy(inline, vectors, { dimension: LARGE.dimension })).rejects.toMatchObject({
      code: 'VBO_ERR_NOT_FINITE',
      details: { position: 900, component: 3 },
    });
    const two = Float32Array.of(1, 2);
    for (const ids of [[1], [1, 2.5], [1, 2 ** 53]]) {
      await expect(toPostgresCopy(inline, two, { dimension: 1, ids })).rejects.toMatchObject({
        code: 'VBO_ERR_ARGUMENT',
      });
    }
    await expect(
      toPostgresCopy(inline, new Float32Array(16_001), { dimension: 16_001 }),
    ).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
    });
  });
});
