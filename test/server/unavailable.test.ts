import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import Database from 'libsql';
import { afterAll, expect, it } from 'vitest';
import { History } from '../../src/history/history.js';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { RECORD_EXAMPLE } from '../../src/server/schemas/record.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { tempFolder } from './support.js';

const path = join(tempFolder(), 'history.db');
const history = await History.open(path, { busyTimeoutMs: 100 });
const optimizer = await VectorBatchOptimizer.create({ threads: 0, history });
const app = await createApp(optimizer, readServerConfig({}));
afterAll(async () => {
  await app.close();
  await optimizer.close();
  await history.close();
});

/** More than are learnt from on the service's own thread. */
const records = Array.from({ length: 500 }, () => RECORD_EXAMPLE);
const post = (url: string) => app.inject({ method: 'POST', url, payload: { records } });
const TRAIN = '/api/v1/batch-optimization/train';
const HISTORY = '/api/v1/history';

function expectUnavailable(answer: Awaited<ReturnType<typeof post>>, code: string): void {
  expect(answer.json().error.code).toBe(code);
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1']);
}

it('answers 503 while another process holds the history, and takes the records after that', async () => {
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  expectUnavailable(await post(HISTORY), 'VBO_ERR_HISTORY');
  other.exec('ROLLBACK');
  other.close();
  expect((await post(HISTORY)).json()).toEqual({ added: 500, total: 500 });
});

it('answers 503 when the learner’s workers die, and learns with the next', async () => {
  const kill = (worker: Worker) => void worker.terminate();
  process.on('worker', kill);
  const answer = await post(TRAIN);
  process.off('worker', kill);
  expectUnavailable(answer, 'VBO_ERR_LEARNER');
  expect((await post(TRAIN)).statusCode).toBe(200);
});
