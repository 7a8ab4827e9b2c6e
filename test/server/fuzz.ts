/**
 * `npx tsx test/server/fuzz.ts [--requests 100000] [--seed 1]`: throws generated requests at a service in a process of its
 * own, on every route that its OpenAPI document lists, in both encodings: right ones, wrong ones, and bytes that are none.
 * Fails on a 5xx other than a deliberate 503, on an answer that is not of the contract's form, on a crash, and on memory
 * that grows by more than a tenth after a warm-up of as many requests: by then every thread has begun and ended a few
 * times, and what the allocator keeps of them has found its size.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { decode, encode } from '@msgpack/msgpack';
import { Pool } from 'undici';
import { Random } from '../../src/core/random.js';
import { RECORD_EXAMPLE } from '../../src/server/schemas/record.js';
import { broken, type Schema, valid } from './generate.js';
import { startService } from './service.js';
import { tempFolder, writeNpy } from './support.js';

const CONNECTIONS = 16;
const MOST_GROWTH = 0.1;
/** Twice as long as a thread stays that has nothing to do. */
const REST_MS = 60_000;
/** About what a whole fuzzing adds to the history: what the learner's thread leaves to the allocator is then there from the beginning. */
const LEARNER_RECORDS = 5000;
/** A megabyte, of which threads pack and decode. */
const LARGE_ROWS = 4096;
const LARGE_DIMENSION = 64;
/** Streams of events do not end, and pages are not the API. */
const LEFT_OUT = /\/events$|^\/docs|^\/$|^\/assets/;
const METHODS = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'] as const;

interface Operation {
  method: (typeof METHODS)[number];
  path: string;
  body: Schema | undefined;
  parameters: { in: string; name: string; schema: Schema }[];
}

export interface FuzzReport {
  /** Those of the warm-up too. */
  requests: number;
  seconds: number;
  statuses: Record<string, number>;
  /** What must not be; empty if all is well. */
  failures: string[];
  /** Of the service's process: at rest after the warm-up, at rest at the end, and the most that it ever had. */
  residentBytes: { warm: number; end: number; peak: number };
}

/** @param options.expectSteady compare the memory too, at rest, after a warm-up of as many requests: some ten thousand */
export async function fuzz(options: {
  requests: number;
  seed: number;
  expectSteady: boolean;
}): Promise<FuzzReport> {
  const random = new Random(options.seed);
  const service = await startFuzzed();
  const pool = new Pool(service.url, { connections: CONNECTIONS, pipelining: 1 });
  const failures: string[] = [];
  const statuses: Record<string, number> = {};
  failures.push(...(await startThreads(service.url)));
  const operations = operationsOf((await (await fetch(`${service.url}/docs/json`)).json()) as OpenApi);
  const startMs = performance.now();
  const warmUp = options.expectSteady ? options.requests : 0;
  let left = warmUp + options.requests;
  const worker = async (until: number) => {
    while (left > until && failures.length < 20) {
      left--;
      const request = requestOf(random, operations);
      try {
        const { statusCode, headers, body } = await pool.request(request);
        const bytes = new Uint8Array(await body.arrayBuffer());
        statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
        const wrong = problemOf(statusCode, headers, bytes, request.method);
        if (wrong) failures.push(`${request.method} ${request.path.slice(0, 200)}: ${statusCode}, ${wrong}`);
      } catch (error) {
        // A connection that is closed on bytes that are not HTTP is an answer too; a dead service is none.
        if (!service.isAlive()) failures.push(`the service is gone: ${(error as Error).message}`);
        else statuses[(error as { code?: string }).code ?? 'error'] = 1;
      }
    }
  };
  const run = (until: number) => Promise.all(Array.from({ length: CONNECTIONS }, () => worker(until)));
  const residentAtRest = async () => {
    // The records of a run that ends are learnt from.
    await endRuns(service.url);
    return leastResidentBytes(service.pid, options.expectSteady ? REST_MS : 0);
  };
  await run(options.requests);
  const warm = await residentAtRest();
  await run(0);
  const end = await residentAtRest();
  const peak = bytesOf(service.pid, 'VmHWM');
  if (options.expectSteady && end > warm * (1 + MOST_GROWTH)) {
    failures.push(`memory grew from ${warm} to ${end} bytes after the warm-up`);
  }
  await pool.destroy();
  const code = await service.stop();
  if (code !== 0) failures.push(`the service ended with ${code}`);
  const seconds = (performance.now() - startMs) / 1000;
  return {
    requests: warmUp + options.requests - left,
    seconds,
    statuses,
    failures,
    residentBytes: { warm, end, peak },
  };
}

/**
 * Has every thread of the service begin: the learner, which many records start, and the pools of the kernels and of the
 * decoders, which large bodies do. Chance finds such requests late, and what a thread that stays holds would seem growth.
 * @returns what was not answered as it should be
 */
async function startThreads(url: string): Promise<string[]> {
  const records = Array.from({ length: LEARNER_RECORDS }, (_, i) => ({
    ...RECORD_EXAMPLE,
    batch_size: 2 ** (i % 10),
    throughput_vps: 1000 + i,
  }));
  const vectors = Array.from({ length: LARGE_ROWS }, () => new Array(LARGE_DIMENSION).fill(0.125));
  const layout = `optimize-layout?dimension=${LARGE_DIMENSION}&encoding=int8`;
  const large = { vectors, dimension: LARGE_DIMENSION, batch_size: 100, encoding: 'int8' };
  const bodies: [path: string, type: string, body: BodyInit][] = [
    ['train', 'application/json', JSON.stringify({ records })],
    [layout, 'application/octet-stream', Float32Array.from(vectors.flat())],
    ['optimize-layout', 'application/json', JSON.stringify(large)],
    ['optimize-layout', 'application/msgpack', encode(large)],
  ];
  const answers = bodies.map(async ([path, type, body]) => {
    const init = { method: 'POST', headers: { 'content-type': type }, body };
    const response = await fetch(`${url}/api/v1/batch-optimization/${path}`, init);
    await response.arrayBuffer();
    return response.status === 200 ? [] : [`the first ${path} of ${type} is answered by ${response.status}`];
  });
  return (await Promise.all(answers)).flat();
}

/** @throws if one does not end within a minute */
async function endRuns(url: string): Promise<void> {
  const untilMs = performance.now() + 60_000;
  while (performance.now() < untilMs) {
    const answer = await fetch(`${url}/api/v1/runs`);
    const { runs } = (await answer.json()) as { runs: { id: string; state: string }[] };
    const running = runs.filter(({ state }) => state === 'running');
    if (running.length === 0) return;
    for (const { id } of running) await fetch(`${url}/api/v1/runs/${id}`, { method: 'DELETE' });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('A run does not end that was cancelled.');
}

interface OpenApi {
  paths: Record<
    string,
    Record<
      string,
      {
        requestBody?: { content: Record<string, { schema: Schema }> };
        parameters?: Operation['parameters'];
      }
    >
  >;
}

function operationsOf({ paths }: OpenApi): Operation[] {
  return Object.entries(paths).flatMap(([path, byMethod]) =>
    LEFT_OUT.test(path)
      ? []
      : Object.entries(byMethod).map(([method, { requestBody, parameters = [] }]) => ({
          method: method.toUpperCase() as Operation['method'],
          path,
          body: requestBody?.content['application/json']?.schema,
          parameters,
        })),
  );
}

const pick = <T>(random: Random, values: readonly T[]): T => values[random.integer(values.length)]!;

function requestOf(random: Random, operations: readonly Operation[]) {
  // A run is a process: most of them are left to the other routes' tests.
  let operation = pick(random, operations);
  if (operation.path === '/api/v1/runs' && random.next() < 0.9) operation = pick(random, operations);
  const isLost = random.next() < 0.02;
  const method = isLost ? pick(random, METHODS) : operation.method;
  const headers: Record<string, string> = {};
  if (random.next() < 0.4)
    headers.accept = pick(random, ['application/msgpack', 'application/json', 'text/html', '*/*', '\u00ff']);
  const path = pathOf(random, operation, isLost);
  if (!operation.body || method === 'GET' || method === 'HEAD') return { method, path, headers };
  let value = valid(random, operation.body);
  if (random.next() < 0.6) value = broken(random, value);
  const isMessagePack = random.next() < 0.5;
  headers['content-type'] =
    random.next() < 0.02
      ? pick(random, ['text/plain', 'application/octet-stream', 'application/xml', 'nonsense', ''])
      : isMessagePack
        ? 'application/msgpack'
        : 'application/json';
  let body = isMessagePack
    ? Buffer.from(encode(value, { ignoreUndefined: true }))
    : Buffer.from(JSON.stringify(value) ?? '');
  if (random.next() < 0.1) body = damage(random, body);
  return { method, path, headers, body };
}

function pathOf(random: Random, { path, parameters }: Operation, isLost: boolean): string {
  const query = new URLSearchParams();
  let whole = path;
  for (const { in: place, name, schema } of parameters) {
    const wrong = random.next() < 0.3;
    const value = wrong
      ? pick(random, ['-1', 'x', '%00', '../..', '9'.repeat(300), ''])
      : String(valid(random, schema));
    if (place === 'path') whole = whole.replace(`{${name}}`, encodeURIComponent(value));
    else if (random.next() < 0.5) query.append(name, value);
  }
  if (random.next() < 0.05) query.append('unknown', '1');
  if (isLost) whole += pick(random, ['/', '/x', '%', '//', '/..%2f', `/${'a'.repeat(500)}`]);
  return query.size > 0 ? `${whole}?${query}` : whole;
}

/** Cut short, flipped, or with something in it. */
function damage(random: Random, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const at = random.integer(bytes.byteLength + 1);
  const chance = random.next();
  if (chance < 0.4) return bytes.subarray(0, at);
  if (chance < 0.7)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.integer(256)]), bytes.subarray(at)]);
  const copy = Buffer.from(bytes);
  if (at < copy.byteLength) copy[at] = random.integer(256);
  return copy;
}

/** What is wrong with an answer, if anything. */
function problemOf(
  status: number,
  headers: Record<string, string | string[] | undefined>,
  bytes: Uint8Array,
  method: string,
): string | undefined {
  if (status >= 500 && status !== 503) return `a defect: ${Buffer.from(bytes).toString().slice(0, 300)}`;
  if (status === 503 && headers['retry-after'] === undefined) return 'without Retry-After';
  if (status < 400 || method === 'HEAD') return undefined;
  try {
    const isMessagePack = String(headers['content-type']).includes('msgpack');
    const answer = (isMessagePack ? decode(bytes) : JSON.parse(Buffer.from(bytes).toString())) as {
      error: { code: unknown; message: unknown };
    };
    const { code, message } = answer.error;
    return typeof code === 'string' && typeof message === 'string'
      ? undefined
      : 'an error without code and message';
  } catch {
    return `an error that cannot be read: ${Buffer.from(bytes).toString().slice(0, 100)}`;
  }
}

function startFuzzed() {
  const folder = tempFolder();
  writeNpy(join(folder, 'a.npy'), 100, 4);
  return startService({
    VBO_ALLOWED_SOURCES: folder,
    VBO_ALLOWED_SINKS: 'null://',
    VBO_RUN_DIRECTORY: join(folder, 'runs'),
    VBO_HISTORY: join(folder, 'history.db'),
    VBO_AUDIT_LOG: join(folder, 'audit.ndjson'),
  });
}

/**
 * While nothing is asked: what is between two collections is not growth, nor is what a thread holds that is about to end,
 * the learner's above all, which is of the size of the history.
 */
async function leastResidentBytes(pid: number, ms: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  const untilMs = performance.now() + ms;
  do {
    await new Promise((resolve) => setTimeout(resolve, 100));
    least = Math.min(least, bytesOf(pid, 'VmRSS'));
  } while (performance.now() < untilMs);
  return least;
}

function bytesOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { requests: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
  });
  const requests = Number(values.requests);
  const report = await fuzz({ requests, seed: Number(values.seed), expectSteady: requests >= 50_000 });
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}
