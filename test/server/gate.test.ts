import type { FastifyInstance } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { BODY, CALCULATE, sampleOf, until } from './support.js';

const URL = '/api/v1/batch-optimization/optimize-layout';
const DIMENSION = 1024;

const optimizer = await VectorBatchOptimizer.create({ threads: 1 });
const apps: FastifyInstance[] = [];
afterAll(async () => {
  for (const app of apps) await app.close();
  await optimizer.close();
});

async function service(environment: NodeJS.ProcessEnv): Promise<FastifyInstance> {
  const app = await createApp(optimizer, readServerConfig({ VBO_BODY_LIMIT: '64MB', ...environment }));
  apps.push(app);
  return app;
}

/** Vectors whose encoding takes most of a second. */
const vectors = Buffer.from(Float32Array.from({ length: 8000 * DIMENSION }, (_, i) => Math.sin(i)).buffer);
const encodeThem = (app: FastifyInstance) =>
  app.inject({
    ...{ method: 'POST', url: `${URL}?dimension=${DIMENSION}&encoding=rabitq4`, payload: vectors },
    headers: { 'content-type': 'application/octet-stream' },
  });
const codeOf = (answer: Awaited<ReturnType<typeof encodeThem>>): string | undefined =>
  answer.statusCode === 200 ? undefined : answer.json().error.code;

const gaugesOf = async (app: FastifyInstance) => {
  const { body } = await app.inject({ url: '/metrics' });
  return {
    active: sampleOf(body, 'vbo_heavy_requests_active'),
    queued: sampleOf(body, 'vbo_heavy_requests_queued'),
    encoded: sampleOf(body, 'vbo_algorithm_duration_seconds_count{algorithm="optimize-layout"}'),
  };
};

describe('heavy requests', () => {
  it('are refused at once, with when to come back, where two run and as many wait as may', async () => {
    const app = await service({ VBO_QUEUE_LIMIT: '1' });
    const taken = [encodeThem(app), encodeThem(app), encodeThem(app)];
    await until(
      () => gaugesOf(app),
      ({ queued }) => queued === 1,
    );
    const refused = await encodeThem(app);
    expect(refused.statusCode).toBe(503);
    expect(codeOf(refused)).toBe('VBO_HTTP_BUSY');
    expect(refused.headers['retry-after']).toBe('1');
    expect((await gaugesOf(app)).active).toBe(2);
    // What is light goes on.
    expect((await app.inject({ method: 'POST', url: CALCULATE, payload: BODY })).statusCode).toBe(200);
    expect((await Promise.all(taken)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect(await gaugesOf(app)).toEqual({ active: 0, queued: 0, encoded: 3 });
  });

  it('have one time-out for waiting and working, and are never begun when they waited too long', async () => {
    const app = await service({ VBO_REQUEST_TIMEOUT: '100ms' });
    const answers = await Promise.all([encodeThem(app), encodeThem(app), encodeThem(app)]);
    expect(answers.map(codeOf)).toEqual(Array(3).fill('VBO_ERR_TIMEOUT'));
    for (const { statusCode, headers } of answers) {
      expect({ statusCode, retryAfter: headers['retry-after'] }).toEqual({
        statusCode: 503,
        retryAfter: '1',
      });
    }
    // Those that run keep their places, and the memory of their results is given back.
    expect(await gaugesOf(app)).toMatchObject({ active: 2, queued: 0 });
    const after = await until(
      () => gaugesOf(app),
      ({ active }) => active === 0,
    );
    expect(after).toEqual({ active: 0, queued: 0, encoded: 2 });
    expect(optimizer.statistics().memory.usedBytes).toBe(0);
  });
});

describe('large bodies of vectors', () => {
  const text = JSON.stringify({
    vectors: Array.from({ length: 2000 }, (_, row) =>
      Array.from({ length: 256 }, (_, d) => Math.sin(row + d)),
    ),
    batch_size: 100,
  });
  const post = (app: FastifyInstance) =>
    app.inject({ method: 'POST', url: URL, payload: text, headers: { 'content-type': 'application/json' } });

  it('are refused at once where two are decoded and as many wait as may', async () => {
    const app = await service({ VBO_QUEUE_LIMIT: '1' });
    const answers = await Promise.all([post(app), post(app), post(app), post(app), post(app)]);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 503, 503]);
    for (const refused of answers.slice(3)) {
      expect(codeOf(refused)).toBe('VBO_HTTP_BUSY');
      expect(refused.headers['retry-after']).toBe('1');
    }
  });

  it('have a time-out', async () => {
    const app = await service({ VBO_REQUEST_TIMEOUT: '100ms' });
    // Two at a time take much longer than that.
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(app)));
    expect(new Set(answers.map(codeOf))).toContain('VBO_ERR_TIMEOUT');
  });
});
