import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, expect, it } from 'vitest';
import type { RunAnswer } from '../../src/server/schemas/runs.js';
import { untilSettling, until as untilSo } from '../cli/vbo.js';
import { startService } from './service.js';
import { BODY, CALCULATE, tempFolder, until, writeNpy } from './support.js';

const ROWS = 600_000;
const folder = tempFolder();
const data = join(folder, 'data');
mkdirSync(data);
writeNpy(join(folder, 'many.npy'), ROWS, 16);
// Its last request keeps the service from ending for a while.
writeFileSync(
  join(data, 'slow.json'),
  JSON.stringify({
    sentence: 'A request takes ten seconds, however few vectors it has.',
    dimension: 16,
    rows: 5000,
    cost: { fixedMs: 10_000, perVectorMs: 0, superLinearMs: 0, sigma: 0, kappa: 0 },
    limits: { maxRows: 20, tells: true },
  }),
);
const environment = {
  VBO_ALLOWED_SOURCES: folder,
  VBO_ALLOWED_SINKS: `sqlite://${data},sim://${data}`,
  VBO_RUN_DIRECTORY: join(folder, 'runs'),
};
const stored = `sqlite://${data}/stored.db?table=items`;

let service = await startService(environment);
afterAll(() => service.stop());

const ask = (path: string, init: RequestInit = {}) => fetch(service.url + path, init);
const post = (path: string, body: object) =>
  ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const start = async (sink: string, resume?: string): Promise<string> => {
  const answer = await post('/api/v1/runs', { kind: 'ingest', source: 'many.npy', sink, resume });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as RunAnswer).id;
};
const runOf = async (id: string): Promise<RunAnswer> => (await ask(`/api/v1/runs/${id}`)).json();
const ledgerOf = (id: string): string => join(folder, 'runs', `${id}.ledger`);

let cut: string;

it('tells that it stops, begins nothing new, and lets runs be watched to their end at a batch boundary', async () => {
  const slow = await start(`sim://${data}/slow.json`);
  const watching = ask(`/api/v1/runs/${slow}/events`).then((response) => response.text());
  await untilSo(() => existsSync(ledgerOf(slow)));
  cut = await start(stored);
  await untilSettling(ledgerOf(cut));

  const exit = service.stop();
  const ready = await until(
    () => ask('/ready'),
    ({ status }) => status !== 200,
  );
  expect([ready.status, ready.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await ready.json()).toEqual({ status: 'stopping' });
  expect((await ask('/health')).status).toBe(200);
  expect((await ask('/metrics')).status).toBe(200);
  const refused = await post(CALCULATE, BODY);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
  expect(await refused.json()).toEqual({
    error: { code: 'VBO_HTTP_STOPPING', message: 'The service is shutting down.' },
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect((await ask(`/api/v1/runs/${slow}`, { method: 'DELETE' })).status).toBe(202);
  expect(
    await until(
      () => runOf(cut),
      ({ state }) => state !== 'running',
    ),
  ).toMatchObject({
    state: 'cancelled',
    error: { code: 'VBO_ERR_ABORTED' },
  });

  expect(await watching).toMatch(/\nevent: end\ndata: .*"state":"cancelled"/);
  expect(await exit).toBe(0);
  for (const id of [slow, cut]) expect(existsSync(ledgerOf(id))).toBe(true);
});

it('goes on with such a run after its restart, to the last vector and none twice', async () => {
  service = await startService(environment);
  const resumed = await start(stored, cut);
  const run = await until(
    () => runOf(resumed),
    ({ state }) => state !== 'running',
  );
  expect(run).toMatchObject({ state: 'completed', report: { reconciled: true } });
  const { acknowledged, resumed_from } = run.report as { acknowledged: number; resumed_from: number };
  expect(resumed_from).toBeGreaterThan(0);
  expect(acknowledged).toBeGreaterThan(0);
  expect(acknowledged + resumed_from).toBe(ROWS);
  const database = new Database(join(data, 'stored.db'), { readonly: true });
  expect(database.prepare('SELECT count(*) AS n FROM items').get()).toMatchObject({ n: ROWS });
  database.close();
});
