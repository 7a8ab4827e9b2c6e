import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from '../../src/client/index.js';
import type { AuditLine } from '../../src/server/audit/chain.js';
import { MAIN } from '../cli/vbo.js';
import { BODY, CALCULATE, DIGEST, KEY, sampleOf, tempFolder, until, writeNpy } from './support.js';

/** The goal is a second for the best of a few starts; a busy machine may take three times as long. */
const MOST_START_MS = 3000;
const STARTS = 3;
const MOST_IDLE_BYTES = 120e6;

const TOKEN_SECRET = 'a secret of more than thirty-two bytes, for tests';
const PASSWORD = 'the-password-of-a-database';
const folder = tempFolder();
const log = join(folder, 'audit.ndjson');
writeNpy(join(folder, 'a.npy'), 10, 4);

interface Served {
  readonly process: ChildProcess;
  readonly client: Client;
  readonly url: string;
  /** On stdout and stderr. */
  printed(): string;
}

/** `vbo serve` as it is deployed: with keys, tokens, a history and an audit log. */
async function serve(): Promise<Served> {
  const process = spawn(execPath, [MAIN, 'serve', '--port', '0'], {
    cwd: folder,
    env: {
      VBO_API_KEYS: DIGEST,
      VBO_JWT_SECRET: TOKEN_SECRET,
      VBO_HISTORY: join(folder, 'history.db'),
      VBO_AUDIT_LOG: log,
      VBO_ALLOWED_SOURCES: folder,
      VBO_ALLOWED_SINKS: `postgres://somebody:${PASSWORD}@127.0.0.1:9/db`,
      VBO_RUN_DIRECTORY: join(folder, 'runs'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [process.stdout!, process.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const url = await until(
    async () => {
      if (process.exitCode !== null) throw new Error(`The service did not start: ${printed}`);
      return /http:\S+/.exec(printed)?.[0] ?? '';
    },
    (found) => found !== '',
  );
  return { process, url, client: new Client({ url, apiKey: KEY }), printed: () => printed };
}

async function stop({ process }: Served): Promise<void> {
  process.kill('SIGTERM');
  await once(process, 'close');
  expect(process.exitCode).toBe(0);
}

let service: Served;
let startMs = Number.POSITIVE_INFINITY;
beforeAll(async () => {
  for (let start = 1; start <= STARTS; start++) {
    const begunMs = performance.now();
    service = await serve();
    expect((await service.client.calculateSize(BODY)).recommended_batch_size).toBeGreaterThan(0);
    startMs = Math.min(startMs, performance.now() - begunMs);
    if (start < STARTS) await stop(service);
  }
});
afterAll(() => {
  service.process.kill('SIGKILL');
});

async function post(path: string, headers: Record<string, string>, body: string) {
  const answer = await fetch(service.url + path, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body },
  });
  const { request_id: requestId } = (await answer.json()) as { request_id?: string };
  return { status: answer.status, requestId };
}

it('answers soon after its start, and takes little memory when it is idle', async () => {
  expect(startMs).toBeLessThan(MOST_START_MS);
  const bytes = sampleOf(await service.client.metrics(), 'vbo_process_resident_memory_bytes');
  expect(bytes).toBeGreaterThan(20e6);
  expect(bytes).toBeLessThan(MOST_IDLE_BYTES);
});

it('prints none of the secrets that it is configured with, nor of those that callers try', async () => {
  const token = await new SignJWT({ sub: 'tester' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1m')
    .sign(new TextEncoder().encode(TOKEN_SECRET));
  const guess = 'a key that somebody guessed';
  const body = JSON.stringify(BODY);
  const attacks = [
    [200, await post(CALCULATE, { authorization: `Bearer ${token}` }, body)],
    [401, await post(CALCULATE, { authorization: `Bearer ${token}x` }, body)],
    [401, await post(CALCULATE, { authorization: `Bearer ${token}`, 'x-api-key': KEY }, body)],
    [401, await post(CALCULATE, { 'x-api-key': guess }, body)],
    [400, await post(CALCULATE, { 'x-api-key': KEY }, `{"key":"${guess}"`)],
    [404, await post(`/nowhere?key=${KEY}&token=${token}`, { 'x-api-key': KEY }, body)],
  ] as const;
  for (const [status, answer] of attacks) expect(answer.status).toBe(status);

  const { client } = service;
  const { id } = await client.startRun({
    kind: 'ingest',
    source: 'a.npy',
    sink: 'postgres://127.0.0.1:9/db?table=a',
  });
  const run = await until(
    () => client.run(id),
    ({ state }) => state !== 'running',
  );
  expect(run.state).toBe('failed');

  await stop(service);
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line): AuditLine => JSON.parse(line));
  for (const [status, { requestId }] of attacks) {
    if (status === 200) continue;
    expect(lines).toContainEqual(expect.objectContaining({ request_id: requestId, status }));
  }
  const secrets = [KEY, TOKEN_SECRET, PASSWORD, guess, token, token.split('.')[2]!];
  for (const text of [service.printed(), JSON.stringify(lines), JSON.stringify(run)]) {
    for (const secret of secrets) expect(text).not.toContain(secret);
  }
});
