import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { inFlightBytesPerVector } from '../../src/model/memory.js';
import { profileOf } from '../../src/model/profiles.js';
import { VectorDimensionAdapter } from '../../src/optimizer/dimension-adapter.js';

const adapter = new VectorDimensionAdapter();
const adapt = (vectorDimension: number, baseBatchSize = 100, memoryConstraintMb = 512) =>
  adapter.adaptBatchSizeForDimension({ vectorDimension, baseBatchSize, memoryConstraintMb });

describe('adaptBatchSizeForDimension', () => {
  it('keeps the batch at 768 dimensions, about halves it at twice the dimension', async () => {
    expect((await adapt(768)).adaptedBatchSize).toBe(100);
    const twice = (await adapt(1536)).adaptedBatchSize;
    expect(twice).toBeGreaterThanOrEqual(50);
    expect(twice).toBeLessThan(60);
  });

  it('never grows with the dimension, never exceeds the memory and is at least one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8192 }),
        fc.integer({ min: 1, max: 8192 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 10_000 }),
        async (a, b, base, memoryMb) => {
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          const small = await adapt(low, base, memoryMb);
          const large = await adapt(high, base, memoryMb);
          expect(large.adaptedBatchSize).toBeLessThanOrEqual(small.adaptedBatchSize);
          expect(large.adaptedBatchSize).toBeGreaterThanOrEqual(1);
          const held = large.adaptedBatchSize * inFlightBytesPerVector(profileOf('generic'), high);
          expect(held).toBeLessThanOrEqual(memoryMb * 1e6);
        },
      ),
      { seed: 41, numRuns: 200 },
    );
  });

  it('says when memory bound it', async () => {
    const answer = await adapt(4096, 100, 1);
    expect(answer.adaptedBatchSize).toBe(12);
    expect(answer.explanation).toContain('Memory bound it: 1.00 MB hold 12 vectors on their way');
  });

  it('pads rows to the cache line and tells how many vectors each encoding fits', async () => {
    const answer = await adapt(100, 100, 1);
    expect(answer.bytesPerVector).toBe(448);
    expect(answer.layout).toEqual({ order: 'row-major', strideBytes: 448, paddingBytes: 48 });
    expect(answer.encodings.map(({ encoding, vectorsInMemory }) => [encoding, vectorsInMemory])).toEqual([
      ['float32', 2500],
      ['float16', 5000],
      ['bfloat16', 5000],
      ['int8', 9259],
      ['rabitq4', 13_157],
      ['int4', 15_151],
      ['rabitq2', 22_727],
      ['rabitq1', 35_714],
      ['binary', 76_923],
    ]);
  });

  it('refuses a memory that does not hold one vector', async () => {
    await expect(adapt(65_536, 100, 0.5)).rejects.toMatchObject({ code: 'VBO_ERR_MEMORY' });
  });

  it.each([
    ['vectorDimension', { vectorDimension: 0, baseBatchSize: 1, memoryConstraintMb: 1 }],
    ['vectorDimension', { vectorDimension: Number.NaN, baseBatchSize: 1, memoryConstraintMb: 1 }],
    ['baseBatchSize', { vectorDimension: 1, baseBatchSize: 0.5, memoryConstraintMb: 1 }],
    ['memoryConstraintMb', { vectorDimension: 1, baseBatchSize: 1, memoryConstraintMb: -1 }],
    ['request', null as never],
  ])('refuses a bad %s by name', async (name, bad) => {
    await expect(adapter.adaptBatchSizeForDimension(bad)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      details: { argument: name },
    });
  });
});

it('says what each encoding costs in recall on a sample of the vectors themselves', async () => {
  const random = new Random(3);
  const centres = Array.from({ length: 20 }, () => Array.from({ length: 64 }, () => random.normal()));
  const sample = Array.from({ length: 1200 }, (_, i) =>
    Float32Array.from(centres[i % 20]!, (x) => x + 0.6 * random.normal()),
  );
  const request = { vectorDimension: 64, baseBatchSize: 500, memoryConstraintMb: 100 };
  const { encodings } = await adapter.adaptBatchSizeForDimension({ ...request, sample });
  const recall = Object.fromEntries(encodings.map((size) => [size.encoding, size.recall]));
  expect(recall.float32).toBeUndefined();
  expect(recall.float16).toBeGreaterThan(0.99);
  expect(recall.int8).toBeGreaterThan(recall.int4!);
  expect(recall.int4).toBeGreaterThan(recall.rabitq1!);
  const rescored = encodings.find((size) => size.encoding === 'rabitq2')!;
  expect(rescored.recallRescored).toBeGreaterThan(rescored.recall!);
  const plain = await adapter.adaptBatchSizeForDimension(request);
  expect(plain.encodings.every((size) => size.recall === undefined)).toBe(true);
  await expect(adapter.adaptBatchSizeForDimension({ ...request, sample: [[1, 2]] })).rejects.toMatchObject({
    code: 'VBO_ERR_DIMENSION',
  });
});
