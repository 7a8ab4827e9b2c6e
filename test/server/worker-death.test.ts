import type { Worker } from 'node:worker_threads';
import { afterAll, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';

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

async function encodeThem(): Promise<{ status: number; ms: number; length: number }> {
  const startMs = performance.now();
  const response = await fetch(
    `${origin}/api/v1/batch-optimization/optimize-layout?dimension=${DIMENSION}&encoding=rabitq4`,
    { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: bytes },
  );
  const { byteLength } = await response.arrayBuffer();
  return { status: response.status, ms: performance.now() - startMs, length: byteLength };
}

it('answers every request although pool workers are killed under load: with the block, or with 503 within a second', async () => {
  const sound = await encodeThem();
  expect(sound.status).toBe(200);
  let killedAtMs = 0;
  let kills = 0;
  const killing = setInterval(() => {
    const [victim] = workers;
    if (!victim) return;
    killedAtMs = performance.now();
    kills++;
    void victim.terminate();
  }, 60);
  const answers: (Awaited<ReturnType<typeof encodeThem>> & { sinceKillMs: number })[] = [];
  const client = async () => {
    for (let i = 0; i < 5; i++) {
      const answer = await encodeThem();
      answers.push({ ...answer, sinceKillMs: performance.now() - killedAtMs });
    }
  };
  await Promise.all([client(), client(), client()]);
  clearInterval(killing);
  expect(kills).toBeGreaterThan(1);
  expect(answers).toHaveLength(15);
  for (const { status, length, sinceKillMs } of answers) {
    if (status === 200) expect(length).toBe(sound.length);
    else expect({ status, isPrompt: sinceKillMs < 1000 }).toEqual({ status: 503, isPrompt: true });
  }
  // And it goes on as before.
  expect(await encodeThem()).toMatchObject({ status: 200, length: sound.length });
});

it('ends a request within a second when its workers die again and again', async () => {
  const killing = setInterval(() => {
    for (const worker of workers) void worker.terminate();
  }, 5);
  const sound = await encodeThem();
  const startMs = performance.now();
  const answer = await encodeThem();
  clearInterval(killing);
  expect([200, 503]).toContain(answer.status);
  // Sending the vectors takes its part, the more the busier the machine is.
  expect(performance.now() - startMs).toBeLessThan(3000 + 3 * sound.ms);
  expect((await encodeThem()).status).toBe(200);
});
