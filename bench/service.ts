import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { median, quantile } from '../src/core/statistics.js';
import { PROFILES } from '../src/model/profiles.js';
import type { BenchOptions, Case } from './harness.js';

const SERVER = fileURLToPath(new URL('./service-server.mjs', import.meta.url));
const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const CONNECTIONS = [1, 8, 32];
const BODIES = 10_000;
const ROUNDS = 5;
const ROUND_SECONDS = 2;
/** Until the engine has compiled what is asked often; as many for both. */
const WARM_UP_REQUESTS = 30_000;
const STARTS = 5;
const GOAL_START_MS = 1000;
const GOAL_IDLE_MB = 120;
/** Until a service that was asked once is idle. */
const IDLE_MS = 2000;
const PATH = '/api/v1/batch-optimization/calculate-size';
const DELAY_DIMENSION = 1024;
const GOAL_DELAY_MS = 25;
/** On a busy machine one in a while is late for autocannon; more are a defect. */
const MOST_ERRORS_SHARE = 0.001;
const DIMENSIONS = [100, 128, 384, 768, 1024, 1536];

/** Every body is another load, so that no answer can be remembered. */
const requests = Array.from({ length: BODIES }, (_, i) => ({
  method: 'POST' as const,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    item_count: 1000 + 977 * i,
    vector_dimension: DIMENSIONS[i % DIMENSIONS.length],
    database_type: PROFILES[i % PROFILES.length]!.name,
    system_resources: {
      available_memory: 512 + (i % 64) * 256,
      cpu_cores: 1 + (i % 16),
      io_bandwidth: 50 + (i % 100) * 20,
    },
  }),
}));

interface Load {
  requestsPerSecond: number;
  p95Ms: number;
}

/** What the service is held against. */
const BASELINES = {
  'same-answer': 'bare Fastify, one such answer always',
  ok: 'bare Fastify, always {"ok":true}',
} as const;

/**
 * The service under load, held against Fastify alone: the same body validated by the same schema, answered by a constant:
 * one of the service's own answers, or next to nothing. Each server is a process of its own, the load comes from this one,
 * and they take turns.
 */
export default async function service(options: BenchOptions): Promise<Case[]> {
  const baselines = Object.keys(BASELINES) as (keyof typeof BASELINES)[];
  const kinds = ['service', ...baselines] as const;
  const servers: Awaited<ReturnType<typeof start>>[] = [];
  for (const kind of kinds) servers.push(await start(kind));
  const cases: Case[] = [];
  try {
    for (const { url } of servers) await load(url, 8, { amount: options.quick ? 200 : WARM_UP_REQUESTS });
    for (const connections of options.quick ? CONNECTIONS.slice(0, 1) : CONNECTIONS) {
      const rounds: Load[][] = kinds.map(() => []);
      for (let round = 0; round < (options.quick ? 1 : ROUNDS); round++) {
        for (let turn = 0; turn < kinds.length; turn++) {
          const which = (round + turn) % kinds.length;
          const { url } = servers[which]!;
          rounds[which]!.push(
            await load(url, connections, { duration: options.quick ? 0.2 : ROUND_SECONDS }),
          );
        }
      }
      const input = `${connections} ${connections === 1 ? 'connection' : 'connections'}, ${BODIES} distinct bodies`;
      const [ours, ...others] = rounds.map((loads) => ({
        rate: median(loads.map((l) => l.requestsPerSecond)),
        p95: median(loads.map((l) => l.p95Ms)),
      }));
      for (const [k, { rate, p95 }] of others.entries()) {
        const name = BASELINES[baselines[k]!];
        cases.push(
          {
            ...{ name: 'calculate-size, rate', input, unit: 'requests/s', median: ours!.rate },
            ...{ baseline: { name, median: rate }, ratio: ours!.rate / rate },
          },
          {
            ...{ name: 'calculate-size, p95', input, unit: 'ms', median: ours!.p95 },
            ...{ baseline: { name, median: p95 }, ratio: p95 / ours!.p95 },
          },
        );
      }
    }
    cases.push(await loopDelay(servers[0]!, options));
  } finally {
    for (const { child } of servers) child.disconnect();
  }
  return [...cases, ...(await startUp(options))];
}

/** From nothing to the first answer, and what an idle service holds afterwards. */
async function startUp(options: BenchOptions): Promise<Case[]> {
  const starts: { answerMs: number; idleMb: number }[] = [];
  for (let k = 0; k < (options.quick ? 1 : STARTS); k++) starts.push(await startOnce());
  const answerMs = median(starts.map((start) => start.answerMs));
  const idleMb = median(starts.map((start) => start.idleMb));
  const input = `vbo serve, ${starts.length} starts`;
  return [
    {
      ...{ name: 'start to the first answer', input, unit: 'ms', median: answerMs },
      ...{ baseline: { name: 'goal', median: GOAL_START_MS }, ratio: GOAL_START_MS / answerMs },
    },
    {
      ...{ name: 'resident memory, idle', input, unit: 'MB', median: idleMb },
      ...{ baseline: { name: 'goal', median: GOAL_IDLE_MB }, ratio: GOAL_IDLE_MB / idleMb },
    },
  ];
}

async function startOnce(): Promise<{ answerMs: number; idleMb: number }> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [CLI, 'serve', '--port', '0'], {
    ...{ env: {}, stdio: ['ignore', 'pipe', 'inherit'] },
  });
  try {
    let origin: string | undefined;
    for await (const line of createInterface(child.stdout!)) {
      origin = /http:\S+/.exec(line)?.[0];
      if (origin) break;
    }
    const { method, headers, body } = requests[0]!;
    const answer = await fetch(origin + PATH, { method, headers, body });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`The first answer is a ${answer.status}.`);
    const answerMs = performance.now() - startMs;
    await sleep(IDLE_MS);
    const metrics = await (await fetch(`${origin}/metrics`)).text();
    const [, bytes] = /^vbo_process_resident_memory_bytes (\S+)$/m.exec(metrics)!;
    return { answerMs, idleMb: Number(bytes) / 1e6 };
  } finally {
    child.kill();
  }
}

/** How late the event loop is while the service trains and encodes 256 MB of vectors that it is sent. */
async function loopDelay(
  { child, url }: { child: ChildProcess; url: string },
  options: BenchOptions,
): Promise<Case> {
  const { origin } = new URL(url);
  const rows = options.quick ? 1000 : 65_536;
  const vectors = Float32Array.from({ length: rows * DELAY_DIMENSION }, (_, i) => Math.sin(i));
  const records = Array.from({ length: options.quick ? 100 : 20_000 }, (_, i) => ({
    ...{
      database_type: 'qdrant',
      vector_dimension: 768,
      batch_size: 1 + (i % 512),
      concurrency: 1 + (i % 8),
    },
    ...{ item_count: 1_000_000, throughput_vps: 5000 + (i % 997), success: true },
  }));
  const post = async (path: string, type: string, body: BodyInit) => {
    const response = await fetch(`${origin}/api/v1/batch-optimization/${path}`, {
      ...{ method: 'POST', headers: { 'content-type': type }, body },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  };
  await ask(child, 'watch');
  await Promise.all([
    post(`optimize-layout?dimension=${DELAY_DIMENSION}&encoding=int8`, 'application/octet-stream', vectors),
    post('train', 'application/json', JSON.stringify({ records })),
  ]);
  const { p99 } = (await ask(child, 'report')) as { p99: number };
  return {
    ...{ name: 'event-loop delay, p99', unit: 'ms', median: p99 },
    input: `training on ${records.length} records and ${Math.round(vectors.byteLength / 1e6)} MB to int8 at once`,
    ...{ baseline: { name: 'goal', median: GOAL_DELAY_MS }, ratio: GOAL_DELAY_MS / p99 },
  };
}

function ask(child: ChildProcess, word: string): Promise<unknown> {
  return new Promise((resolve) => {
    child.once('message', resolve);
    child.send(word);
  });
}

function start(kind: 'service' | keyof typeof BASELINES): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(SERVER, [kind], { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`The ${kind} server ended with ${code}.`)));
    child.stdout!.once('data', (data: Buffer) => resolve({ child, url: data.toString().trim() }));
  });
}

/**
 * Autocannon prepares every request of every connection, which takes it seconds; each connection therefore has bodies of
 * its own, and the clock runs from the first answer to the last.
 * @throws if a request is refused: a fast refusal is no answer
 */
function load(
  url: string,
  connections: number,
  bound: { duration: number } | { amount: number },
): Promise<Load> {
  return new Promise((resolve, reject) => {
    const times: number[] = [];
    let firstMs = 0;
    let lastMs = 0;
    let prepared = 0;
    const share = Math.ceil(BODIES / connections);
    const setupClient = (client: autocannon.Client) => {
      client.setRequests(requests.slice(prepared, prepared + share));
      prepared += share;
    };
    const instance = autocannon({ url, connections, setupClient, ...bound }, (error, result) => {
      if (error) reject(error);
      else if (result.non2xx > 0 || result.errors > MOST_ERRORS_SHARE * times.length) {
        reject(new Error(`${result.non2xx} refusals and ${result.errors} errors from ${url}.`));
      } else {
        const requestsPerSecond = (1000 * (times.length - 1)) / (lastMs - firstMs);
        resolve({ requestsPerSecond, p95Ms: quantile(times, 0.95) });
      }
    });
    instance.on('response', (_client, _status, _bytes, responseMs) => {
      lastMs = performance.now();
      if (times.length === 0) firstMs = lastMs;
      times.push(responseMs);
    });
  });
}
