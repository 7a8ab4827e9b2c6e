import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, test } from 'vitest';
import type { Id } from '../../src/ingest/ports.js';
import { openSink } from '../../src/sinks/index.js';
import { type SqliteDriver, SqliteSink } from '../../src/sinks/sqlite.js';
import { batch, bitsOf, opened, openWithout, signal } from './batches.js';
import { describeConformance, nested, type StoredRecord } from './conformance.js';

const folder = mkdtempSync(join(tmpdir(), 'vbo sqlite-'));
const file = join(folder, 'vectors.db');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let tables = 0;
const tableUrl = () => `sqlite://${file}?table=t${tables++}`;
const tableOf = (url: string) => /table=(.*)/.exec(url)![1]!;

/** The library's own types are those of another one. */
interface Connection {
  exec(sql: string): void;
  prepare(sql: string): { all(parameters: unknown[]): Record<string, unknown>[] };
  close(): void;
}

function withDatabase<T>(use: (database: Connection) => T): T {
  const database = new Database(file) as unknown as Connection;
  try {
    return use(database);
  } finally {
    database.close();
  }
}

const query = (sql: string): Record<string, unknown>[] =>
  withDatabase((database) => database.prepare(sql).all([]));

async function stored(url: string): Promise<Map<Id, StoredRecord>> {
  return new Map(
    query(`SELECT id, vector, payload FROM "${tableOf(url)}"`).map(({ id, vector, payload }) => [
      id as Id,
      {
        vector: new Uint32Array(Uint8Array.from(new Uint8Array(vector as ArrayBuffer)).buffer),
        payload: typeof payload === 'string' ? JSON.parse(payload) : null,
      },
    ]),
  );
}

describeConformance('the SQLite sink', {
  url: tableUrl,
  stored,
  poison: { payload: nested(1100), message: /malformed JSON/ },
});

describe('the SQLite sink', () => {
  test('stores what any SQLite can read, in a table of the expected form', async () => {
    const url = tableUrl();
    const sink = await opened(url, { idType: 'string', dimension: 3 });
    await sink.close();
    expect(query(`SELECT sql FROM sqlite_master WHERE name = '${tableOf(url)}'`)[0]!.sql).toMatch(
      /\(id TEXT PRIMARY KEY NOT NULL, vector F32_BLOB\(3\) NOT NULL, payload TEXT\)/,
    );
    expect(query('PRAGMA journal_mode')).toMatchObject([{ journal_mode: 'wal' }]);
    expect(query('PRAGMA page_size')).toMatchObject([{ page_size: 16_384 }]);
  });

  test('has every batch reach the disk before it is acknowledged', async () => {
    const connections: InstanceType<SqliteDriver>[] = [];
    const { default: Driver } = await import('libsql/promise');
    class Watched extends (Driver as unknown as SqliteDriver) {
      constructor(path: string, options: object) {
        super(path, options);
        connections.push(this);
      }
    }
    const sink = new SqliteSink({ path: file, table: 't' }, async () => Watched);
    await sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false });
    // 2 is FULL: in WAL mode the log is synced at the end of every transaction.
    expect(await (await connections[0]!.prepare('PRAGMA synchronous')).all([])).toMatchObject([
      { synchronous: 2 },
    ]);
    await sink.close();
  });

  test('stores vectors that libSQL can compare and index', async () => {
    const url = tableUrl();
    const sink = await opened(url);
    await sink.write(batch(0, 50, 4), signal);
    await sink.close();
    withDatabase((database) => {
      const name = tableOf(url);
      database.exec(`CREATE INDEX ${name}_index ON ${name} (libsql_vector_idx(vector))`);
      const nearest = database
        .prepare(`SELECT id FROM vector_top_k('${name}_index', (SELECT vector FROM ${name} WHERE id = 7), 1)`)
        .all([]);
      expect(nearest).toMatchObject([{ id: 7 }]);
    });
  });

  test('leaves the event loop alone while it writes', async () => {
    const sink = await opened(tableUrl(), { dimension: 768 });
    const b = batch(0, 4000, 768);
    let ticks = 0;
    let isDone = false;
    const tick = () => {
      ticks++;
      if (!isDone) setImmediate(tick);
    };
    const write = sink.write(b, signal);
    setImmediate(tick);
    await write;
    isDone = true;
    await sink.close();
    expect(ticks).toBeGreaterThan(20);
  });

  test.each([1.5, Number.NaN, 2 ** 53])('calls the id %j a permanent fault of its record', async (id) => {
    const sink = await opened(tableUrl());
    expect(await sink.write(batch(0, 2, 4, { ids: [1, id] }), signal)).toMatchObject({
      kind: 'permanent',
      error: { code: 'VBO_ERR_RECORD', message: expect.stringContaining(String(id)), details: { index: 1 } },
    });
    expect(await sink.count!()).toBe(0);
    await sink.close();
  });

  test('refuses an id with a NUL, which SQLite would cut', async () => {
    const sink = await opened(tableUrl(), { idType: 'string' });
    expect(await sink.write(batch(0, 2, 4, { ids: ['a', 'a\0b'] }), signal)).toMatchObject({
      kind: 'permanent',
      error: { code: 'VBO_ERR_RECORD', details: { index: 1 } },
    });
    await sink.close();
  });

  test('waits for another writer, and then stores', async () => {
    const sink = await opened(tableUrl());
    const other = new Database(file) as unknown as Connection;
    other.exec('BEGIN IMMEDIATE');
    const write = sink.write(batch(0, 1, 4), signal);
    setTimeout(() => other.exec('COMMIT'), 100);
    expect(await write).toMatchObject({ kind: 'ok' });
    other.close();
    await sink.close();
  });

  test.each([
    ['retry', 5, 'database is locked'],
    ['retry', 10 | (12 << 8), 'disk I/O error'],
    ['fatal', 13, 'database or disk is full'],
    ['fatal', 8, 'attempt to write a readonly database'],
    ['permanent', 19 | (5 << 8), 'NOT NULL constraint failed: t.vector'],
    ['shrink', 18, 'string or blob too big'],
    ['fatal', 1, 'no such table: t'],
    ['retry', undefined, 'something nobody has seen before'],
  ] as const)('calls it %s if the database fails with code %s, %s', async (kind, rawCode, message) => {
    class Driver {
      async exec() {}
      async prepare(sql: string) {
        return {
          async all() {
            if (/^\s*INSERT/.test(sql)) throw Object.assign(new Error(message), { rawCode });
            const column = { required: 0, unique: 1 };
            return [
              { name: 'id', type: 'INTEGER', ...column },
              { name: 'vector', type: 'F32_BLOB(4)', ...column },
            ];
          },
        };
      }
      close() {}
    }
    const sink = new SqliteSink({ path: file, table: 't' }, async () => Driver);
    await sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false });
    expect(await sink.write(batch(0, 1, 4), signal)).toMatchObject({
      kind,
      error: { code: 'VBO_ERR_SINK', message: expect.stringContaining(message) },
    });
  });

  test.each([
    [
      'text ids in an id column of integers',
      { idType: 'string' },
      /id column of INTEGER, but the ids of the source are strings/,
    ],
    ['no payload column', { hasPayloads: true }, /no payload column/],
  ] as const)('refuses a table with %s', async (_, options, message) => {
    const url = tableUrl();
    withDatabase((d) => d.exec(`CREATE TABLE ${tableOf(url)} (id INTEGER PRIMARY KEY, vector F32_BLOB(4))`));
    await expect(opened(url, options)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ['an id column that may repeat', 'id INTEGER, vector F32_BLOB(4)', /no unique index on its id/],
    [
      'a key of two columns',
      'id INTEGER, k INTEGER, vector F32_BLOB(4), PRIMARY KEY (id, k)',
      /no unique index/,
    ],
    ['vectors of float64', 'id INTEGER PRIMARY KEY, vector F64_BLOB(4)', /vector column of F64_BLOB\(4\)/],
    ['a column without default', 'id INTEGER PRIMARY KEY, vector F32_BLOB(4), x TEXT NOT NULL', /column x/],
  ])('refuses a table with %s', async (_, columns, message) => {
    const url = tableUrl();
    withDatabase((database) => database.exec(`CREATE TABLE ${tableOf(url)} (${columns})`));
    await expect(opened(url)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringMatching(message),
    });
  });

  test('fits a table made by others: a unique index, columns that may stay empty', async () => {
    const url = tableUrl();
    withDatabase((database) => {
      database.exec(`CREATE TABLE ${tableOf(url)} (text TEXT, vector FLOAT32(4), id BIGINT)`);
      database.exec(`CREATE UNIQUE INDEX ${tableOf(url)}_id ON ${tableOf(url)} (id)`);
    });
    const sink = await opened(url);
    const again = batch(1, 2, 4);
    for (const b of [batch(0, 2, 4), again])
      expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(3);
    await sink.close();
    const [row] = query(`SELECT vector FROM ${tableOf(url)} WHERE id = 1`);
    expect(new Uint32Array(row!.vector as ArrayBuffer)).toEqual(bitsOf(again, 0));
  });

  test.each([
    ['a folder', () => folder],
    ['a file in a folder that is not there', () => join(folder, 'nowhere', 'x.db')],
    [
      'a file of something else',
      () => {
        writeFileSync(join(folder, 'text'), 'this is not a database'.repeat(1000));
        return join(folder, 'text');
      },
    ],
  ])('cannot open %s', async (_, path) => {
    await expect(opened(`sqlite://${path()}?table=t`)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
    });
  });

  test.each(['?table=a b', '?table=../x', '?table='])('refuses %s', async (options) => {
    await expect(openSink(`sqlite://${file}${options}`)).rejects.toMatchObject({ code: 'VBO_ERR_URL' });
  });

  test('names the command that installs its package where it is missing', async () => {
    expect(await openWithout('libsql', 'sqlite://./nowhere.db')).toMatchObject({
      code: 'VBO_ERR_MISSING_PACKAGE',
      message: expect.stringContaining('npm install libsql'),
    });
  });
});
