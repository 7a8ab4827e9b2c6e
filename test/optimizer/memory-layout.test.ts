import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VectorDimensionAdapter } from '../../src/optimizer/dimension-adapter.js';
import { CompactBlock } from '../../src/vectors/compact-block.js';
import { ENCODING_NAMES } from '../../src/vectors/encoding.js';

const adapter = new VectorDimensionAdapter();

const input = fc.record({
  rows: fc.integer({ min: 1, max: 300 }),
  dimension: fc.integer({ min: 1, max: 70 }),
  batchSize: fc.integer({ min: 1, max: 400 }),
  layout: fc.constantFrom('rows' as const, 'blocks' as const),
  encoding: fc.option(fc.constantFrom(...ENCODING_NAMES), { nil: undefined }),
});

it('gives every row to exactly one batch, and the batches tile the block’s bytes', async () => {
  await fc.assert(
    fc.asyncProperty(input, async ({ rows, dimension, batchSize, layout, encoding }) => {
      const vectors = Array.from({ length: rows }, (_, row) =>
        Float32Array.from({ length: dimension }, (_, d) => Math.sin(row * dimension + d)),
      );
      const answer = await adapter.optimizeMemoryLayout(vectors, {
        batchSize,
        layout,
        ...(encoding === undefined ? {} : { encoding }),
      });
      using block = answer.block;
      expect(answer.batches.reduce((sum, batch) => sum + batch.rows, 0)).toBe(rows);
      for (const [i, batch] of answer.batches.entries()) {
        expect(batch.rows).toBeLessThanOrEqual(answer.batchSize);
        const next = answer.batches[i + 1];
        if (next) {
          expect(next.firstRow).toBe(batch.firstRow + batch.rows);
          expect(next.byteOffset).toBe(batch.byteOffset + batch.byteLength);
        } else {
          expect(batch.byteOffset + batch.byteLength).toBe(block.byteLength);
        }
      }
      if (encoding === undefined && layout === 'rows') {
        // A batch's bytes are the rows themselves: 64-byte stride, row after row.
        const batch = answer.batches.at(-1)!;
        const bytes = (block as Exclude<typeof block, CompactBlock>).bytes().slice();
        const first = new Float32Array(bytes.buffer, batch.byteOffset, dimension);
        expect(first).toEqual(vectors[batch.firstRow]);
      }
    }),
    { seed: 11, numRuns: 150 },
  );
});

it('halves the memory with float16, as it says', async () => {
  const vectors = Array.from({ length: 64 }, () => Array.from({ length: 128 }, (_, d) => d / 128));
  const { block, byteLength, inputBytes, explanation } = await adapter.optimizeMemoryLayout(vectors, {
    batchSize: 32,
    encoding: 'float16',
  });
  expect(block).toBeInstanceOf(CompactBlock);
  expect(inputBytes).toBe(64 * 128 * 8);
  expect(byteLength).toBe(64 + 64 * 128 * 2);
  expect(explanation).toContain('74.9 % less');
});

it('refuses a batch size of zero and an unknown encoding before anything is packed', async () => {
  await expect(adapter.optimizeMemoryLayout([[1]], { batchSize: 0 })).rejects.toThrow('batchSize is 0');
  await expect(
    adapter.optimizeMemoryLayout([[1]], { batchSize: 1, encoding: 'int3' as never }),
  ).rejects.toThrow('expected one of float16');
});
