import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { leafHashNow } from '../../src/kernels/leaf-hash.js';
import { KernelPool } from '../../src/pool/pool.js';
import { type CompactOptions, compact } from '../../src/vectors/compact.js';
import { CompactBlock, hashWith } from '../../src/vectors/compact-block.js';
import { compactStream } from '../../src/vectors/compact-stream.js';
import { CALIBRATION_NAMES, ENCODING_NAMES } from '../../src/vectors/encoding.js';
import { pack } from '../../src/vectors/pack.js';
import { LAYOUTS } from '../../src/vectors/vector-block.js';

const kernels = Kernels.load();
const inline = { kernels, runner: new KernelPool(kernels, { threads: 0 }) };
const pooled = { kernels, runner: new KernelPool(kernels, { threads: 2 }) };
afterAll(() => pooled.runner.close());

/** Every encoding, int8 in each of its calibrations. */
const FORMATS = ENCODING_NAMES.flatMap((encoding): CompactOptions[] =>
  encoding === 'int8' ? CALIBRATION_NAMES.map((calibration) => ({ encoding, calibration })) : [{ encoding }],
);

const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const shape = fc.record({
  rows: fc.integer({ min: 0, max: 150 }),
  dimension: fc.integer({ min: 1, max: 130 }),
});
const matrix = shape.chain(({ rows, dimension }) =>
  fc
    .array(finite, { minLength: rows * dimension, maxLength: rows * dimension })
    .map((values) => ({ rows, dimension, vectors: Float32Array.from(values) })),
);
const settings = { seed: 20_261, numRuns: 60 };

/** Rows of a wave, different for each seed. */
function wave(rows: number, dimension: number): Float32Array {
  return Float32Array.from({ length: rows * dimension }, (_, i) => Math.sin(i * 12.9898) * 3);
}

async function codeOf(run: () => unknown): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('pack', () => {
  it('gives back the same bits in every layout and from every form of input', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, fc.constantFrom(...LAYOUTS), async ({ rows, dimension, vectors }, layout) => {
        const asRows = Array.from({ length: rows }, (_, row) =>
          vectors.slice(row * dimension, (row + 1) * dimension),
        );
        const inputs = [vectors, asRows, asRows.map((row) => [...row])] as const;
        for (const input of inputs) {
          using block = await pack(inline, input, { layout, dimension });
          expect(block.rows).toBe(rows);
          expect(block.byteLength % 64).toBe(0);
          expect(block.toFloat32Array()).toEqual(vectors);
        }
      }),
      settings,
    );
  });

  it('refuses what is not vectors, naming the position', async () => {
    await expect(pack(inline, [[1, 2], [3]])).rejects.toThrow('Vector 1 has dimension 1; expected 2.');
    await expect(pack(inline, [[1, '2']] as never)).rejects.toThrow('Element 1 of vector 0 is "2"');
    await expect(pack(inline, [[1], 'x'] as never)).rejects.toThrow('Vector 1 is "x"');
    await expect(pack(inline, new Float32Array(7), { dimension: 2 })).rejects.toThrow('7 numbers');
    await expect(pack(inline, new Float32Array(4))).rejects.toThrow('dimension is undefined');
    await expect(pack(inline, [])).rejects.toThrow('dimension is undefined');
    await expect(pack(inline, [[1]], { layout: 'diagonal' as never })).rejects.toThrow(
      'expected one of rows, blocks',
    );
  });

  it('returns every byte to the arena, refused input included', async () => {
    const before = kernels.arena.usedBytes;
    for (const layout of LAYOUTS) (await pack(inline, wave(70, 33), { layout, dimension: 33 })).dispose();
    await codeOf(() => pack(inline, [[1, 2], [3]]));
    expect(kernels.arena.usedBytes).toBe(before);
  });
});

describe('compact', () => {
  it('stays within the error each encoding promises', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, async ({ rows, dimension, vectors }) => {
        // Within float16's range, so that the bound is the rounding alone.
        const values = vectors.map((x) => (Number.isFinite(x) ? Math.fround(x % 60_000) : 0));
        using block = await pack(inline, values, { dimension });
        const stepOf = (of: ArrayLike<number>, steps: number) => {
          const list = Array.from(of);
          const [min, max] = [Math.min(...list), Math.max(...list)];
          // An interval too thin for its inverse to be a float32 counts as constant.
          return 0.51 * ((max - min) / steps) + 1e-6 * (Math.abs(min) + Math.abs(max)) + 2 ** -120;
        };
        const column = (d: number) => Array.from({ length: rows }, (_, row) => values[row * dimension + d]!);
        const columnSteps = Array.from({ length: dimension }, (_, d) => stepOf(column(d), 255));
        const mean = Array.from({ length: dimension }, (_, d) => column(d).reduce((a, x) => a + x / rows, 0));
        for (const format of FORMATS) {
          using small = await compact(inline, block, format);
          const back = small.decode();
          expect(back.length).toBe(values.length);
          for (let row = 0; row < rows; row++) {
            const x = values.subarray(row * dimension, (row + 1) * dimension);
            const y = back.subarray(row * dimension, (row + 1) * dimension);
            const worst = (allowed: (d: number) => number) =>
              x.reduce(
                (most, v, d) => Math.max(most, Math.abs(y[d]! - v) - allowed(d)),
                Number.NEGATIVE_INFINITY,
              );
            if (format.encoding === 'binary') expect([...y]).toEqual([...x].map((v) => (v > 0 ? 1 : -1)));
            else if (format.encoding === 'float16')
              expect(worst((d) => Math.abs(x[d]!) * 2 ** -11 + 2 ** -25)).toBeLessThanOrEqual(0);
            else if (format.encoding === 'bfloat16')
              expect(worst((d) => Math.abs(x[d]!) * 2 ** -8 + 2 ** -134)).toBeLessThanOrEqual(0);
            else if (format.calibration === 'vector') {
              const step = stepOf(x, 255);
              expect(worst(() => step)).toBeLessThanOrEqual(0);
            } else if (format.calibration === 'dimension')
              expect(worst((d) => columnSteps[d]!)).toBeLessThanOrEqual(0);
            else if (format.calibration === 'global') {
              const step = stepOf(values, 127);
              expect(worst(() => step)).toBeLessThanOrEqual(0);
            } else {
              // Never worse than the centre itself would be.
              const energy = x.reduce((sum, v, d) => sum + (v - mean[d]!) ** 2, 0);
              const error = x.reduce((sum, v, d) => sum + (y[d]! - v) ** 2, 0);
              const scale = x.reduce((sum, v, d) => sum + v * v + mean[d]! ** 2, 0);
              expect(error).toBeLessThanOrEqual(energy * 1.001 + 1e-6 * scale);
            }
          }
        }
      }),
      settings,
    );
  });

  it('makes the same bytes inline, on the pool, from either layout, and as a stream in any chunks', async () => {
    const dimension = 100;
    const vectors = wave(30_000, dimension);
    for (const format of FORMATS) {
      using rows = await pack(inline, vectors, { dimension });
      using blocks = await pack(pooled, vectors, { dimension, layout: 'blocks' });
      using expected = await compact(inline, rows, format);
      using fromPool = await compact(pooled, blocks, format);
      expect(Buffer.compare(fromPool.toBytes(), expected.toBytes())).toBe(0);
      for (const chunkBytes of [20_000, 1_000_000]) {
        const out = new Uint8Array(expected.byteLength);
        async function* chunks() {
          for (let i = 0; i < vectors.length; i += 7_700) yield { vectors: vectors.subarray(i, i + 7_700) };
        }
        const write = async (bytes: Uint8Array, position: number) => out.set(bytes, position);
        const done = await compactStream(inline, chunks, write, { ...format, dimension, chunkBytes });
        expect(done).toEqual({ rows: 30_000, byteLength: expected.byteLength });
        expect(Buffer.compare(out, expected.toBytes())).toBe(0);
      }
    }
  });

  it('reads back what it wrote, through bytes', async () => {
    using block = await pack(inline, wave(9, 7), { dimension: 7 });
    const query = [1, 2, -1, 0, 3, 1, -2];
    for (const format of FORMATS) {
      using small = await compact(inline, block, format);
      using again = CompactBlock.from(small.toBytes(), kernels);
      expect(again).toMatchObject({ ...format, rows: 9, dimension: 7, byteLength: small.byteLength });
      expect(again.decode()).toEqual(small.decode());
      expect(again.search(query, 3)).toEqual(small.search(query, 3));
    }
  });

  it('refuses NaN and infinities with their position, but for float16 and bfloat16 which can hold them', async () => {
    const vectors = [
      [1, 2],
      [3, Number.NaN],
      [Number.POSITIVE_INFINITY, 0],
    ];
    using block = await pack(inline, vectors);
    for (const format of FORMATS) {
      if (format.encoding.endsWith('float16')) {
        using half = await compact(inline, block, format);
        expect([...half.decode()]).toEqual(vectors.flat());
      } else await expect(compact(inline, block, format)).rejects.toThrow('Vector 1 holds NaN');
    }
    await expect(compact(inline, block, { encoding: 'int9' as never })).rejects.toThrow(
      'expected one of float16',
    );
    await expect(compact(inline, block, { encoding: 'int4', calibration: 'global' })).rejects.toThrow(
      'calibration is for int8; the encoding is int4',
    );
  });

  it('returns every byte to the arena, also after a refusal', async () => {
    const before = kernels.arena.usedBytes;
    using block = await pack(inline, [[1, Number.NaN]]);
    await codeOf(() => compact(inline, block, { encoding: 'int8' }));
    block.dispose();
    expect(await codeOf(() => compact(inline, block, { encoding: 'int8' }))).toBe('VBO_ERR_CLOSED');
    expect(kernels.arena.usedBytes).toBe(before);
  });
});

describe('CompactBlock.from', () => {
  it('refuses every mutation of a block with a code', async () => {
    using block = await pack(inline, wave(40, 33), { dimension: 33 });
    const goods: Uint8Array[] = [];
    for (const format of FORMATS) {
      using small = await compact(inline, block, format);
      goods.push(small.toBytes());
    }
    const mutation = fc.constantFrom(...goods).chain((good) =>
      fc.oneof(
        fc
          .record({ at: fc.nat(good.length - 1), flip: fc.integer({ min: 1, max: 255 }) })
          .map(({ at, flip }) => {
            const bytes = good.slice();
            bytes[at]! ^= flip;
            return bytes;
          }),
        fc.nat(good.length - 1).map((length) => good.slice(0, length)),
        fc.uint8Array({ minLength: 1, maxLength: 90 }).map((tail) => Buffer.concat([good, tail])),
        fc.uint8Array({ maxLength: 300 }),
      ),
    );
    const before = kernels.arena.usedBytes;
    await fc.assert(
      fc.asyncProperty(mutation, async (bytes) => {
        expect(await codeOf(() => CompactBlock.from(bytes, kernels))).toMatch(/^VBO_ERR_BLOCK_/);
      }),
      { seed: 7, numRuns: 10_000 },
    );
    expect(kernels.arena.usedBytes).toBe(before);
  });

  it('refuses a header that claims what this release does not write, though its checksums are right', async () => {
    using block = await pack(inline, wave(4, 33), { dimension: 33 });
    using small = await compact(inline, block, { encoding: 'int4' });
    const good = small.toBytes();
    const claims: [offset: number, value: number][] = [
      [4, 2],
      [6, 9],
      [6, 7],
      [8, 0],
      [8, 34],
      [8, 70_000],
      [12, 1],
      [12, 3],
      [16, 1],
    ];
    for (const [offset, value] of claims) {
      const bytes = good.slice();
      new DataView(bytes.buffer).setUint16(offset, value, true);
      if (offset === 8) new DataView(bytes.buffer).setUint32(offset, value, true);
      const [low, high] = hashWith(kernels)(bytes.subarray(0, 56));
      new DataView(bytes.buffer).setUint32(56, low, true);
      new DataView(bytes.buffer).setUint32(60, high, true);
      expect(await codeOf(() => CompactBlock.from(bytes, kernels))).toMatch(/^VBO_ERR_BLOCK_/);
    }
  });

  it('reads any body without leaving it: codes and factors of every pattern decode and are searched', async () => {
    const before = kernels.arena.usedBytes;
    for (const format of FORMATS) {
      using block = await pack(inline, wave(9, 33), { dimension: 33 });
      using small = await compact(inline, block, format);
      for (let seed = 1; seed <= 5; seed++) {
        const bytes = small.toBytes();
        for (let i = 64; i < bytes.length; i++) bytes[i] = Math.imul(i, seed * 2_654_435_761) >>> 24;
        const view = new DataView(bytes.buffer);
        const body = kernels.arena.allocate(bytes.length);
        kernels.arena.bytes(body.pointer, bytes.length - 64).set(bytes.subarray(64));
        const hash = leafHashNow(kernels, { pointer: body.pointer, byteLength: bytes.length - 64 });
        kernels.arena.free(body);
        view.setUint32(32, hash.low, true);
        view.setUint32(36, hash.high, true);
        const [low, high] = hashWith(kernels)(bytes.subarray(0, 56));
        view.setUint32(56, low, true);
        view.setUint32(60, high, true);
        using forged = CompactBlock.from(bytes, kernels);
        expect(forged.decode().length).toBe(9 * 33);
        for (const metric of ['cosine', 'dot', 'l2'] as const) {
          const { ids } = forged.search(new Float32Array(33).fill(1), 9, { metric });
          expect([...ids].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
        }
      }
    }
    expect(kernels.arena.usedBytes).toBe(before);
  });
});
