import { once } from 'node:events';
import { createServer } from 'node:net';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSink } from '../../src/sinks/index.js';
import { batch, bitsOf, opened, openWithout, signal } from './batches.js';
import { describeConformance, type Subject } from './conformance.js';
import { POISON, storedRows } from './pgvector.js';

/** Tables of this run: a real server may keep those of others. */
const prefix = `vbo_test_${process.pid}_`;
let tables = 0;
const tableOf = (url: string) => new URL(url).searchParams.get('table')!;

function urlWith(base: string, options: Record<string, string> = {}): string {
  const url = new URL(base);
  for (const [name, value] of Object.entries(options)) url.searchParams.set(name, value);
  return url.href;
}

const tableUrl = (base: string, options: Record<string, string> = {}) =>
  urlWith(base, { table: `${prefix}${tables++}`, ...options });

async function query(base: string, sql: string): Promise<Record<string, unknown>[]> {
  const url = new URL(base);
  for (const option of ['table', 'connections', 'type', 'copy']) url.searchParams.delete(option);
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const subjectOf = (base: () => string): Subject => ({
  url: () => tableUrl(base()),
  stored: (url) => storedRows((sql) => query(url, sql), tableOf(url)),
  poison: POISON,
});

/** What any PostgreSQL with pgvector must do, whichever it is. */
function describeServer(name: string, base: () => string): void {
  describeConformance(`the PostgreSQL sink on ${name}`, subjectOf(base));

  describe(`the PostgreSQL sink on ${name}`, () => {
    afterAll(async () => {
      for (let i = 0; i < tables; i++) await query(base(), `DROP TABLE IF EXISTS ${prefix}${i}`);
    });

    test('goes on with upserts when a COPY meets an id that is stored', async () => {
      const url = tableUrl(base());
      const sink = await opened(url, { hasPayloads: true });
      const rows = batch(5, 10, 4, { payloads: [{ a: 1 }, null] });
      for (const b of [batch(0, 10, 4), rows, batch(20, 3, 4)]) {
        expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
      }
      expect(await sink.count!()).toBe(18);
      await sink.close();
      const stored = await storedRows((sql) => query(url, sql), tableOf(url));
      expect(stored.get(5)).toEqual({ vector: bitsOf(rows, 0), payload: { a: 1 } });
      expect(stored.get(14)).toEqual({ vector: bitsOf(rows, 9), payload: null });
    });

    test.each([
      ['id uuid PRIMARY KEY, vector vector(4), payload json', 'string'],
      ['id integer PRIMARY KEY, vector vector(4), payload text', 'number'],
      ['id varchar(40) UNIQUE, note text, vector vector(4), payload jsonb', 'string'],
      ['id bigint PRIMARY KEY, vector vector(4), note text NOT NULL DEFAULT 1', 'number'],
    ] as const)('fits a table of others: %s', async (columns, idType) => {
      const url = tableUrl(base());
      await query(url, `CREATE TABLE ${tableOf(url)} (${columns})`);
      const hasPayloads = columns.includes('payload');
      const sink = await opened(url, { idType, hasPayloads });
      const ids = [1, 2].map((i) => (idType === 'number' ? i : `00000000-0000-4000-8000-00000000000${i}`));
      const payloads = hasPayloads ? { payloads: [{ a: 1 }, null] } : {};
      for (const mayBeStored of [false, true]) {
        const outcome = await sink.write(batch(0, 2, 4, { ids, mayBeStored, ...payloads }), signal);
        expect(outcome).toMatchObject({ kind: 'ok' });
      }
      await sink.close();
      const rows = await query(url, `SELECT * FROM ${tableOf(url)} ORDER BY id`);
      expect(rows.map(({ id }) => (idType === 'number' ? Number(id) : id))).toEqual(ids);
      if (hasPayloads) {
        const [first, second] = rows.map(({ payload }) =>
          typeof payload === 'string' ? JSON.parse(payload) : payload,
        );
        expect([first, second]).toEqual([{ a: 1 }, null]);
      }
    });

    test.each([
      ['id bigint, vector vector(4)', /no unique index on its id/],
      ['id bigint PRIMARY KEY, vector real[]', /vector column of real\[\]/],
      ['id text PRIMARY KEY, vector vector(4)', /id column of text, but the ids of the source are numbers/],
      ['id bigint PRIMARY KEY, vector vector(4), x text NOT NULL', /column x, which cannot be left empty/],
    ])('refuses the table (%s)', async (columns, message) => {
      const url = tableUrl(base());
      await query(url, `CREATE TABLE ${tableOf(url)} (${columns})`);
      await expect(opened(url)).rejects.toMatchObject({
        code: 'VBO_ERR_SINK',
        message: expect.stringMatching(message),
      });
    });

    test('calls values that a column cannot hold permanent, and a table that is gone fatal', async () => {
      const url = tableUrl(base());
      await query(url, `CREATE TABLE ${tableOf(url)} (id integer PRIMARY KEY, vector vector(4))`);
      const sink = await opened(url);
      for (const id of [2 ** 31, 1.5]) {
        expect(await sink.write(batch(0, 1, 4, { ids: [id] }), signal)).toMatchObject({ kind: 'permanent' });
      }
      const notFinite = batch(0, 1, 4);
      notFinite.vectors[2] = Number.NaN;
      expect(await sink.write(notFinite, signal)).toMatchObject({
        kind: 'permanent',
        error: {
          code: 'VBO_ERR_SINK',
          message: expect.stringContaining('NaN'),
          details: { sqlState: '22000' },
        },
      });
      const twice = batch(0, 2, 4, { ids: [1, 1], mayBeStored: true });
      expect(await sink.write(twice, signal)).toMatchObject({ kind: 'permanent' });
      await query(url, `DROP TABLE ${tableOf(url)}`);
      expect(await sink.write(batch(0, 1, 4), signal)).toMatchObject({ kind: 'fatal' });
      await sink.close();
    });
  });
}

describe('with a server in this process', () => {
  let database: PGlite;
  let server: PGLiteSocketServer;
  let base = '';

  beforeAll(async () => {
    database = await PGlite.create({ extensions: { vector } });
    server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: 0, maxConnections: 8 });
    await server.start();
    // Its socket loses the protocol over a COPY from the client; a real server's is tested with POSTGRES_URL.
    base = `postgres://postgres:secret@${server.getServerConn()}/postgres?sslmode=disable&connections=1&copy=never`;
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  describeServer('PGlite over the wire', () => base);

  test('shows no password', async () => {
    const sink = await openSink(tableUrl(base));
    expect(sink.name).toMatch(/^postgres:\/\/postgres@127\.0\.0\.1:\d+\/postgres\?table=/);
  });
});

describe.skipIf(!process.env.POSTGRES_URL)('with the server of POSTGRES_URL', () => {
  const base = () => process.env.POSTGRES_URL!;

  describeServer('a server', base);

  test('ends a write whose signal aborts, and stores the next', async () => {
    const url = tableUrl(base());
    const sink = await opened(url);
    expect(sink.limits().maxConcurrency).toBeGreaterThan(1);
    const lock = new pg.Client({ connectionString: base() });
    await lock.connect();
    await lock.query(`BEGIN; LOCK TABLE ${tableOf(url)}`);
    for (const mayBeStored of [false, true]) {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('too slow')), 100);
      const outcome = await sink.write(batch(0, 1, 4, { mayBeStored }), abort.signal);
      expect(outcome).toMatchObject({ kind: 'retry' });
    }
    await lock.query('COMMIT');
    await lock.end();
    const again = batch(0, 1, 4, { mayBeStored: true });
    expect(await sink.write(again, signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(1);
    await sink.close();
  });

  test('goes on after the server closed its connections', async () => {
    const url = tableUrl(base());
    const sink = await opened(url);
    await sink.write(batch(0, 1, 4), signal);
    await query(
      base(),
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vector-batch-optimizer'`,
    );
    const kinds = [];
    for (let i = 1; i <= 3; i++) kinds.push((await sink.write(batch(i, 1, 4), signal)).kind);
    expect(kinds.at(-1)).toBe('ok');
    expect(kinds).not.toContain('fatal');
    await sink.close();
  });
});

describe('the PostgreSQL sink', () => {
  test('says in one line what it could not reach', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await expect(opened(`postgres://me:secret@127.0.0.1:${port}/db?table=t`)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: `Cannot connect to postgres://me@127.0.0.1:${port}/db?table=t: connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  test.each([
    ['', '?table=vectors'],
    ['?type=halfvec&connections=2&table=a.b', '?table=a.b'],
    ['?options=-csearch_path%3Dx', '?table=vectors&options=-csearch_path%3Dx'],
    ['?host=other&password=secret', '?table=vectors&host=other'],
  ])('with %s has a name that says where rows go: %s', async (query, named) => {
    expect((await openSink(`postgres://me:secret@h/db${query}`)).name).toBe(`postgres://me@h/db${named}`);
  });

  test.each([
    'postgres://host',
    'postgres:///db',
    'postgres://host/db?table=a b',
    'postgres://host/db?table=',
  ])('refuses %s', async (url) => {
    await expect(openSink(url)).rejects.toMatchObject({ code: 'VBO_ERR_URL' });
  });

  test.each(['type=float', 'connections=0', 'connections=many'])('refuses the option %s', async (option) => {
    await expect(openSink(`postgres://host/db?${option}`)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
    });
  });

  test('names the command that installs its package where it is missing', async () => {
    expect(await openWithout('pg', 'postgres://127.0.0.1:1/db')).toMatchObject({
      code: 'VBO_ERR_MISSING_PACKAGE',
      message: expect.stringContaining('npm install pg'),
    });
  });
});
