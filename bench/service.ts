import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { median, quantile } from '../src/core/statistics.js';
import { PROFILES } from '../src/model/profiles.js';
import type { BenchOptions, Case } from './harness.js';

const SERVER = fileURLToPath(new URL('./service-server.ts', import.meta.url));
const CONNECTIONS = [1, 8, 32];
const BODIES = 10_000;
const ROUNDS = 5;
const ROUND_SECONDS = 2;
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

/**
 * The service under load, held against Fastify alone: the same body validated by the same schema, answered by a constant.
 * Each server is a process of its own, the load comes from this one, and the two take turns.
 */
export default async function service(options: BenchOptions): Promise<Case[]> {
  const servers = [await start('service'), await start('bare')] as const;
  const cases: Case[] = [];
  try {
    for (const { url } of servers) await load(url, 8, options.quick ? 0.2 : 3);
    for (const connections of options.quick ? CONNECTIONS.slice(0, 1) : CONNECTIONS) {
      const rounds: [Load[], Load[]] = [[], []];
      for (let round = 0; round < (options.quick ? 1 : ROUNDS); round++) {
        for (const turn of [0, 1]) {
          const which = ((round + turn) % 2) as 0 | 1;
          rounds[which].push(
            await load(servers[which].url, connections, options.quick ? 0.2 : ROUND_SECONDS),
          );
        }
      }
      const input = `${connections} ${connections === 1 ? 'connection' : 'connections'}, ${BODIES} distinct bodies`;
      const medians = (pick: (load: Load) => number) => rounds.map((loads) => median(loads.map(pick)));
      const [ours, theirs] = medians((l) => l.requestsPerSecond) as [number, number];
      const [oursMs, theirsMs] = medians((l) => l.p95Ms) as [number, number];
      const baseline = 'bare Fastify, constant answer';
      cases.push(
        {
          ...{ name: 'calculate-size, rate', input, unit: 'requests/s', median: ours },
          ...{ baseline: { name: baseline, median: theirs }, ratio: ours / theirs },
        },
        {
          ...{ name: 'calculate-size, p95', input, unit: 'ms', median: oursMs },
          ...{ baseline: { name: baseline, median: theirsMs }, ratio: theirsMs / oursMs },
        },
      );
    }
  } finally {
    for (const { child } of servers) child.disconnect();
  }
  return cases;
}

function start(kind: 'service' | 'bare'): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(SERVER, [kind], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`The ${kind} server ended with ${code}.`)));
    child.stdout!.once('data', (data: Buffer) => resolve({ child, url: data.toString().trim() }));
  });
}

/** @throws if a single request fails: a fast refusal is no answer */
function load(url: string, connections: number, seconds: number): Promise<Load> {
  return new Promise((resolve, reject) => {
    const times: number[] = [];
    const instance = autocannon({ url, connections, duration: seconds, requests }, (error, result) => {
      if (error) reject(error);
      else if (result.non2xx + result.errors > 0) {
        reject(new Error(`${result.non2xx} refusals and ${result.errors} errors from ${url}.`));
      } else {
        resolve({ requestsPerSecond: times.length / result.duration, p95Ms: quantile(times, 0.95) });
      }
    });
    instance.on('response', (_client, _status, _bytes, responseMs) => times.push(responseMs));
  });
}
