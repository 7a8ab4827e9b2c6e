import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paceOf, quantileMs, RateMemory, screenText, sparkline } from '../../src/cli/monitor-screen.js';
import { parseMetrics, type Snapshot, snapshotOf } from '../../src/cli/monitor-snapshot.js';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { MAIN, until, vbo } from './vbo.js';

const KEY = 'a key';
const CALCULATE = {
  item_count: 1000,
  vector_dimension: 8,
  database_type: 'qdrant',
  system_resources: { available_memory: 1000, cpu_cores: 2, io_bandwidth: 100 },
};

let optimizer: VectorBatchOptimizer;
let app: FastifyInstance;
let closed: FastifyInstance;
let url: string;
let closedUrl: string;
const folder = mkdtempSync(join(tmpdir(), 'vbo-monitor-'));

beforeAll(async () => {
  optimizer = await VectorBatchOptimizer.create({ threads: 0 });
  const VBO_RUN_DIRECTORY = folder;
  app = await createApp(optimizer, readServerConfig({ VBO_RUN_DIRECTORY, VBO_ALLOWED_SINKS: 'null://' }));
  const VBO_API_KEYS = createHash('sha256').update(KEY).digest('hex');
  closed = await createApp(optimizer, readServerConfig({ VBO_API_KEYS }));
  url = await app.listen({ host: '127.0.0.1', port: 0 });
  closedUrl = await closed.listen({ host: '127.0.0.1', port: 0 });
  const route = '/api/v1/batch-optimization/calculate-size';
  for (let i = 0; i < 3; i++) await app.inject({ method: 'POST', url: route, payload: CALCULATE });
  await app.inject({ method: 'POST', url: route, payload: {} });
  const tune = { kind: 'tune', sink: 'null://', dimension: 8, budget_ms: 300 };
  await app.inject({ method: 'POST', url: '/api/v1/runs', payload: tune });
});
afterAll(async () => {
  await app.close();
  await closed.close();
  await optimizer.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('vbo monitor', () => {
  it('prints one snapshot as JSON: what the service counts, and its runs', async () => {
    const { code, stdout, stderr } = await vbo(['monitor', '--url', url, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const snapshot = JSON.parse(stdout) as Snapshot;
    expect(snapshot.requests.total).toBeGreaterThanOrEqual(5);
    expect(snapshot.requests).toMatchObject({ failed: 0, refusedByCode: { VBO_ERR_ARGUMENT: 1 } });
    expect(snapshot.memory.residentBytes).toBeGreaterThan(1e7);
    expect(snapshot.uptimeSeconds).toBeGreaterThan(0);
    expect(snapshot.runs).toMatchObject([{ kind: 'tune', what: 'null://' }]);
  });

  it('prints a line a look where there is no terminal, until it is told to end', async () => {
    const { code, stdout } = await vbo(['monitor', '--url', url, '--interval', '150ms'], {
      onStart: (kill, printed) => until(() => printed().split('\n').length > 3).then(() => kill('SIGINT')),
    });
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(/^\d{4}-\S+Z {2}[\d.]+ requests\/s {2}p95 /);
  });

  it('says so where nothing answers, something else does, or a credential is missing or wrong', async () => {
    const down = await vbo(['monitor', '--url', 'http://127.0.0.1:9', '--json']);
    expect(down.code).toBe(1);
    expect(down.stderr).toContain('does not answer');
    expect(JSON.parse(down.stdout).error.code).toBe('VBO_ERR_SERVICE');
    const locked = await vbo(['monitor', '--url', closedUrl]);
    expect(locked.code).toBe(1);
    expect(locked.stderr).toContain('VBO_API_KEY');
    expect((await vbo(['monitor', '--url', 'qdrant://x'])).code).toBe(2);
    expect((await vbo(['monitor', '--url', `${url}/elsewhere`])).stderr).toContain('is it vbo serve?');
  });

  it('takes its key from the environment', async () => {
    process.env.VBO_API_KEY = KEY;
    try {
      expect((await vbo(['monitor', '--url', closedUrl, '--json'])).code).toBe(0);
    } finally {
      delete process.env.VBO_API_KEY;
    }
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;
  it.skipIf(!hasScript)('redraws a terminal’s other screen and leaves it as it was, on q', async () => {
    const command = `${process.execPath} ${MAIN} monitor --url ${url} --interval 100ms`;
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm' },
    });
    let screen = '';
    const looks = (text: string) => screen.split(text).length - 1;
    child.stdout.on('data', (data: Buffer) => {
      screen += data;
      if (looks('q leaves') >= 3 && !child.stdin.writableEnded) child.stdin.end('q');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    expect(screen.startsWith('\x1b[?1049h')).toBe(true);
    expect(screen.trimEnd().endsWith('\x1b[?1049l')).toBe(true);
    expect(screen).toContain('tune');
    expect(looks('\x1b[H')).toBeGreaterThanOrEqual(3);
  });

  it('goes on when the service is away for a while, and says so', async () => {
    const started = await vbo(['monitor', '--url', url, '--json']);
    const snapshot = JSON.parse(started.stdout) as Snapshot;
    const text = screenText(
      url,
      snapshot,
      paceOf(snapshot, undefined),
      new RateMemory(),
      'It does not answer.',
      80,
    );
    expect(text).toContain('! It does not answer. Trying again.');
    expect(text).toContain('requests');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('what the monitor makes of metrics', () => {
  it('reads every sample of the service’s own text', async () => {
    const text = (await app.inject({ url: '/metrics' })).body;
    const samples = parseMetrics(text);
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(samples).toHaveLength(lines.length);
    expect(samples.every(({ name }) => /^vbo_/.test(name))).toBe(true);
    const odd = parseMetrics('a{x="1,\\"2\\"}",y="\\\\n"} 3e-4 1700000000\nb 5');
    expect(odd).toEqual([
      { name: 'a', labels: { x: '1,"2"}', y: '\\n' }, value: 3e-4 },
      { name: 'b', labels: {}, value: 5 },
    ]);
  });

  it('counts from the snapshot before, and from the start when the service began anew', () => {
    const at = (atMs: number, total: number, secondsAtMost: Record<string, number>): Snapshot => {
      const empty = snapshotOf(url, atMs, [], []);
      return { ...empty, uptimeSeconds: 10, requests: { ...empty.requests, total, secondsAtMost } };
    };
    const first = at(0, 100, { '0.1': 100, '1': 100, '+Inf': 100 });
    const second = at(2000, 120, { '0.1': 100, '1': 120, '+Inf': 120 });
    expect(paceOf(second, first).requestsPerSecond).toBe(10);
    expect(paceOf(second, first).p95Ms).toBeCloseTo(955, 6);
    expect(paceOf(at(4000, 20, { '+Inf': 20 }), second).requestsPerSecond).toBe(2);
  });

  it('finds the bucket that holds a quantile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 9, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (values, quantile) => {
          const limits = [0.01, 0.1, 0.5, 1, 2, 5, 10, Number.POSITIVE_INFINITY];
          const buckets = limits.map((limit) => ({ limit, count: values.filter((v) => v <= limit).length }));
          const exact = [...values].sort((a, b) => a - b)[Math.ceil(quantile * values.length) - 1]!;
          const upper = limits.find((limit) => exact <= limit)!;
          const lower = limits[limits.indexOf(upper) - 1] ?? 0;
          const found = quantileMs(buckets, quantile)! / 1000;
          expect(found).toBeGreaterThanOrEqual(lower * (1 - 1e-9));
          expect(found).toBeLessThanOrEqual(upper * (1 + 1e-9));
        },
      ),
      { seed: 3 },
    );
    expect(quantileMs([], 0.95)).toBeUndefined();
  });

  it('draws rates as blocks of their height', () => {
    expect(sparkline([0, 50, 100])).toBe('▁▅█');
    expect(sparkline([])).toBe('');
  });
});
