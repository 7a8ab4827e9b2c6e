import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client, ServiceError } from '../../src/client/index.js';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import type { RunEvent } from '../../src/server/schemas/runs.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { CompactBlock } from '../../src/vectors/compact-block.js';
import { BODY, DIGEST, KEY, tempFolder, writeNpy } from '../server/support.js';

const folder = tempFolder();
const sources = join(folder, 'sources');
mkdirSync(sources);
writeNpy(join(sources, 'a.npy'), 3000, 8);
const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(
  optimizer,
  readServerConfig({
    VBO_API_KEYS: DIGEST,
    VBO_ALLOWED_SOURCES: sources,
    VBO_ALLOWED_SINKS: 'null://',
    VBO_RUN_DIRECTORY: join(folder, 'runs'),
  }),
);
let url: string;
beforeAll(async () => {
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

const record = {
  database_type: 'qdrant',
  vector_dimension: 64,
  batch_size: 100,
  concurrency: 2,
  item_count: 10_000,
  throughput_vps: 5000,
  success: true,
};

/** A server that answers with each of `answers` in turn, and then with 200. */
async function scripted(
  answers: { status: number; headers?: Record<string, string> }[],
): Promise<{ url: string; count: () => number; server: Server }> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    const { status, headers } = answers[count++] ?? { status: 200 };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(
      status === 200 ? '{"status":"ok"}' : '{"error":{"code":"X","message":"no"},"request_id":"1"}',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count, server };
}

describe.each([false, true])('the client, MessagePack: %s', (messagePack) => {
  const client = () => new Client({ url, apiKey: KEY, messagePack });

  it('calls every route', async () => {
    const c = client();
    expect(await c.calculateSize(BODY)).toMatchObject({ recommended_batch_size: expect.any(Number) });
    const performance = { execution_time: 100, success_rate: 1, memory_usage: 100 };
    expect(
      await c.optimizeStrategy({
        current_performance: performance,
        historical_patterns: [record],
        optimization_goal: 'balanced',
      }),
    ).toMatchObject({ strategy: { action: expect.any(String) } });
    expect(
      await c.adaptDimension({ vector_dimension: 1536, base_batch_size: 500, memory_constraints: 100 }),
    ).toMatchObject({ layout: { order: 'row-major' } });
    expect(
      await c.optimizeConcurrency({
        total_items: 10_000,
        batch_size: 100,
        system_capacity: { max_concurrent_operations: 8, memory_threshold: 50 },
      }),
    ).toMatchObject({ batches: 100 });
    expect(await c.train([record])).toMatchObject({ used: 1 });
    expect((await c.model()).databases.map(({ database }) => database)).toContain('qdrant');
    expect((await c.appendHistory([record])).added).toBe(1);
    expect((await c.history({ databaseType: 'qdrant', limit: 1 })).records).toMatchObject([record]);
    expect(await c.health()).toEqual({ status: 'ok' });
    expect(await c.ready()).toEqual({ status: 'ready' });
    expect(await c.metrics()).toContain('vbo_http_request_duration_seconds');
  });

  it('packs vectors', async () => {
    const vectors = [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ];
    for (const given of [
      vectors,
      vectors.map((v) => Float32Array.from(v)),
      Float32Array.from(vectors.flat()),
    ]) {
      const answer = await client().optimizeLayout(given, {
        batchSize: 1,
        encoding: 'float16',
        dimension: 4,
      });
      using block = CompactBlock.from(answer.data);
      expect([...block.decode()]).toEqual(vectors.flat());
    }
  });

  it('knows the encodings by their names', async () => {
    // @ts-expect-error The schema's type is the client's.
    const wrong = client().optimizeLayout([[1, 2]], { batchSize: 1, encoding: 'int7' });
    await expect(wrong).rejects.toMatchObject({ status: 400, details: [{ path: 'encoding' }] });
  });

  it('starts a run and follows it to its end', async () => {
    const c = client();
    const run = await c.startRun({ kind: 'ingest', source: 'a.npy', sink: 'null://' });
    const events: RunEvent[] = [];
    for await (const event of c.events(run.id)) events.push(event);
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { state: 'completed', report: { acknowledged: 3000 } },
    });
    expect((await c.run(run.id)).state).toBe('completed');
    expect((await c.runs()).runs[0]!.id).toBe(run.id);
    expect((await c.cancelRun(run.id)).state).toBe('completed');
    const rest: RunEvent[] = [];
    for await (const event of c.events(run.id, { lastEventId: events.length - 1 })) rest.push(event);
    expect(rest).toEqual(events.slice(-1));
  });

  it('tells what was wrong, with the field', async () => {
    const failure = client().calculateSize({ ...BODY, vector_dimension: 0 });
    await expect(failure).rejects.toBeInstanceOf(ServiceError);
    await expect(failure).rejects.toMatchObject({
      status: 400,
      code: 'VBO_ERR_ARGUMENT',
      details: [{ path: 'vector_dimension' }],
      requestId: expect.any(String),
    });
    await expect(new Client({ url, apiKey: 'wrong', messagePack }).model()).rejects.toMatchObject({
      status: 401,
    });
  });
});

describe('the client’s patience', () => {
  it('tries 429 and 503 again, not before Retry-After, and nothing else', async () => {
    const busy = await scripted([{ status: 503 }, { status: 429, headers: { 'retry-after': '1' } }]);
    const started = performance.now();
    expect(await new Client({ url: busy.url, retryDelayMs: 10 }).health()).toEqual({ status: 'ok' });
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
    expect(busy.count()).toBe(3);
    const wrong = await scripted([{ status: 500 }]);
    await expect(new Client({ url: wrong.url }).health()).rejects.toMatchObject({ status: 500 });
    expect(wrong.count()).toBe(1);
    busy.server.close();
    wrong.server.close();
  });

  it('gives up after so many attempts, and at once when it is told to', async () => {
    const busy = await scripted(Array.from({ length: 9 }, () => ({ status: 503 })));
    const client = new Client({ url: busy.url, retryDelayMs: 1, retries: 2 });
    await expect(client.health()).rejects.toMatchObject({ status: 503 });
    expect(busy.count()).toBe(3);
    const patient = new Client({ url: busy.url, retryDelayMs: 60_000, maxRetryDelayMs: 60_000 });
    const signal = AbortSignal.timeout(50);
    await expect(patient.health({ signal })).rejects.toMatchObject({ name: 'TimeoutError' });
    busy.server.close();
  });

  it('pauses for other times than the next client, unless both have the same seed', async () => {
    const busy = await scripted(Array.from({ length: 99 }, () => ({ status: 503 })));
    const pausesOf = async (seed?: number): Promise<number[]> => {
      const timers = vi.spyOn(globalThis, 'setTimeout');
      const options = seed === undefined ? {} : { seed };
      const client = new Client({ url: busy.url, retryDelayMs: 8, retries: 2, ...options });
      await expect(client.health()).rejects.toMatchObject({ status: 503 });
      const pauses = timers.mock.calls.map(([, ms]) => ms!).filter((ms) => ms >= 4 && ms <= 16);
      timers.mockRestore();
      expect(pauses).toHaveLength(2);
      return pauses;
    };
    expect(await pausesOf()).not.toEqual(await pausesOf());
    expect(await pausesOf(7)).toEqual(await pausesOf(7));
    busy.server.close();
  });

  it('says when nobody is there', async () => {
    const client = new Client({ url: 'http://127.0.0.1:9', retries: 1, retryDelayMs: 1 });
    await expect(client.health()).rejects.toMatchObject({ status: 0, code: 'VBO_CLIENT_UNREACHABLE' });
  });
});
