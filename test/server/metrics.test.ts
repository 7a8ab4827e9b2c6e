import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { DurationHistogram } from '../../src/server/metrics/duration-histogram.js';
import { METRICS } from '../../src/server/metrics/names.js';
import { RECORD_EXAMPLE } from '../../src/server/schemas/record.js';
import type { RunAnswer } from '../../src/server/schemas/runs.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { npyHeader } from '../cli/vbo.js';
import { BODY, CALCULATE, sampleOf, tempFolder, until } from './support.js';

const folder = tempFolder();
// 200 vectors, of which the first is none.
const values = Float32Array.from({ length: 200 * 8 }, (_, i) => (i === 0 ? Number.NaN : 1 + (i % 7)));
writeFileSync(join(folder, 'few.npy'), Buffer.concat([npyHeader(200, 8), Buffer.from(values.buffer)]));
writeFileSync(
  join(folder, 'slow.json'),
  JSON.stringify({
    sentence: 'Requests take at most 20 vectors, and 300 ms each.',
    dimension: 8,
    rows: 200,
    cost: { fixedMs: 300, perVectorMs: 0, superLinearMs: 0, sigma: 0, kappa: 0 },
    limits: { maxRows: 20, tells: true },
  }),
);

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(
  optimizer,
  readServerConfig({
    VBO_ALLOWED_SOURCES: folder,
    VBO_ALLOWED_SINKS: `null://,sim://${folder}`,
    VBO_RUN_DIRECTORY: join(folder, 'runs'),
  }),
);
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

app.get('/defect', async () => {
  throw new Error('a defect of the test');
});

const scrape = async (): Promise<string> => (await app.inject({ url: '/metrics' })).body;
const start = async (payload: object): Promise<RunAnswer> =>
  (await app.inject({ method: 'POST', url: '/api/v1/runs', payload })).json();

const endOf = (id: string): Promise<RunAnswer> =>
  until(
    async () => (await app.inject({ url: `/api/v1/runs/${id}` })).json(),
    ({ state }) => state !== 'running',
  );

describe('a histogram of durations', () => {
  it('counts each duration in every bucket that it is not above', () => {
    const histogram = new DurationHistogram({ name: 'some_seconds', help: 'Of the test' });
    const fast = histogram.series({ route: '/a"b' });
    for (const ms of [0.05, 0.1, 0.2, 40_000]) fast(ms);
    const lines = histogram.text().split('\n');
    expect(lines.slice(0, 2)).toEqual(['# HELP some_seconds Of the test', '# TYPE some_seconds histogram']);
    const bucket = (le: string) => `some_seconds_bucket{le="${le}",route="/a\\"b"}`;
    expect(lines).toContain(`${bucket('0.0001')} 2`);
    expect(lines).toContain(`${bucket('0.00025')} 3`);
    expect(lines).toContain(`${bucket('30')} 3`);
    expect(lines).toContain(`${bucket('+Inf')} 4`);
    expect(lines).toContain('some_seconds_count{route="/a\\"b"} 4');
    expect(sampleOf(histogram.text(), 'some_seconds_sum{route="/a\\"b"}')).toBeCloseTo(40.00035, 9);
  });
});

describe('/metrics', () => {
  it('has every metric that is named', async () => {
    const text = await scrape();
    for (const { name, help } of Object.values(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}`);
    }
    for (const name of ['vbo_nodejs_gc_duration_seconds', 'vbo_nodejs_eventloop_lag_p99_seconds']) {
      expect(text).toContain(`# TYPE ${name} `);
    }
  });

  it('counts requests by route and status, and times the calculation alone', async () => {
    await app.inject({ method: 'POST', url: CALCULATE, payload: BODY });
    await app.inject({ method: 'POST', url: CALCULATE, payload: {} });
    for (const [route, payload] of [
      ['optimize-layout', { vectors: [[1, 2]], batch_size: 1 }],
      ['train', { records: [RECORD_EXAMPLE] }],
    ] as const) {
      const url = `/api/v1/batch-optimization/${route}`;
      expect((await app.inject({ method: 'POST', url, payload })).statusCode).toBe(200);
    }
    const text = await scrape();
    const series =
      'vbo_http_request_duration_seconds_count{method="POST",route="/api/v1/batch-optimization/calculate-size"';
    expect(sampleOf(text, `${series},status="200"}`)).toBe(1);
    expect(sampleOf(text, `${series},status="400"}`)).toBe(1);
    expect(sampleOf(text, 'vbo_algorithm_duration_seconds_count{algorithm="calculate-size"}')).toBe(1);
    for (const algorithm of ['optimize-layout', 'train']) {
      expect(sampleOf(text, `vbo_algorithm_duration_seconds_count{algorithm="${algorithm}"}`)).toBe(1);
    }
    expect(sampleOf(text, 'vbo_http_refusals_total{code="VBO_ERR_ARGUMENT"}')).toBe(1);
  });

  it('counts what is answered by 500', async () => {
    await app.inject({ url: '/nowhere' });
    expect(sampleOf(await scrape(), 'vbo_http_internal_errors_total')).toBe(0);
    expect((await app.inject({ url: '/defect' })).statusCode).toBe(500);
    expect(sampleOf(await scrape(), 'vbo_http_internal_errors_total')).toBe(1);
  });

  it('calls counters, and nothing else, a total', async () => {
    const kinds = [...(await scrape()).matchAll(/^# TYPE (vbo_(?!nodejs_|process_)\S+) (\w+)$/gm)];
    expect(kinds.length).toBe(Object.keys(METRICS).length);
    for (const [, name, kind] of kinds) expect(kind === 'counter', name).toBe(name!.endsWith('_total'));
  });

  it('shows a load while it runs and what it has come to', async () => {
    const { id } = await start({
      kind: 'ingest',
      source: 'few.npy',
      sink: `sim://${folder}/slow.json`,
      fixed: { batch_size: 40, concurrency: 1 },
    });
    const done = 'vbo_vectors_total{outcome="acknowledged"}';
    const succeeded = 'vbo_batches_total{outcome="success"}';
    // Between a request's answer and the ledger's entry of its rows there is a moment.
    const under = await until(
      scrape,
      (text) => sampleOf(text, done) >= 60 && sampleOf(text, done) === 20 * sampleOf(text, succeeded),
    );
    const ofRun = (name: string, labels = '') => sampleOf(under, `${name}{run="${id}"${labels}}`);
    expect(sampleOf(under, 'vbo_runs{kind="ingest"}')).toBe(1);
    // Of 40 rows the database refuses, and says that it takes 20.
    expect(ofRun('vbo_run_batch_size')).toBe(20);
    expect(ofRun('vbo_run_concurrency')).toBe(1);
    expect(sampleOf(under, 'vbo_batches_total{outcome="failure"}')).toBe(1);
    // A request takes 300 ms, and on a busy machine somewhat more.
    expect(ofRun('vbo_run_batch_latency_seconds', ',quantile="0.5"')).toBeGreaterThan(0.29);
    expect(ofRun('vbo_run_batch_latency_seconds', ',quantile="0.95"')).toBeLessThan(1);
    const rate = ofRun('vbo_run_vectors_per_second');
    expect(rate).toBeGreaterThan(10);
    expect(rate).toBeLessThan(20 / 0.29);
    expect(ofRun('vbo_run_eta_seconds')).toBeCloseTo((199 - sampleOf(under, done)) / rate, 6);

    const completed = 'vbo_runs_ended_total{kind="ingest",state="completed"}';
    const after = await until(scrape, (text) => sampleOf(text, completed) > 0);
    expect(sampleOf(after, done)).toBe(199);
    expect(sampleOf(after, 'vbo_vectors_total{outcome="rejected"}')).toBe(1);
    expect(sampleOf(after, succeeded)).toBe(10);
    expect(sampleOf(after, 'vbo_batches_total{outcome="failure"}')).toBe(1);
    expect(sampleOf(after, 'vbo_runs{kind="ingest"}')).toBe(0);
    expect(after).not.toContain(id);
  });

  it('counts a load that is resumed once', async () => {
    const acknowledged = async () => sampleOf(await scrape(), 'vbo_vectors_total{outcome="acknowledged"}');
    const before = await acknowledged();
    const load = { kind: 'ingest', source: 'few.npy', sink: `sim://${folder}/slow.json` };
    const { id } = await start({ ...load, fixed: { batch_size: 20, concurrency: 1 } });
    await until(acknowledged, (count) => count >= before + 40);
    await app.inject({ method: 'DELETE', url: `/api/v1/runs/${id}` });
    const first = await endOf(id);
    expect(first.state).toBe('cancelled');
    const second = await endOf((await start({ ...load, resume: id })).id);
    expect(second).toMatchObject({ state: 'completed', report: { resumed_from: expect.any(Number) } });
    expect((await acknowledged()) - before).toBe(199);
  });

  it('counts a load that fails', async () => {
    const failed = 'vbo_runs_ended_total{kind="ingest",state="failed"}';
    expect(sampleOf(await scrape(), failed)).toBe(0);
    await start({ kind: 'ingest', source: 'few.npy', sink: `sim://${folder}/absent.json` });
    const text = await until(scrape, (t) => sampleOf(t, failed) > 0);
    expect(sampleOf(text, failed)).toBe(1);
  });

  it('tells how runs end, and what a tuning gained', async () => {
    const { id } = await start({ kind: 'tune', sink: 'null://', dimension: 8, budget_ms: 200 });
    await endOf(id);
    const completed = 'vbo_runs_ended_total{kind="tune",state="completed"}';
    const text = await until(scrape, (t) => sampleOf(t, completed) > 0);
    expect(sampleOf(text, completed)).toBe(1);
    expect(sampleOf(text, 'vbo_gain_over_default_ratio{database="null"}')).toBeGreaterThan(0);
  });
});
