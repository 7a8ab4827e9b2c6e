import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { KernelPool } from '../../src/pool/pool.js';
import { compact } from '../../src/vectors/compact.js';
import { CompactBlock } from '../../src/vectors/compact-block.js';
import { compactStream } from '../../src/vectors/compact-stream.js';
import { ENCODING_NAMES } from '../../src/vectors/encoding.js';
import { pack } from '../../src/vectors/pack.js';
import { LAYOUTS } from '../../src/vectors/vector-block.js';

const kernels = Kernels.load();
const inline = { kernels, runner: new KernelPool(kernels, { threads: 0 }) };
const pooled = { kernels, runner: new KernelPool(kernels, { threads: 2 }) };
afterAll(() => pooled.runner.close());

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
      fc.asyncProperty(matrix, async ({ dimension, vectors }) => {
        // Within float16's range, so that the bound is the rounding alone.
        const values = vectors.map((x) => (Number.isFinite(x) ? Math.fround(x % 60_000) : 0));
        using block = await pack(inline, values, { dimension });
        const range = values.reduce((r, x) => ({ min: Math.min(r.min, x), max: Math.max(r.max, x) }), {
          min: Number.POSITIVE_INFINITY,
          max: Number.NEGATIVE_INFINITY,
        });
        const step = values.length > 0 ? (range.max - range.min) / 127 : 0;
        for (const encoding of ENCODING_NAMES) {
          using small = await compact(inline, block, { encoding });
          const back = small.decode();
          expect(back.length).toBe(values.length);
          for (const [i, x] of values.entries()) {
            if (encoding === 'binary') expect(back[i]).toBe(x > 0 ? 1 : -1);
            else if (encoding === 'float16')
              expect(Math.abs(back[i]! - x)).toBeLessThanOrEqual(Math.abs(x) * 2 ** -11 + 2 ** -25);
            else
              expect(Math.abs(back[i]! - x)).toBeLessThanOrEqual(
                step * 0.51 + Math.abs(range.max) * 1e-6 + Math.abs(range.min) * 1e-6,
              );
          }
        }
      }),
      settings,
    );
  });

  it('makes the same bytes inline, on the pool, from either layout, and as a stream in any chunks', async () => {
    const dimension = 100;
    const vectors = wave(30_000, dimension);
    for (const encoding of ENCODING_NAMES) {
      using rows = await pack(inline, vectors, { dimension });
      using blocks = await pack(pooled, vectors, { dimension, layout: 'blocks' });
      using expected = await compact(inline, rows, { encoding });
      using fromPool = await compact(pooled, blocks, { encoding });
      expect(Buffer.compare(fromPool.toBytes(), expected.toBytes())).toBe(0);
      for (const chunkBytes of [20_000, 1_000_000]) {
        const out = new Uint8Array(expected.byteLength);
        async function* chunks() {
          for (let i = 0; i < vectors.length; i += 7_700) yield { vectors: vectors.subarray(i, i + 7_700) };
        }
        const write = async (bytes: Uint8Array, position: number) => out.set(bytes, position);
        const done = await compactStream(inline, chunks, write, { encoding, dimension, chunkBytes });
        expect(done).toEqual({ rows: 30_000, byteLength: expected.byteLength });
        expect(Buffer.compare(out, expected.toBytes())).toBe(0);
      }
    }
  });

  it('reads back what it wrote, through bytes', async () => {
    using block = await pack(inline, wave(9, 7), { dimension: 7 });
    for (const encoding of ENCODING_NAMES) {
      using small = await compact(inline, block, { encoding });
      using again = CompactBlock.from(small.toBytes(), kernels);
      expect(again).toMatchObject({ encoding, rows: 9, dimension: 7, byteLength: small.byteLength });
      expect(again.decode()).toEqual(small.decode());
    }
  });

  it('refuses NaN and infinities with their position, but for float16 which can hold them', async () => {
    const vectors = [
      [1, 2],
      [3, Number.NaN],
      [Number.POSITIVE_INFINITY, 0],
    ];
    using block = await pack(inline, vectors);
    await expect(compact(inline, block, { encoding: 'int8' })).rejects.toThrow('Vector 1 holds NaN');
    await expect(compact(inline, block, { encoding: 'binary' })).rejects.toThrow('Vector 1 holds NaN');
    using half = await compact(inline, block, { encoding: 'float16' });
    expect([...half.decode()]).toEqual(vectors.flat());
    await expect(compact(inline, block, { encoding: 'int9' as never })).rejects.toThrow(
      'expected one of float16',
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
    using small = await compact(inline, block, { encoding: 'int8' });
    const good = small.toBytes();
    const mutation = fc.oneof(
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
    );
    const before = kernels.arena.usedBytes;
    await fc.assert(
      fc.asyncProperty(mutation, async (bytes) => {
        expect(await codeOf(() => CompactBlock.from(bytes, kernels))).toMatch(/^VBO_ERR_BLOCK_/);
      }),
      { seed: 7, numRuns: 2_000 },
    );
    expect(kernels.arena.usedBytes).toBe(before);
  });
});
