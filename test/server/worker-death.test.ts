import type { Worker } from 'node:worker_threads';
import { afterAll, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { sampleOf, until } from './support.js';

const workers = new Set<Worker>();
process.on('worker', (worker: Worker) => {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

const ROWS = 4000;
const DIMENSION = 512;
const optimizer = await VectorBatchOptimizer.create({ threads: 2 });
const app = await createApp(optimizer, readServerConfig({}));
const origin = await app.listen({ host: '127.0.0.1', port: 0 });
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

const bytes = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => Math.sin(i));

interface Answer {
  readonly status: number;
  readonly byteLength: number;
  readonly endMs: number;
}

async function encodeThem(): Promise<Answer> {
  const response = await fetch(
    `${origin}/api/v1/batch-optimization/optimize-layout?dimension=${DIMENSION}&encoding=rabitq4`,
    { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: bytes },
  );
  const { byteLength } = await response.arrayBuffer();
  return { status: response.status, byteLength, endMs: performance.now() };
}

/** Clients that ask without a pause while `work` goes on, twice as many as are worked on at a time; and what they got. */
async function underLoad(work: (answers: readonly Answer[]) => Promise<void>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let isOver = false;
  const client = async () => {
    while (!isOver) answers.push(await encodeThem());
  };
  const clients = Promise.all([client(), client(), client(), client()]);
  try {
    await work(answers);
  } finally {
    isOver = true;
    await clients;
  }
  return answers;
}

/** Until as many requests are worked on as may be: what they wait for is the workers. */
const untilWorkersAreBusy = () =>
  until(
    async () => sampleOf((await app.inject({ url: '/metrics' })).body, 'vbo_heavy_requests_active'),
    (active) => active === 2,
  );

/** Until so many answers behind the first `before` have the status wanted. */
const untilAnswered = (
  answers: readonly Answer[],
  before: number,
  times: number,
  isWanted: (status: number) => boolean,
) =>
  until(
    async () => answers.slice(before).filter(({ status }) => isWanted(status)).length,
    (count) => count >= times,
  );

it('gives the tasks of a worker that is killed under load to another', async () => {
  await encodeThem();
  const before = optimizer.statistics().pool.completed;
  const sound = await encodeThem();
  // Otherwise the event loop did the work, and no worker's death can be seen.
  expect(optimizer.statistics().pool.completed).toBeGreaterThan(before);
  const all = await underLoad(async (answers) => {
    for (let kill = 0; kill < 4; kill++) {
      await untilWorkersAreBusy();
      const [victim] = workers;
      const before = answers.length;
      await victim!.terminate();
      await untilAnswered(answers, before, 4, () => true);
    }
  });
  for (const { status, byteLength } of all) {
    expect({ status, byteLength }).toEqual({ status: 200, byteLength: sound.byteLength });
  }
});

it('answers by 503 within a second what is under way when worker after worker is killed, and goes on', async () => {
  const sound = await encodeThem();
  const all = await underLoad(async (answers) => {
    for (let burst = 0; burst < 3; burst++) {
      await untilWorkersAreBusy();
      const before = answers.length;
      const killedAtMs = performance.now();
      const killing = setInterval(() => {
        for (const worker of workers) void worker.terminate();
      }, 5);
      // Both that were worked on fail, and the kills end.
      await untilAnswered(answers, before, 2, (status) => status !== 200).finally(() =>
        clearInterval(killing),
      );
      await untilAnswered(answers, before, 4, (status) => status === 200);
      for (const { status, endMs } of answers.slice(before)) {
        if (status === 200) continue;
        expect({ status, isPrompt: endMs - killedAtMs < 1000 }).toEqual({ status: 503, isPrompt: true });
      }
    }
  });
  for (const { status, byteLength } of all) {
    if (status === 200) expect(byteLength).toBe(sound.byteLength);
    else expect(status).toBe(503);
  }
});
