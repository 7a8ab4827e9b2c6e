import { createHash } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { toWire } from '../../src/core/wire.js';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { closeTo } from './support.js';

const KEY = 'correct horse battery staple';
const DIGEST = createHash('sha256').update(KEY).digest('hex');
const ROUTE = '/api/v1/batch-optimization/calculate-size';
const BODY = {
  item_count: 1_000_000,
  vector_dimension: 1536,
  database_type: 'qdrant',
  system_resources: { available_memory: 8192, cpu_cores: 4, io_bandwidth: 1000 },
};

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const open = await createApp(optimizer, readServerConfig({}));
const closed = await createApp(optimizer, readServerConfig({ VBO_API_KEYS: DIGEST }));
afterAll(async () => {
  await open.close();
  await closed.close();
  await optimizer.close();
});

describe('the service', () => {
  it('answers requests that come at once each for itself, a failure among them', async () => {
    const dimensions = [1, 2, 3, 1536, 65_536, 100_000];
    const bodies = dimensions.map((vector_dimension) => ({ ...BODY, vector_dimension }));
    const wrong = { ...BODY, database_type: 'no such database' };
    const ask = (payload: object) => open.inject({ method: 'POST', url: ROUTE, payload });
    const alone = [];
    for (const body of [...bodies, wrong]) alone.push(await ask(body));
    const atOnce = await Promise.all([...bodies, wrong].map(ask));
    expect(alone.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200, 400, 422]);
    const plain = (answer: { statusCode: number; json(): Record<string, unknown> }) => {
      const { request_id, ...rest } = answer.json();
      return { status: answer.statusCode, rest };
    };
    expect(atOnce.map(plain)).toEqual(alone.map(plain));
  });

  it('describes every route of its API, and draws it', async () => {
    const answer = await open.inject({ url: '/docs/json' });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    const { paths, info } = answer.json();
    expect(info.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(Object.keys(paths).filter((path) => path.startsWith('/api/'))).toHaveLength(11);
    const { post } = paths[ROUTE];
    expect(post.description).toBe('Scope: recommend.');
    expect(post.requestBody.content['application/msgpack'].schema.properties).toHaveProperty('item_count');
    expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(['200', '400', '401', '422', '503']));
    const page = await open.inject({ url: '/docs' });
    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('swagger-ui');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.headers).not.toHaveProperty('strict-transport-security');
    expect((await open.inject({ url: '/docs/static/swagger-ui.css' })).headers['content-type']).toMatch(
      /css/,
    );
    expect((await open.inject({ url: '/docs/nowhere' })).json().error.code).toBe('VBO_HTTP_NOT_FOUND');
  });

  it('says all that the library says, field by field', async () => {
    const answer = await open.inject({ method: 'POST', url: ROUTE, payload: BODY });
    const { item_count, vector_dimension, database_type, system_resources } = BODY;
    const own = await optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: item_count,
      vectorDimension: vector_dimension,
      databaseType: database_type,
      systemResources: {
        availableMemoryMb: system_resources.available_memory,
        cpuCores: system_resources.cpu_cores,
        ioBandwidthMbps: system_resources.io_bandwidth,
      },
    });
    expect(answer.json()).toEqual(closeTo(toWire(own)));
  });

  it('answers a calculation in the contract’s shape, the same each time', async () => {
    const first = await open.inject({ method: 'POST', url: ROUTE, payload: BODY });
    const second = await open.inject({ method: 'POST', url: ROUTE, payload: BODY });
    expect(first.statusCode).toBe(200);
    expect(first.json()).toEqual(second.json());
    expect(first.json()).toMatchObject({
      recommended_batch_size: expect.any(Number),
      recommended_concurrency: expect.any(Number),
      predicted: {
        throughput_vps: expect.any(Number),
        batch_latency_ms: expect.any(Number),
        memory_mb: expect.any(Number),
      },
      confidence: expect.any(Number),
      interval: { low: expect.any(Number), high: expect.any(Number) },
      binding_constraint: expect.any(String),
      alternatives: expect.any(Array),
      explanation: expect.any(String),
      model: expect.any(Object),
    });
  });

  it.each([
    ['a missing field', { ...BODY, item_count: undefined }, 400, 'item_count'],
    ['an unknown field', { ...BODY, batch: 1 }, 400, 'additional'],
    ['text for a number', { ...BODY, item_count: '1000' }, 400, 'item_count'],
    ['a dimension of zero', { ...BODY, vector_dimension: 0 }, 400, 'vector_dimension'],
    ['an unknown database', { ...BODY, database_type: 'dbase' }, 422, 'qdrant'],
  ])('refuses %s and says what was expected', async (_, payload, statusCode, word) => {
    const answer = await open.inject({ method: 'POST', url: ROUTE, payload });
    expect(answer.statusCode).toBe(statusCode);
    expect(answer.json().error.code).toBe('VBO_ERR_ARGUMENT');
    expect(answer.json().error.message).toContain(word);
    expect(answer.json().request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers broken JSON and unknown routes with a code, never with a 500', async () => {
    const headers = { 'content-type': 'application/json' };
    const broken = await open.inject({ method: 'POST', url: ROUTE, headers, payload: '{"item_count":' });
    expect(broken.statusCode).toBe(400);
    expect((await open.inject({ url: '/nowhere' })).statusCode).toBe(404);
  });

  it('is healthy without a credential and closed without one elsewhere', async () => {
    expect((await closed.inject({ url: '/health' })).statusCode).toBe(200);
    for (const headers of [{}, { 'x-api-key': 'wrong' }, { 'x-api-key': '' }]) {
      const answer = await closed.inject({ method: 'POST', url: ROUTE, payload: BODY, headers });
      expect(answer.statusCode).toBe(401);
    }
    const answer = await closed.inject({
      method: 'POST',
      url: ROUTE,
      payload: BODY,
      headers: { 'x-api-key': KEY },
    });
    expect(answer.statusCode).toBe(200);
  });
});

describe('its configuration', () => {
  it('refuses a host beyond loopback without credentials', () => {
    expect(() => readServerConfig({}, { host: '0.0.0.0' })).toThrow('loopback only');
    expect(readServerConfig({ VBO_API_KEYS: DIGEST }, { host: '0.0.0.0' }).host).toBe('0.0.0.0');
  });

  it('refuses keys that are not digests, without repeating them', () => {
    expect(() => readServerConfig({ VBO_API_KEYS: 'secret' })).toThrow(/^Entry 0 of VBO_API_KEYS has 6 char/);
    expect(() => readServerConfig({ VBO_PORT: 'eighty' })).toThrow(
      'VBO_PORT is "eighty"; expected an integer',
    );
  });
});
