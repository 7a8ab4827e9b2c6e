import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { openSource } from '../../src/sources/index.js';
import { load, TestSink } from '../ingest/support.js';
import { bytesOf, npy, readAll, temporaryFolder } from './files.js';

const folder = temporaryFolder();
let directories = 0;

/** A new directory with these files. */
function directory(files: Record<string, string | Uint8Array>): string {
  const path = join(folder.path, `d${directories++}`);
  mkdirSync(path);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

const npyOf = (first: number, rows: number) =>
  npy("'<f4'", [rows, 2], bytesOf(Float32Array.from({ length: 2 * rows }, (_, i) => first + (i >> 1))));
const linesOf = (first: number, rows: number) =>
  Array.from(
    { length: rows },
    (_, i) => `${JSON.stringify({ id: first + i, vector: [first + i, 0] })}\n`,
  ).join('');

describe('a directory', () => {
  test.each([
    ['npy', npyOf],
    ['ndjson', linesOf],
    ['npy.gz', (first: number, rows: number) => gzipSync(npyOf(first, rows))],
  ])('of .%s files is one source, in natural order, from any record', async (extension, write) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 13 }),
        fc.nat(),
        async (sizes, seed) => {
          const files: Record<string, string | Uint8Array> = { '.hidden': 'x', _SUCCESS: '' };
          let rows = 0;
          for (const [i, size] of sizes.entries()) {
            files[`part-${i}.${extension}`] = write(rows, size);
            rows += size;
          }
          const source = await openSource(directory(files), { chunkBytes: 24 });
          const all = await readAll(source);
          expect(all.error).toBeUndefined();
          expect(all.positions).toEqual(Array.from({ length: rows }, (_, i) => i));
          expect(all.vectors.map(([value]) => value)).toEqual(all.positions);
          if (extension === 'npy') expect(source.count).toBe(rows);
          const { readBytes, totalBytes } = source.progress!();
          expect(readBytes).toBe(totalBytes);

          const first = seed % (rows + 1);
          const values: number[] = [];
          for await (const { vectors } of source.from!(first)) {
            for (let i = 0; i < vectors.length; i += 2) values.push(vectors[i]!);
          }
          expect(values).toEqual(all.positions.slice(first));
        },
      ),
      { numRuns: 25, seed: 5 },
    );
  });

  test('counts the records that are rejected, and goes on after them', async () => {
    const path = directory({
      'a.ndjson': `${linesOf(0, 2)}{"id":9}\n`,
      'b.ndjson': `${linesOf(3, 1)}{"id":4,"vector":[1]}\n${linesOf(5, 1)}`,
    });
    const source = await openSource(path);
    const all = await readAll(source);
    expect(all.positions).toEqual([0, 1, 3, 5]);
    expect(all.rejected.map(({ position, code }) => [position, code])).toEqual([
      [2, 'VBO_ERR_RECORD'],
      [4, 'VBO_ERR_DIMENSION'],
    ]);
    const late: unknown[] = [];
    for await (const chunk of source.from!(4)) late.push(chunk.positions, chunk.rejected?.length);
    expect(late).toEqual([[5], 1]);
  });

  test('of Parquet files reads their columns', async () => {
    const data = resolve(import.meta.dirname, '../data/tables');
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(join(data, 'list-zstd.parquet'));
    const source = await openSource(directory({ 'x1.parquet': bytes, 'x2.parquet': bytes }), {
      idColumn: 'title',
    });
    expect(source.count).toBe(600);
    const all = await readAll(source);
    expect([all.ids?.[299], all.ids?.[300], all.positions[599]]).toEqual(['row 299', 'row 0', 599]);
  });

  test('turns the ids of all files into text if those of one are', async () => {
    const path = directory({
      '1.ndjson': '{"id":1,"vector":[1]}\n',
      '2.ndjson': '{"id":"x","vector":[2]}\n',
    });
    expect((await readAll(await openSource(path))).ids).toEqual(['1', 'x']);
  });

  test('has a fingerprint that changes with any of its files and not with its place', async () => {
    const print = async (files: Record<string, Uint8Array>) =>
      (await openSource(directory(files))).fingerprint!();
    const same = { '1.npy': npyOf(0, 3), '2.npy': npyOf(3, 3) };
    const known = await print(same);
    expect(await print(same)).toBe(known);
    expect(await print({ ...same, '2.npy': npyOf(4, 3) })).not.toBe(known);
    expect(await print({ '1.npy': npyOf(0, 3) })).not.toBe(known);
    expect(await print({ '1.npy': same['2.npy'], '2.npy': same['1.npy'] })).not.toBe(known);
  });

  test('yields what comes before a damaged file, and names it', async () => {
    const path = directory({ '1.npy': npyOf(0, 3), '2.npy': npyOf(3, 3).subarray(0, -5) });
    const all = await readAll(await openSource(path));
    expect(all.positions).toEqual([0, 1, 2, 3, 4]);
    expect(all.error).toMatchObject({
      code: 'VBO_ERR_FILE_TRUNCATED',
      message: expect.stringContaining('2.npy" ends at byte'),
    });
  });

  test.each([
    ['cut off', (bytes: Uint8Array) => bytes.subarray(0, -5), 'VBO_ERR_FILE_TRUNCATED', 2],
    [
      'cut off before its first record',
      (bytes: Uint8Array) => bytes.subarray(0, -20),
      'VBO_ERR_FILE_TRUNCATED',
      0,
    ],
    ['too long', (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(3)]), 'VBO_ERR_FILE_FORMAT', 3],
  ] as const)(
    'with a file that is %s fails however often its load is resumed',
    async (_, damage, code, good) => {
      const path = directory({ '1.npy': npyOf(0, 3), '2.npy': damage(npyOf(3, 3)), '3.npy': npyOf(6, 3) });
      const ledger = `${path}.ledger`;
      const clock = new VirtualClock();
      const sink = new TestSink(clock);
      Object.assign(sink, { upserts: 'onRequest' });
      for (const resume of [false, true, true]) {
        const { error, report } = await load(clock, await openSource(path), sink, { ledger, resume });
        expect(error?.code).toBe(code);
        expect(report.resumedFrom + report.acknowledged).toBe(3 + good);
      }
      expect([...sink.stored.keys()]).toEqual([0, 1, 2, 3, 4, 5].slice(0, 3 + good));
    },
  );

  test('of Arrow files with one that is cut off fails however often its load is resumed', async () => {
    const arrow = await import('apache-arrow');
    const type = new arrow.FixedSizeList(2, new arrow.Field('item', new arrow.Float32()));
    const bytesFrom = (first: number) => {
      const vector = arrow.vectorFromArray(
        [0, 1, 2].map((row) => [first + row, 0]),
        type,
      );
      return arrow.tableToIPC(new arrow.Table({ vector }), 'stream');
    };
    const path = directory({
      '1.arrows': bytesFrom(0),
      '2.arrows': bytesFrom(3).subarray(0, -21),
      '3.arrows': bytesFrom(6),
    });
    const ledger = `${path}.ledger`;
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    Object.assign(sink, { upserts: 'onRequest' });
    for (const resume of [false, true, true]) {
      const { error } = await load(clock, await openSource(path), sink, { ledger, resume });
      expect(error?.code).toBe('VBO_ERR_FILE_TRUNCATED');
    }
    expect(Math.max(...(sink.stored.keys() as Iterable<number>))).toBeLessThan(6);
  });

  test.each([
    [
      'mixed formats',
      { 'a.npy': npyOf(0, 1), 'b.ndjson': linesOf(0, 1) },
      'VBO_ERR_FILE_FORMAT',
      /mixes formats: a\.npy is npy, other than "b\.ndjson \(ndjson\)"/,
    ],
    [
      'an unreadable file',
      { 'a.npy': npyOf(0, 1), 'notes.txt': 'hello' },
      'VBO_ERR_FILE_FORMAT',
      /notes\.txt" is of no known format/,
    ],
    ['an empty file', { 'a.npy': npyOf(0, 1), 'b.npy': '' }, 'VBO_ERR_FILE_EMPTY', /b\.npy" is empty/],
    [
      'another dimension',
      { 'a.npy': npyOf(0, 1), 'b.npy': npy("'<f4'", [1, 3], new Uint8Array(12)) },
      'VBO_ERR_DIMENSION',
      /b\.npy" holds vectors of dimension 3, .*a\.npy" of 2/,
    ],
    [
      'ids in some files only',
      { 'a.ndjson': linesOf(0, 1), 'b.ndjson': '[1,2]\n' },
      'VBO_ERR_FILE_FORMAT',
      /only one has ids/,
    ],
    ['nothing', {}, 'VBO_ERR_FILE_EMPTY', /holds no files/],
  ])('with %s is refused', async (_, files, code, message) => {
    await expect(openSource(directory(files as Record<string, string>))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('with a directory in it is refused', async () => {
    const path = directory({ 'a.npy': npyOf(0, 1) });
    mkdirSync(join(path, 'more'));
    await expect(openSource(path)).rejects.toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringContaining('holds what is no file: "more"'),
    });
  });
});
