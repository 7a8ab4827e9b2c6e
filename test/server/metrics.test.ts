import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { DurationHistogram } from '../../src/server/metrics/duration-histogram.js';
import { METRICS } from '../../src/server/metrics/names.js';
import type { RunAnswer } from '../../src/server/schemas/runs.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { BODY, CALCULATE, tempFolder, until } from './support.js';

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(
  optimizer,
  readServerConfig({ VBO_ALLOWED_SINKS: 'null://', VBO_RUN_DIRECTORY: tempFolder() }),
);
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

app.get('/defect', async () => {
  throw new Error('a defect of the test');
});

const scrape = async (): Promise<string> => (await app.inject({ url: '/metrics' })).body;
const sampleOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
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
    const text = await scrape();
    const series =
      'vbo_http_request_duration_seconds_count{method="POST",route="/api/v1/batch-optimization/calculate-size"';
    expect(sampleOf(text, `${series},status="200"}`)).toBe(1);
    expect(sampleOf(text, `${series},status="400"}`)).toBe(1);
    expect(sampleOf(text, 'vbo_algorithm_duration_seconds_count{algorithm="calculate-size"}')).toBe(1);
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

  it('tells how runs end, and what a tuning gained', async () => {
    const payload = { kind: 'tune', sink: 'null://', dimension: 8, budget_ms: 200 };
    const { id } = (await app.inject({ method: 'POST', url: '/api/v1/runs', payload })).json();
    await until<RunAnswer>(
      async () => (await app.inject({ url: `/api/v1/runs/${id}` })).json(),
      ({ state }) => state !== 'running',
    );
    const completed = 'vbo_runs_ended_total{kind="tune",state="completed"}';
    const text = await until(scrape, (t) => sampleOf(t, completed) > 0);
    expect(sampleOf(text, completed)).toBe(1);
    expect(sampleOf(text, 'vbo_gain_over_default_ratio{database="null"}')).toBeGreaterThan(0);
  });
});
