import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { afterAll, describe, expect, test } from 'vitest';
import { batch, opened, openWithout, signal } from './batches.js';
import { describeConformance } from './conformance.js';
import { POISON, type Query, storedRows } from './pgvector.js';

const folder = mkdtempSync(join(tmpdir(), 'vbo pglite-'));
const directory = join(folder, 'database');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let tables = 0;
const tableUrl = (options = '') => `pglite://${directory}?table=t${tables++}${options}`;
const tableOf = (url: string) => /table=([^&]*)/.exec(url)![1]!;

async function withDatabase<T>(use: (query: Query) => Promise<T>): Promise<T> {
  const database = await PGlite.create({ dataDir: directory, extensions: { vector } });
  try {
    return await use(async (sql) => (await database.query<Record<string, unknown>>(sql)).rows);
  } finally {
    await database.close();
  }
}

describeConformance('the PGlite sink', {
  url: tableUrl,
  stored: (url) => withDatabase((query) => storedRows(query, tableOf(url))),
  poison: POISON,
});

describe('the PGlite sink', () => {
  test('stores halfvec where it is asked to, rounded to float16', async () => {
    const url = tableUrl('&type=halfvec');
    const sink = await opened(url);
    const b = batch(0, 1, 4);
    b.vectors.set([0.1, 1, -2, 0]);
    expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    await sink.close();
    const [row] = await withDatabase((query) => query(`SELECT vector::text AS vector FROM ${tableOf(url)}`));
    expect(row).toEqual({ vector: '[0.099975586,1,-2,0]' });
    await expect(opened(url, { dimension: 3 })).rejects.toMatchObject({ code: 'VBO_ERR_DIMENSION' });
  });

  test('names the command that installs its packages where one is missing', async () => {
    for (const name of ['@electric-sql/pglite', '@electric-sql/pglite-pgvector']) {
      expect(await openWithout(name, `pglite://${folder}/nowhere`)).toMatchObject({
        code: 'VBO_ERR_MISSING_PACKAGE',
        message: expect.stringContaining('npm install @electric-sql/pglite @electric-sql/pglite-pgvector'),
      });
    }
  });

  test('cannot open a folder below a file', async () => {
    await expect(opened('pglite:///dev/null/x')).rejects.toMatchObject({ code: 'VBO_ERR_SINK_UNREACHABLE' });
  });
});
