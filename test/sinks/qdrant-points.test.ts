import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Batch, Id, Payload } from '../../src/ingest/ports.js';
import { isPointId, pointColumns, upsertBody, uuidOfName } from '../../src/sinks/qdrant-points.js';
import { inlineContext } from '../../src/vectors/pack.js';
import { toJsonText } from '../../src/vectors/wire.js';

async function bodyOf(batch: Batch, name?: string): Promise<Record<string, unknown>> {
  const text = await toJsonText(inlineContext(), batch.vectors, { dimension: batch.dimension });
  return JSON.parse(upsertBody(batch, text, name).toString());
}

const batchOf = (ids: readonly Id[], payloads?: readonly (Payload | null)[]): Batch => ({
  ...{ sequence: 0, rows: ids.length, dimension: 2, ids },
  vectors: Float32Array.from({ length: 2 * ids.length }, (_, i) => (i % 7) / 8),
  ...(payloads ? { payloads } : {}),
});

describe('the ids of points', () => {
  test.each([
    ['python.org', 'cd5d0bff-2444-5d26-ab53-4f7db1cb733d'],
    ['größe', 'c8722a0f-5a4c-5923-a626-4d6d7e8866f7'],
    ['', '0a68eb57-c88a-5f34-9e9d-27f85e68af4f'],
  ])('%j is named as Python’s uuid5(NAMESPACE_OID, name) does', (name, uuid) => {
    expect(uuidOfName(name)).toBe(uuid);
  });

  test.each([
    [0, true],
    [Number.MAX_SAFE_INTEGER, true],
    [-1, false],
    [1.5, false],
    [2 ** 53, false],
    ['550e8400-e29b-41d4-a716-446655440000', true],
    ['550E8400-E29B-41D4-A716-446655440000', true],
    ['550e8400e29b41d4a716446655440000', false],
    ['42', false],
    ['', false],
  ])('%j is one as it is: %s', (id, expected) => {
    expect(isPointId(id)).toBe(expected);
  });

  test('keeps an id that is none in the payload, beside what is there', () => {
    const { ids, payloads } = pointColumns(batchOf(['doc 1', 'größe'], [{ a: 1 }, null]));
    expect(ids).toEqual([uuidOfName('doc 1'), uuidOfName('größe')]);
    expect(payloads).toEqual([{ _id: 'doc 1', a: 1 }, { _id: 'größe' }]);
  });

  test('leaves a payload’s own _id alone', () => {
    expect(pointColumns(batchOf(['x'], [{ _id: 'theirs' }])).payloads).toEqual([{ _id: 'theirs' }]);
  });
});

describe('the body of an upsert', () => {
  test('is the columns of the batch, in JSON without a space', async () => {
    const batch = batchOf([1, 2], [{ a: 'ü"' }, null]);
    expect(await bodyOf(batch)).toEqual({
      batch: {
        ids: [1, 2],
        vectors: [
          [0, 0.125],
          [0.25, 0.375],
        ],
        payloads: [{ a: 'ü"' }, null],
      },
    });
  });

  test('names the vector where the collection’s vectors have names', async () => {
    expect(await bodyOf(batchOf([7]), 'a "b"')).toEqual({
      batch: { ids: [7], vectors: { 'a "b"': [[0, 0.125]] } },
    });
  });

  test('gives back every float32 bit for bit, whatever the ids and payloads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(
          fc.tuple(
            fc.oneof(fc.maxSafeNat(), fc.string(), fc.uuid()),
            fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
          ),
          { minLength: 1, maxLength: 20 },
        ),
        fc.infiniteStream(fc.float({ noNaN: true, noDefaultInfinity: true })),
        async (dimension, records, floats) => {
          const rows = records.length;
          const vectors = Float32Array.from([...floats.take(rows * dimension)]);
          const ids = records.map(([id]) => id);
          const payloads = records.map(([, payload]) => payload);
          const { batch } = (await bodyOf({ sequence: 0, rows, dimension, ids, vectors, payloads })) as {
            batch: { ids: Id[]; vectors: number[][]; payloads: unknown };
          };
          expect(new Uint32Array(Float32Array.from(batch.vectors.flat()).buffer)).toEqual(
            new Uint32Array(vectors.buffer),
          );
          expect(batch.ids).toEqual(ids.map((id) => (isPointId(id) ? id : uuidOfName(String(id)))));
          expect(batch.payloads).toHaveLength(rows);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  test('says which kind of fault a payload is that JSON cannot tell', async () => {
    await expect(bodyOf(batchOf([1], [{ big: 1n } as unknown as Payload]))).rejects.toMatchObject({
      code: 'VBO_ERR_RECORD',
      message: expect.stringContaining('BigInt'),
    });
  });
});
