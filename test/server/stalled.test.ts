import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { until } from './support.js';

const LAYOUT = '/api/v1/batch-optimization/optimize-layout';
const LARGEST = 16_000_000;
const TIMEOUT_MS = 3000;

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(optimizer, readServerConfig({ VBO_REQUEST_TIMEOUT: `${TIMEOUT_MS}ms` }));
let port: number;
beforeAll(async () => {
  port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
});
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

/** Sends the largest body there may be, and leaves the answer lie. */
async function sendAndForget(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST ${LAYOUT}?dimension=1000 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: ${LARGEST}\r\n\r\n`,
  );
  socket.write(Buffer.alloc(LARGEST));
  await once(socket, 'readable');
  return socket;
}

it('keeps no body of a reader who does not read, and ends his connection in time', async () => {
  const { usedBytes } = optimizer.statistics().memory;
  const ends: Promise<unknown>[] = [];
  app.server.on('connection', (socket) => ends.push(once(socket, 'close')));
  const stalled: Socket[] = [];
  for (let i = 0; i < 4; i++) stalled.push(await sendAndForget());
  const answer = await fetch(`http://127.0.0.1:${port}${LAYOUT}?dimension=1000`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', connection: 'close' },
    body: Buffer.alloc(200_000),
  });
  expect(answer.status).toBe(200);
  expect((await answer.arrayBuffer()).byteLength).toBe(50 * 4032);
  expect(optimizer.statistics().memory.usedBytes).toBeGreaterThan(usedBytes + 3 * LARGEST);

  await Promise.all(ends);
  expect(ends).toHaveLength(5);
  await until(
    async () => optimizer.statistics().memory.usedBytes,
    (bytes) => bytes === usedBytes,
  );
  for (const socket of stalled) socket.destroy();
});

it('gives a reader who takes his time the whole answer', async () => {
  const socket = connect(port, '127.0.0.1');
  const rows = 2000;
  socket.write(
    `POST ${LAYOUT}?dimension=1000 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/octet-stream\r\ncontent-length: ${4000 * rows}\r\n\r\n`,
  );
  socket.write(Buffer.alloc(4000 * rows));
  let taken = 0;
  const startMs = performance.now();
  // A fortieth of the answer at a time: it takes longer than the time-out, and never as long without reading.
  for await (const chunk of socket) {
    taken += chunk.byteLength;
    const dueMs = 1.5 * TIMEOUT_MS * Math.min(1, taken / (4032 * rows));
    await new Promise((resolve) => setTimeout(resolve, dueMs - (performance.now() - startMs)));
  }
  expect(performance.now() - startMs).toBeGreaterThan(TIMEOUT_MS);
  expect(taken).toBeGreaterThan(4032 * rows);
});
