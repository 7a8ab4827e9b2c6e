import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openSource, type VectorItem } from '../../src/sources/index.js';
import { readAll } from './files.js';

describe('an iterable source', () => {
  test.each([
    [
      'arrays',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['Float32Arrays', [Float32Array.of(1, 2), Float32Array.of(3, 4)]],
    ['Float64Arrays', [Float64Array.of(1, 2), Float64Array.of(3, 4)]],
    ['objects', [{ vector: [1, 2] }, { vector: Float32Array.of(3, 4) }]],
  ])('reads an array of %s, twice', async (_, items) => {
    const source = await openSource(items as VectorItem[]);
    expect([source.dimension, source.count]).toEqual([2, 2]);
    for (let time = 0; time < 2; time++) {
      expect(await readAll(source)).toMatchObject({
        vectors: [
          [1, 2],
          [3, 4],
        ],
        ids: undefined,
        positions: [0, 1],
      });
    }
  });

  test('reads ids and payloads, in chunks of the size asked for', async () => {
    const items = Array.from({ length: 10 }, (_, i) => ({
      id: i,
      vector: [i],
      payload: i % 2 ? { i } : null,
    }));
    const all = await readAll(await openSource(items, { chunkBytes: 12 }));
    expect(all).toMatchObject({ ids: items.map((item) => item.id), chunks: 4 });
    expect(all.payloads).toEqual(items.map((item) => item.payload));
  });

  test('rejects elements that do not fit the first, and reads on', async () => {
    const items = [
      [1, 2],
      [1],
      null,
      'x',
      [1, '2'],
      { id: 1, vector: [1, 2] },
      { vector: [1, 2], payload: { a: 1 } },
      [3, 4],
    ];
    const all = await readAll(await openSource(items as VectorItem[]));
    expect(all.positions).toEqual([0, 7]);
    expect(all.rejected.map(({ position, code }) => [position, code])).toEqual([
      [1, 'VBO_ERR_DIMENSION'],
      [2, 'VBO_ERR_RECORD'],
      [3, 'VBO_ERR_RECORD'],
      [4, 'VBO_ERR_RECORD'],
      [5, 'VBO_ERR_RECORD'],
      [6, 'VBO_ERR_RECORD'],
    ]);
  });

  test('hands out what it has when the producer is slow, and not before', async () => {
    async function* bursts() {
      for (let burst = 0; burst < 3; burst++) {
        for (let i = 0; i < 5; i++) yield [burst, i];
        await sleep(20);
      }
    }
    const all = await readAll(await openSource(bursts()));
    expect(all.vectors.length).toBe(15);
    expect(all.chunks).toBe(3);
  });

  test.each([false, true])('yields the rows before an error of its producer (async: %s)', async (isAsync) => {
    const failure = new Error('out of vectors');
    function* now() {
      yield [1];
      yield [2];
      throw failure;
    }
    async function* later() {
      yield* now();
    }
    const rows: number[] = [];
    const reading = (async () => {
      for await (const chunk of await openSource(isAsync ? later() : now())) rows.push(...chunk.vectors);
    })();
    await expect(reading).rejects.toBe(failure);
    expect(rows).toEqual([1, 2]);
  });

  test('lets its producer clean up when reading stops early', async () => {
    let isCleanedUp = false;
    function* items() {
      try {
        for (;;) yield [1];
      } finally {
        isCleanedUp = true;
      }
    }
    for await (const _ of await openSource(items(), { chunkBytes: 8 })) break;
    expect(isCleanedUp).toBe(true);
  });

  test('refuses to read a stream twice', async () => {
    function* items() {
      yield [1];
    }
    const source = await openSource(items());
    await readAll(source);
    expect((await readAll(source)).error?.code).toBe('VBO_ERR_CLOSED');
  });

  test.each([
    ['no elements', [], /no vectors/],
    ['a flat Float32Array', new Float32Array(4), /is 0; expected an object with a vector/],
    ['an empty vector', [[]], /dimension 0/],
    ['a number', 5, /is 5; expected a path/],
  ])('refuses %s', async (_, items, message) => {
    await expect(openSource(items as never)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});
