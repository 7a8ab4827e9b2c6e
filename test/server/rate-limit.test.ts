import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { BODY, CALCULATE, DIGEST, digestOf, KEY, tempFolder, until } from './support.js';

const LIMIT = 5;
const OTHER = 'a key of somebody else';
const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const apps: FastifyInstance[] = [];
afterAll(async () => {
  for (const app of apps) await app.close();
  await optimizer.close();
});

async function service(environment: NodeJS.ProcessEnv): Promise<FastifyInstance> {
  const app = await createApp(optimizer, readServerConfig({ VBO_RATE_LIMIT: String(LIMIT), ...environment }));
  apps.push(app);
  return app;
}
const keyed = () => service({ VBO_API_KEYS: `${DIGEST},${digestOf(OTHER)}:recommend` });

const calculate = (app: FastifyInstance, headers: Record<string, string> = {}, remoteAddress = '127.0.0.1') =>
  app.inject({ method: 'POST', url: CALCULATE, payload: BODY, headers, remoteAddress });

/** The statuses of requests, one after another. */
async function statusesOf(times: number, ask: () => ReturnType<typeof calculate>): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await ask()).statusCode);
  return statuses;
}
const upTo = (times: number, status: number): number[] => [
  ...Array(LIMIT).fill(status),
  ...Array(times - LIMIT).fill(429),
];

it('answers a credential that asks too often by 429 and when to come back, and no other', async () => {
  const app = await keyed();
  expect(await statusesOf(8, () => calculate(app, { 'x-api-key': KEY }))).toEqual(upTo(8, 200));
  const refused = await calculate(app, { 'x-api-key': KEY });
  expect(refused.json().error.code).toBe('VBO_HTTP_RATE_LIMIT');
  const seconds = Number(refused.headers['retry-after']);
  expect(seconds).toBeGreaterThan(50);
  expect(seconds).toBeLessThanOrEqual(60);
  expect((await calculate(app, { 'x-api-key': OTHER })).statusCode).toBe(200);
  // What tells nothing has no limit.
  expect(await statusesOf(8, () => app.inject({ url: '/health' }))).toEqual(Array(8).fill(200));
});

it('answers whoever tries out keys by 429, by address, on every route and on none, and keeps nobody else out', async () => {
  const log = join(tempFolder(), 'audit.ndjson');
  const app = await service({ VBO_API_KEYS: DIGEST, VBO_AUDIT_LOG: log });
  let tried = 0;
  const guess = () => calculate(app, { 'x-api-key': `guess ${tried++}` });
  expect(await statusesOf(8, guess)).toEqual(upTo(8, 401));
  const refused = await guess();
  expect(refused.json().error.code).toBe('VBO_HTTP_RATE_LIMIT');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
  for (const url of ['/metrics', '/nowhere']) expect((await app.inject({ url })).statusCode).toBe(429);
  expect((await calculate(app, { 'x-api-key': 'x' }, '192.0.2.1')).statusCode).toBe(401);
  // Behind a proxy all callers have one address: a valid credential counts for itself.
  expect((await calculate(app, { 'x-api-key': KEY })).statusCode).toBe(200);
  // All of it was audited: three guesses, one more, and two routes.
  await until(
    async () => readFileSync(log, 'utf8').match(/"code":"VBO_HTTP_RATE_LIMIT"/g)?.length,
    (lines) => lines === 6,
  );
});

it('counts what a credential may not do as well', async () => {
  const app = await keyed();
  const train = () =>
    app.inject({
      ...{ method: 'POST', url: '/api/v1/batch-optimization/train', payload: { records: [{}] } },
      headers: { 'x-api-key': OTHER },
    });
  expect(await statusesOf(7, train)).toEqual(upTo(7, 403));
});

it('counts by address where there are no credentials', async () => {
  const app = await service({});
  expect(await statusesOf(7, () => calculate(app, { host: 'localhost' }))).toEqual(upTo(7, 200));
  expect((await calculate(app, { host: 'localhost' }, '192.0.2.1')).statusCode).toBe(200);
});
