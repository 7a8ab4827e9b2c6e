import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { readAll } from './files.js';

/** Files that pyarrow and polars wrote; README.md beside them says what is in them. */
const DATA = resolve(import.meta.dirname, '../data/tables');
const at = (name: string) => join(DATA, name);
const ROWS = 300;
const rows = Array.from({ length: ROWS }, (_, i) => i);
const vectorOf = (i: number) => [i, i / 2, i === 0 ? 0 : -i, 0.25];
/** The column that holds the nested values of row i. */
const tagsOf = (i: number) => (i % 3 ? [`t${i}`, null] : null);

describe.each([
  ...['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'].map((codec) => `list-${codec}.parquet`),
  ...['pages-v2', 'double-plain', 'split', 'half', 'polars'].map((name) => `${name}.parquet`),
  ...['list32.arrows', 'fixed16.arrows', 'fixed64.arrows', 'polars.arrow'],
])('%s', (name) => {
  test.each([1, 100, 1000, 1_000_000])('is read whole in chunks of %i bytes', async (chunkBytes) => {
    const source = await openSource(at(name), { chunkBytes });
    expect([source.dimension, source.count]).toEqual([4, ROWS]);
    const all = await readAll(source);
    await source.close?.();
    expect(all.error).toBeUndefined();
    expect(all.rejected).toEqual([]);
    expect(all.positions).toEqual(rows);
    expect(all.ids).toEqual(rows);
    expect(all.vectors.map((vector) => vector.map((v) => v + 0))).toEqual(rows.map(vectorOf));
    expect(all.payloads).toEqual(rows.map((i) => ({ title: `row ${i}` })));
    expect(source.progress!().readBytes).toBeGreaterThan(0);
  });

  test('goes on from any record', async () => {
    const source = await openSource(at(name), { chunkBytes: 160 });
    for (const first of [1, 7, 8, 127, 128, 129, 299, 300]) {
      const positions: number[] = [];
      for await (const chunk of source.from!(first)) {
        const start = (chunk.positions as { first: number }).first;
        for (let row = 0; row < chunk.vectors.length / 4; row++) {
          positions.push(start + row);
          expect(chunk.vectors[row * 4]).toBe(start + row);
        }
      }
      expect(positions, `from ${first}`).toEqual(rows.slice(first));
    }
    await source.close?.();
  });
});

describe.each(['nested.parquet', 'fixed-uncompressed.feather', 'fixed-lz4.feather', 'fixed-zstd.feather'])(
  '%s',
  (name) => {
    test('keeps lists, structs, dictionaries, times and large integers in its payloads', async () => {
      const all = await readAll(await openSource(at(name), { chunkBytes: 500 }));
      expect(all.error).toBeUndefined();
      expect(all.vectors.length).toBe(ROWS);
      expect(all.payloads).toEqual(
        rows.map((i) => ({
          title: `row ${i}`,
          tags: tagsOf(i),
          origin: i % 5 ? { page: i, when: new Date(Date.UTC(2024, 0, 1 + (i % 28))).toISOString() } : null,
          kind: i % 2 ? 'a' : 'b',
          big: (2n ** 60n + BigInt(i)).toString(),
        })),
      );
    });

    test('gives the payload columns that are asked for, and none if none are', async () => {
      const some = await readAll(await openSource(at(name), { payloadColumns: ['kind', 'title'] }));
      expect(some.payloads[3]).toEqual({ kind: 'a', title: 'row 3' });
      const none = await readAll(await openSource(at(name), { payloadColumns: [] }));
      expect([none.payloads, none.ids?.length]).toEqual([[], ROWS]);
    });
  },
);

test.each(['holes.parquet', 'holes.arrow'])('%s: rejects what is no vector, by position', async (name) => {
  for (const chunkBytes of [1, 300, 1_000_000]) {
    const all = await readAll(await openSource(at(name), { chunkBytes }));
    expect(all.positions).toEqual(rows.filter((i) => i < 7 || i > 10));
    expect(all.rejected.map(({ position, id, code, message }) => [position, id, code, message])).toEqual([
      [7, 7, 'VBO_ERR_RECORD', 'Row 7 has a vector that is null.'],
      [8, 8, 'VBO_ERR_DIMENSION', 'Row 8 has dimension 0; expected 4.'],
      [9, 9, 'VBO_ERR_RECORD', 'Row 9 has a vector that holds null at [1].'],
      [10, 10, 'VBO_ERR_DIMENSION', 'Row 10 has dimension 2; expected 4.'],
    ]);
    expect(all.rejected[3]).toMatchObject({ vector: [1, 2], payload: { title: 'row 10' } });
  }
});

test.each(['large-ids.parquet', 'large-ids.arrow'])('%s: loses no digit of an id', async (name) => {
  const all = await readAll(await openSource(at(name)));
  expect(all.ids).toEqual(rows.map((i) => (2n ** 53n + BigInt(i)).toString()));
});

test('bytes are vectors where they are said to be', async () => {
  const all = await readAll(await openSource(at('bytes.parquet'), { vectorColumn: 'vector' }));
  expect(all.vectors.map((vector) => vector.map((v) => v + 0))).toEqual(rows.map(vectorOf));
  await expect(openSource(at('bytes.parquet'))).rejects.toMatchObject({
    code: 'VBO_ERR_COLUMN',
    message: expect.stringMatching(
      /no column of vectors \(lists of floats\); its columns are: id \(int64\), vector \(fixed_len_byte_array\), title/,
    ),
  });
});

test.each([
  [{ vectorColumn: 'v' }, /has no column "v" for the vectors; its columns are: id \(.*\), vector \(/],
  [{ vectorColumn: 'title' }, /"title" of type .*, which cannot hold vectors; those that can are: vector \(/],
  [{ idColumn: 'vector' }, /cannot hold ids; those that can are: id \(.*\), title/],
  [{ payloadColumns: ['title', 'x'] }, /has no column "x" for the payload/],
])('columns %j are refused with those there are', async (columns, message) => {
  for (const name of ['list-snappy.parquet', 'list32.arrows']) {
    await expect(openSource(at(name), columns)).rejects.toMatchObject({
      code: 'VBO_ERR_COLUMN',
      message: expect.stringMatching(message),
    });
  }
});

test('text can be the id', async () => {
  const all = await readAll(await openSource(at('polars.parquet'), { idColumn: 'title' }));
  expect(all.ids?.[17]).toBe('row 17');
  expect(all.payloads[17]).toEqual({ id: 17 });
});
