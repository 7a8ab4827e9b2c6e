import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lancedb from '@lancedb/lancedb';
import * as arrow from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import type { Id } from '../../src/ingest/ports.js';
import { openSink } from '../../src/sinks/index.js';
import { LanceDbSink } from '../../src/sinks/lancedb.js';
import { batch, bitsOf, opened, openWithout, signal } from './batches.js';
import { describeConformance, type StoredRecord } from './conformance.js';

const folder = mkdtempSync(join(tmpdir(), 'vbo lancedb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let tables = 0;
const tableUrl = (options = '') => `lancedb://${folder}?table=t${tables++}${options}`;

/** All rows of a table by id, through a connection of its own. */
async function stored(url: string): Promise<Map<Id, StoredRecord>> {
  const connection = await lancedb.connect(folder);
  const table = await connection.openTable(/table=([^&]*)/.exec(url)![1]!);
  const rows = await table.query().toArray();
  return new Map(
    rows.map((row) => [
      typeof row.id === 'bigint' ? Number(row.id) : row.id,
      {
        vector: new Uint32Array(Float32Array.from(row.vector).buffer),
        payload: row.payload ? JSON.parse(row.payload) : null,
      },
    ]),
  );
}

/** The object with some of its members replaced; its own methods still see the originals. */
function withMembers<T extends object>(target: T, members: Record<string, unknown>): T {
  return new Proxy(target, {
    get(_, key) {
      if (typeof key === 'string' && Object.hasOwn(members, key)) return members[key];
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A sink whose tables lack the native code's own `add`, or have another. */
function sinkWithNative(add?: () => Promise<unknown>): LanceDbSink {
  const changed = (table: lancedb.Table) => withMembers(table, { inner: add && { add } });
  const connect = async (directory: string) => {
    const connection = await lancedb.connect(directory);
    return withMembers(connection, {
      openTable: async (name: string) => changed(await connection.openTable(name)),
      createEmptyTable: async (name: string, schema: arrow.Schema) =>
        changed(await connection.createEmptyTable(name, schema)),
    });
  };
  const options = { directory: folder, table: `t${tables++}`, mode: 'append', optimize: 'auto' } as const;
  const packages = { arrow, lancedb: { ...lancedb, connect } as unknown as typeof lancedb };
  return new LanceDbSink(options, async () => packages);
}

// LanceDB itself refuses nothing that fits the columns; what JSON cannot tell does not get there.
describeConformance('the LanceDB sink', {
  url: tableUrl,
  stored,
  poison: { payload: { n: 1n }, code: 'VBO_ERR_RECORD', message: /BigInt/ },
});

describe('the LanceDB sink', () => {
  test('stores what it is given, bit for bit, with mode=upsert', async () => {
    const url = tableUrl('&mode=upsert');
    const sink = await opened(url, { dimension: 33 });
    const batches = [batch(0, 1, 33), batch(1, 700, 33), batch(701, 7, 33)];
    for (const b of batches) expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(708);
    await sink.finish();
    await sink.close();
    const rows = await stored(url);
    expect(rows.size).toBe(708);
    for (const b of batches) {
      for (let i = 0; i < b.rows; i++) expect(rows.get(b.ids[i]!)?.vector).toEqual(bitsOf(b, i));
    }
  });

  test('calls an id that is no integer a permanent fault of its record', async () => {
    const sink = await opened(tableUrl());
    expect(await sink.write(batch(0, 2, 4, { ids: [1, 1.5] }), signal)).toMatchObject({
      kind: 'permanent',
      error: { code: 'VBO_ERR_RECORD', message: expect.stringContaining('1.5'), details: { index: 1 } },
    });
    expect(await sink.count!()).toBe(0);
  });

  test('stores a row that is sent twice only once with mode=upsert', async () => {
    const url = tableUrl('&mode=upsert');
    const sink = await opened(url);
    for (const first of [0, 0, 5]) await sink.write(batch(first, 10, 4), signal);
    expect(await sink.count!()).toBe(15);
    expect((await stored(url)).get(5)?.vector).toEqual(bitsOf(batch(5, 10, 4), 0));
  });

  test('creates the table once when three open it at the same time and write at once', async () => {
    for (let round = 0; round < 50; round++) {
      const url = tableUrl();
      const outcomes = await Promise.all(
        [0, 10, 20].map(async (first) => (await opened(url)).write(batch(first, 10, 4), signal)),
      );
      expect(outcomes.map(({ kind }) => kind)).toEqual(['ok', 'ok', 'ok']);
      expect((await stored(url)).size).toBe(30);
    }
    expect(readdirSync(folder).filter((name) => !name.endsWith('.lance'))).toEqual([]);
  });

  test('ends when another writer overwrites the table, with what was stored before', async () => {
    const sink = await opened(tableUrl());
    const connection = await lancedb.connect(folder);
    expect(await sink.write(batch(0, 10, 4), signal)).toMatchObject({ kind: 'ok' });
    const schema = await (await connection.openTable(`t${tables - 1}`)).schema();
    await connection.createEmptyTable(`t${tables - 1}`, schema, { mode: 'overwrite' });
    expect(await sink.write(batch(10, 10, 4), signal)).toMatchObject({
      kind: 'fatal',
      error: { code: 'VBO_ERR_SINK', message: expect.stringContaining('Overwrite') },
    });
  });

  test('compacts many small fragments at the end, and only those', async () => {
    for (const [optimize, fragments] of [
      ['auto', 1],
      ['never', 101],
    ] as const) {
      const url = tableUrl(`&optimize=${optimize}`);
      const sink = await opened(url);
      for (let i = 0; i < 101; i++) await sink.write(batch(i, 1, 4), signal);
      await sink.finish();
      expect(await sink.count!()).toBe(101);
      const table = await (await lancedb.connect(folder)).openTable(`t${tables - 1}`);
      expect((await table.stats()).fragmentStats.numFragments).toBe(fragments);
    }
  });

  test.each([
    [
      'an id column of another type',
      { idType: 'string' },
      /id column of Int64; the ids of the source are strings/,
    ],
    ['no payload column', { hasPayloads: true }, /no payload column; expected Utf8/],
  ] as const)('refuses a table with %s', async (_, options, message) => {
    const url = tableUrl();
    await (await opened(url)).close();
    await expect(opened(url, options)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringMatching(message),
    });
  });

  test('fits a table made by others: its id type, and columns that may stay empty', async () => {
    const url = tableUrl();
    const { Field, Utf8, Float64, FixedSizeList, Float32, Schema } = arrow;
    const vector = new Field('vector', new FixedSizeList(4, new Field('element', new Float32(), true)), true);
    const connection = await lancedb.connect(folder);
    await connection.createEmptyTable(
      `t${tables - 1}`,
      new Schema([new Field('text', new Utf8(), true), vector, new Field('id', new Float64(), true)]),
    );
    const sink = await opened(url);
    const b = batch(0, 3, 4, { ids: [1, 2.5, 3] });
    expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    expect((await stored(url)).get(2.5)?.vector).toEqual(bitsOf(b, 1));
  });

  test('stores the same through the public add, should the native one be gone', async () => {
    const sink = sinkWithNative();
    await sink.open({ dimension: 7, metric: 'cosine', idType: 'string', hasPayloads: true });
    const b = batch(0, 50, 7, { ids: Array.from({ length: 50 }, (_, i) => `ü${i}`), payloads: [{ a: 1 }] });
    expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    const rows = await stored(sink.name);
    for (let i = 0; i < 50; i++) expect(rows.get(`ü${i}`)?.vector).toEqual(bitsOf(b, i));
    expect(rows.get('ü0')?.payload).toEqual({ a: 1 });
  });

  test('calls payloads that JSON cannot tell permanent', async () => {
    const sink = await opened(tableUrl(), { hasPayloads: true });
    const circle: Record<string, unknown> = {};
    circle.again = circle;
    for (const payload of [{ n: 1n }, circle]) {
      for (const mayBeStored of [false, true]) {
        const outcome = await sink.write(batch(0, 2, 4, { payloads: [null, payload], mayBeStored }), signal);
        expect(outcome).toMatchObject({ kind: 'permanent', error: { code: 'VBO_ERR_RECORD' } });
      }
    }
  });

  test.each([
    ['retry', 'Retryable commit conflict for version 7: This Append transaction was preempted'],
    ['retry', 'Too many concurrent writers'],
    ['fatal', 'LanceError(IO): No space left on device (os error 28)'],
    ['fatal', `Unable to open ${folder}/x/concurrent.lance/1: No space left on device, a/conflict.rs:1:2`],
    ['retry', `Unable to read ${folder.slice(1)}/not found/x.lance: try again, a/not found.rs:1:2`],
    [
      'fatal',
      "Invalid input, cannot cast field 'vector' from FixedSizeList(2 x Float32) to FixedSizeList(4 x Float32)",
    ],
    ['permanent', 'Ambiguous merge inserts are prohibited: multiple source rows match the same target row'],
    ['retry', 'something nobody has seen before'],
  ] as const)('calls it %s if the database says %j', async (kind, message) => {
    const sink = sinkWithNative(async () => {
      throw new Error(message);
    });
    await sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false });
    expect(await sink.write(batch(0, 1, 4), signal)).toMatchObject({
      kind,
      error: { code: 'VBO_ERR_SINK', message: expect.stringContaining(message) },
    });
  });

  test('uses the table "vectors" by default, and says what it can take', async () => {
    const sink = await opened(`lancedb://${folder}`);
    expect((await (await lancedb.connect(folder)).tableNames()).includes('vectors')).toBe(true);
    expect(sink.limits().maxConcurrency).toBeGreaterThanOrEqual(1);
    expect(sink.bytesPerVector(100)).toBe(408);
    expect(sink.database).toBe('lancedb');
  });

  test('gives a write that was aborted before it began back for a retry', async () => {
    const sink = await opened(tableUrl());
    expect(await sink.write(batch(0, 1, 4), AbortSignal.abort())).toMatchObject({
      kind: 'retry',
      error: { code: 'VBO_ERR_ABORTED' },
    });
    expect(await sink.count!()).toBe(0);
  });

  test.each(['?table=a b', '?table=../x', '?table=', '?mode=replace', '?optimize=yes'])(
    'refuses %s',
    async (query) => {
      await expect(openSink(`lancedb://${folder}${query}`)).rejects.toMatchObject({
        code: expect.stringMatching(/^VBO_ERR_(URL|ARGUMENT)$/),
      });
    },
  );

  test('cannot open a folder that is a file', async () => {
    await expect(opened('lancedb:///dev/null?table=t')).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
    });
  });

  test('names the command that installs its packages where they are missing', async () => {
    expect(await openWithout('@lancedb/lancedb', 'lancedb://./nowhere')).toMatchObject({
      code: 'VBO_ERR_MISSING_PACKAGE',
      message: expect.stringContaining('npm install @lancedb/lancedb apache-arrow@18.1.0'),
    });
  });
});
