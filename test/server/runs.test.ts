import { once } from 'node:events';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { allowedSink } from '../../src/server/runs/allowed-sink.js';
import type { RunAnswer } from '../../src/server/schemas/runs.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { tempFolder, until, writeNpy } from './support.js';

const folder = tempFolder();
const sources = join(folder, 'sources');
const data = join(folder, 'data');
mkdirSync(sources);
mkdirSync(data);
writeNpy(join(sources, 'small.npy'), 5000, 16);
writeNpy(join(folder, 'secret.npy'), 10, 16);
symlinkSync(join(folder, 'secret.npy'), join(sources, 'link.npy'));
symlinkSync('/etc', join(data, 'etc'));
// Slow enough to be met while it runs: 133 vectors a second at most.
writeFileSync(
  join(data, 'slow.json'),
  JSON.stringify({
    sentence: 'Requests take at most 20 vectors, and disturb each other.',
    dimension: 16,
    rows: 5000,
    cost: { fixedMs: 300, perVectorMs: 0, superLinearMs: 0, sigma: 0.5, kappa: 0 },
    limits: { maxRows: 20, tells: true },
  }),
);
const config = readServerConfig({
  VBO_ALLOWED_SOURCES: sources,
  VBO_ALLOWED_SINKS: `null://,sqlite://${data},sim://${data},qdrant://key:secret@localhost:6333/team`,
  VBO_RUN_DIRECTORY: join(folder, 'runs'),
});

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(optimizer, config);
let origin: string;
beforeAll(async () => {
  origin = await app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

const start = (body: object) => app.inject({ method: 'POST', url: '/api/v1/runs', payload: body });
const ask = async (id: string): Promise<RunAnswer> =>
  (await app.inject({ url: `/api/v1/runs/${id}` })).json();
const hasEnded = (run: RunAnswer): boolean => run.state !== 'running';

interface Event {
  id: number;
  event: string;
  data: unknown;
}

async function watch(id: string, lastEventId?: number): Promise<Event[]> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await fetch(`${origin}/api/v1/runs/${id}/events`, { headers });
  if (response.status === 204) return [];
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return (await response.text())
    .split('\n\n')
    .filter((block) => block.startsWith('id:'))
    .map((block) => {
      const [, number, event, json] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(block)!;
      return { id: Number(number), event: event!, data: JSON.parse(json!) };
    });
}

describe('runs', () => {
  it('loads a file into a database, to be watched from start to end', async () => {
    const answer = await start({
      kind: 'ingest',
      source: 'small.npy',
      sink: `sqlite://${data}/a.db?table=items`,
    });
    expect(answer.statusCode).toBe(202);
    const { id } = answer.json();
    expect(answer.headers.location).toBe(`/api/v1/runs/${id}`);
    const events = await watch(id);
    const end = events.at(-1)!;
    expect(end.event).toBe('end');
    expect(end.data).toMatchObject({
      id,
      state: 'completed',
      report: { acknowledged: 5000, reconciled: true },
    });
    expect(events.map((event) => event.id)).toEqual(events.map((_, i) => i + 1));
    expect(new Set(events.map(({ event }) => event))).toContain('progress');
    expect(await ask(id)).toEqual(end.data);

    // A stream that broke off goes on where it was; one that saw the end is told not to come back.
    expect(await watch(id, events.length - 1)).toEqual([end]);
    expect(await watch(id, events.length)).toEqual([]);
  });

  it('tunes a database', async () => {
    const { id } = (await start({ kind: 'tune', sink: 'null://', dimension: 8, budget_ms: 300 })).json();
    const run = await until(() => ask(id), hasEnded);
    expect(run).toMatchObject({
      state: 'completed',
      kind: 'tune',
      report: { best: { batch_size: expect.any(Number) } },
    });
  });

  it('goes on when the caller hangs up, and ends at a batch boundary when it is cancelled', async () => {
    const { id } = (
      await start({ kind: 'ingest', source: 'small.npy', sink: `sim://${data}/slow.json` })
    ).json();
    const hangUp = new AbortController();
    const watching = fetch(`${origin}/api/v1/runs/${id}/events`, { signal: hangUp.signal });
    await watching;
    hangUp.abort();
    const alive = await until(
      () => ask(id),
      ({ progress }) => progress !== null,
    );
    expect(alive.state).toBe('running');

    const resumed = await start({ kind: 'ingest', source: 'small.npy', sink: 'null://', resume: id });
    expect(resumed.statusCode).toBe(409);

    expect((await app.inject({ method: 'DELETE', url: `/api/v1/runs/${id}` })).statusCode).toBe(202);
    const run = await until(() => ask(id), hasEnded);
    expect(run).toMatchObject({ state: 'cancelled', error: { code: 'VBO_ERR_ABORTED' } });
    expect(existsSync(join(config.runDirectory, `${id}.ledger`))).toBe(true);
  });

  it.each([
    ['outside of the folders', join(folder, 'secret.npy')],
    ['above them', '../secret.npy'],
    ['above them, the long way', `${sources}/../secret.npy`],
    ['behind a link', 'link.npy'],
    ['with a NUL', 'small.npy\0.txt'],
    ['a folder', '.'],
    ['a URL', `file://${sources}/small.npy`],
    ['a device', '/dev/zero'],
  ])('reads no source %s', async (_, source) => {
    const answer = await start({ kind: 'ingest', source, sink: 'null://' });
    expect([403, 422]).toContain(answer.statusCode);
    expect(answer.json().error.code).toMatch(/^VBO_HTTP_FORBIDDEN$|^VBO_ERR_FILE_NOT_FOUND$/);
  });

  it.each([
    ['another host', 'qdrant://evil.example:6333/team/items'],
    ['another port', 'qdrant://localhost:6334/team'],
    ['another collection', 'qdrant://localhost:6333/teammate'],
    ['credentials', 'qdrant://user:password@localhost:6333/team'],
    ['a host hidden behind credentials', 'qdrant://localhost:6333@evil.example/team'],
    ['the name of a variable', 'qdrant://localhost:6333/team?api_key_env=HOME'],
    ['another database', `lancedb://${data}/x`],
    ['a file outside', `sqlite://${folder}/x.db`],
    ['a file above', `sqlite://${data}/../x.db`],
    ['a file above, encoded', `sqlite://${data}/%2e%2e/x.db`],
    ['a file behind a link', `sqlite://${data}/etc/x.db`],
    ['a table that is SQL', `sqlite://${data}/x.db?table=a%22;--`],
    ['no URL at all', 'somewhere'],
    ['an unknown database', 'redis://localhost/x'],
  ])('writes to no sink with %s', async (_, sink) => {
    const answer = await start({ kind: 'ingest', source: 'small.npy', sink });
    expect([403, 422]).toContain(answer.statusCode);
    expect(JSON.stringify(answer.json())).not.toContain('password');
  });

  it('takes the configuration’s credentials and keeps them to itself', async () => {
    const url = await allowedSink('qdrant://localhost:6333/team', config.allowedSinks);
    expect(url).toBe('qdrant://key:secret@localhost:6333/team');
    const answer = await start({
      kind: 'tune',
      sink: 'qdrant://localhost:6333/team',
      dimension: 4,
      budget_ms: 100,
    });
    const run = await until(() => ask(answer.json().id), hasEnded);
    expect(run.state).toBe('failed');
    expect(JSON.stringify(run)).not.toContain('secret');
  });

  it('refuses more runs at a time than it may have', async () => {
    const slow = { kind: 'ingest', source: 'small.npy', sink: `sim://${data}/slow.json` };
    const started = [await start(slow), await start(slow)];
    const refused = await start(slow);
    expect(refused.statusCode).toBe(503);
    expect(refused.headers['retry-after']).toBe('10');
    for (const answer of started)
      await app.inject({ method: 'DELETE', url: answer.headers.location as string });
    for (const answer of started) await until(() => ask(answer.json().id), hasEnded);
  });

  it('keeps no room for the bodies of those who watch', async () => {
    const { id } = (
      await start({ kind: 'ingest', source: 'small.npy', sink: `sim://${data}/slow.json` })
    ).json();
    const watchers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const headers = { 'transfer-encoding': 'chunked' };
        const watcher = request(`${origin}/api/v1/runs/${id}/events`, { headers });
        watcher.on('error', () => {});
        watcher.flushHeaders();
        await once(watcher, 'response');
        return watcher;
      }),
    );
    const answer = await app.inject({ method: 'POST', url: '/api/v1/history', payload: 'x'.repeat(100_000) });
    expect(answer.statusCode).toBe(415);
    for (const watcher of watchers) watcher.destroy();
    await app.inject({ method: 'DELETE', url: `/api/v1/runs/${id}` });
    await until(() => ask(id), hasEnded);
  });

  it('goes on with a run that was cancelled, by its ledger', async () => {
    const sink = `sqlite://${data}/resumed.db?table=items`;
    const first = (await start({ kind: 'ingest', source: 'small.npy', sink })).json().id;
    await until(() => ask(first), hasEnded);
    const again = (await start({ kind: 'ingest', source: 'small.npy', sink, resume: first })).json().id;
    const run = await until(() => ask(again), hasEnded);
    expect(run).toMatchObject({ state: 'completed', report: { acknowledged: 0, resumed_from: 5000 } });
    // Of two that ask at once one is too late.
    const resume = first.toUpperCase();
    const both = await Promise.all(
      [first, resume].map((id) => start({ kind: 'ingest', source: 'small.npy', sink, resume: id })),
    );
    expect(both.map(({ statusCode }) => statusCode).sort()).toEqual([202, 409]);
    const winner = both.find(({ statusCode }) => statusCode === 202)!.json().id;
    expect(await until(() => ask(winner), hasEnded)).toMatchObject({ state: 'completed' });
    const unknown = '00000000-0000-4000-8000-000000000000';
    expect((await start({ kind: 'ingest', source: 'small.npy', sink, resume: unknown })).statusCode).toBe(
      404,
    );
  });
});
