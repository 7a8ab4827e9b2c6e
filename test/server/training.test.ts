import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { BODY, CALCULATE, tempFolder } from './support.js';

const optimizer = await VectorBatchOptimizer.create({
  threads: 0,
  history: join(tempFolder(), 'history.db'),
});
const app = await createApp(optimizer, readServerConfig({}));
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

const record = (batch: number, concurrency: number) => ({
  database_type: 'qdrant',
  vector_dimension: 1536,
  batch_size: batch,
  concurrency,
  item_count: 100_000,
  throughput_vps: (1000 * batch * concurrency) / (5 + 0.1 * batch),
  success: true,
  note: 'kept',
});
const records = [record(32, 1), record(128, 2), record(256, 4), record(512, 2)];
const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload });

describe('what the service learns', () => {
  it('trains the model, says how well it fits, and recommends by it', async () => {
    const answer = await post('/api/v1/batch-optimization/train', {
      records: [...records, { batch_size: 'many' }],
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      used: 4,
      refused: [{ index: 4 }],
      databases: [{ database: 'qdrant' }],
    });
    const model = (await app.inject({ url: '/api/v1/batch-optimization/model' })).json();
    expect(model.databases).toEqual(answer.json().databases);
    const advice = await post(CALCULATE, BODY);
    expect(advice.json().model.records).toBe(4);
  });

  it('refuses training without a single valid record, naming each', async () => {
    const answer = await post('/api/v1/batch-optimization/train', { records: [{}] });
    expect(answer.statusCode).toBe(422);
    expect(answer.json().error).toMatchObject({ code: 'VBO_ERR_RECORD', details: [{ path: 'records[0]' }] });
  });

  it('keeps records and gives them back, further fields included', async () => {
    expect((await post('/api/v1/history', { records })).json()).toEqual({ added: 4, total: 8 });
    const answer = await app.inject({ url: '/api/v1/history?database_type=qdrant&limit=3' });
    expect(answer.json()).toMatchObject({ total: 8 });
    expect(answer.json().records).toHaveLength(3);
    expect(answer.json().records[0]).toMatchObject({ note: 'kept', success: true });
    expect((await app.inject({ url: '/api/v1/history?vector_dimension=8' })).json()).toEqual({
      records: [],
      total: 0,
    });
  });

  it('gives back what it would not take: a record of a load with a long message', async () => {
    const error = 'x'.repeat(20_000);
    await optimizer.history!.append([{ ...records[0]!, success: false, error, vector_dimension: 9 }]);
    const answer = await app.inject({ url: '/api/v1/history?vector_dimension=9' });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ total: 1, records: [{ error }] });
  });

  it.each([
    ['a record without success', { records: [{ ...records[0], success: undefined }] }, 'records[0].success'],
    ['a batch of half a vector', { records: [{ ...records[0], batch_size: 0.5 }] }, 'records[0].batch_size'],
    [
      'an unknown database',
      { records: [{ ...records[0], database_type: 'dbase' }] },
      'records[0].database_type',
    ],
  ])('refuses to keep %s', async (_, payload, path) => {
    const answer = await post('/api/v1/history', payload);
    expect([400, 422]).toContain(answer.statusCode);
    expect(answer.json().error.details[0].path).toBe(path);
  });
});
