import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseScenario, type Scenario } from '../../src/control/scenario.js';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { Random } from '../../src/core/random.js';
import type { BatchExecutionRecord, Setting } from '../../src/core/types.js';
import { clusteredVectors } from '../../src/ingest/synthetic.js';
import { type TuneOptions, tune } from '../../src/ingest/tune.js';
import { tuneGrid } from '../../src/ingest/tune-grid.js';
import type { TuneProgress } from '../../src/ingest/tune-report.js';
import { verdictOf } from '../../src/ingest/verdict.js';
import { vectorsPerSecond } from '../../src/model/cost.js';
import { checkRecord } from '../../src/model/records.js';
import { NullSink } from '../../src/sinks/null.js';
import { SimSink } from '../../src/sinks/sim.js';
import { error, TestSink, TestSource } from './support.js';

const scenario = (name: string): Scenario =>
  parseScenario(readFileSync(join(import.meta.dirname, `../scenarios/${name}.json`), 'utf8'), name);

/** Tunes a simulated database and says how many scratch collections were made and dropped. */
async function tuned(name: string, options: Partial<TuneOptions> = {}) {
  const { dimension } = scenario(name);
  const clock = new VirtualClock();
  const collections = { made: 0, dropped: 0 };
  const scratch = async () => {
    const sink = new SimSink('sim://x', scenario(name), { clock, seed: ++collections.made });
    Object.assign(sink, { database: name, drop: async () => void collections.dropped++ });
    return sink;
  };
  const report = await clock.run(tune(scratch, { dimension, clock, ...options }));
  return { report, collections };
}

/** The true rate of a cell without jitter, over that of the best cell. */
function shareOfBest(name: string, cell: Setting): number {
  const { cost, knee, limits, pushBack, dimension } = scenario(name);
  const rate = (setting: Setting) => {
    const isRefused =
      setting.batchSize > (limits?.maxRows ?? Infinity) ||
      setting.batchSize * 4 * dimension > (limits?.maxBytes ?? Infinity) ||
      setting.concurrency > (pushBack?.inFlight ?? Infinity);
    if (isRefused) return 0;
    return (
      vectorsPerSecond(cost, setting) /
      (knee ? knee.base ** Math.max(0, setting.concurrency - knee.inFlight) : 1)
    );
  };
  return rate(cell) / Math.max(...tuneGrid(16_384).map(rate));
}

describe('tune', () => {
  it.each([
    'byte-limit',
    'chroma',
    'count-limit',
    'knee',
    'lancedb',
    'noisy',
    'pglite',
    'postgres',
    'push-back',
    'sqlite',
    'stalls',
  ])(
    'finds four fifths of the best of %s at least, with a tenth of the grid, and leaves nothing behind',
    async (name) => {
      const { report, collections } = await tuned(name);
      expect(shareOfBest(name, report.best)).toBeGreaterThan(0.8);
      expect(report.shareOfGrid).toBeLessThanOrEqual(0.1);
      expect(report.seconds).toBeLessThan(45);
      expect(collections.dropped).toBe(collections.made);
    },
  );

  it('begins with what is known of the database', async () => {
    const { cost } = scenario('noisy');
    const asked: string[] = [];
    const settings: Setting[] = [];
    await tuned('noisy', {
      prior: (database) => {
        asked.push(database);
        return cost;
      },
      onProgress: ({ setting }) => settings.push(setting),
    });
    expect(asked).toEqual(['noisy']);
    const first = settings.find(({ batchSize }) => batchSize !== 128)!;
    expect(shareOfBest('noisy', first)).toBeGreaterThan(0.95);
  });

  it('says so where there is nothing to gain', async () => {
    const { report } = await tuned('pglite');
    expect(report).toMatchObject({ isNothingToGain: true, best: { batchSize: 128, concurrency: 1 } });
    expect(report.verdict).toMatch(/^There is nothing to gain/);
  });

  it('measures the whole grid where it is asked to, each trial a valid execution record', async () => {
    const records: BatchExecutionRecord[] = [];
    const progress: TuneProgress[] = [];
    const { report } = await tuned('lancedb', {
      ...{ exhaustive: true, budgetMs: 60_000, onRecord: (record) => records.push(record) },
      onProgress: (one) => progress.push(one),
    });
    expect(report.shareOfGrid).toBe(1);
    expect(report.grid.batchSizes.length * report.grid.concurrencies.length).toBe(48);
    expect(shareOfBest('lancedb', report.best)).toBeGreaterThan(0.9);
    expect(records.length).toBeGreaterThanOrEqual(3 * 48);
    for (const record of records) checkRecord(record, 'record');
    expect(new Set(records.map((r) => `${r.batch_size}x${r.concurrency}`)).size).toBe(48);
    expect(progress.length).toBe(records.length);
    expect(progress.every(({ done, total, etaMs }) => done < total && etaMs >= 0)).toBe(true);
  });

  it('leaves out what has more in flight than there is to load', async () => {
    const { report } = await tuned('lancedb', { exhaustive: true, itemCount: 1000 });
    const inFlight = report.cells.map(({ batchSize, concurrency }) => batchSize * concurrency);
    expect(Math.max(...inFlight)).toBe(512);
    expect(report.cells).toHaveLength(7 + 6 + 5 + 4);
    await expect(tuned('lancedb', { itemCount: 7 })).rejects.toMatchObject({ code: 'VBO_ERR_ARGUMENT' });
  });

  it('is the same with the same seed', async () => {
    const [first, second] = await Promise.all([tuned('noisy', { seed: 9 }), tuned('noisy', { seed: 9 })]);
    expect({ ...first.report, seconds: 0 }).toEqual({ ...second.report, seconds: 0 });
  });

  it('aborted ends in the middle of a trial and removes its collection', async () => {
    const abort = new AbortController();
    const made: TestSink[] = [];
    const clock = new VirtualClock();
    let dropped = 0;
    const scratch = async () => {
      const sink = new TestSink(clock, async (batch, signal) => {
        await clock.sleep(10, signal);
        return { kind: 'ok', bytesSent: batch.rows };
      });
      made.push(sink);
      return Object.assign(sink, { drop: async () => void dropped++ });
    };
    const work = tune(scratch, {
      ...{ dimension: 4, clock, signal: abort.signal },
      onProgress: ({ done }) => done === 3 && abort.abort(),
    });
    await expect(clock.run(work)).rejects.toMatchObject({ code: 'VBO_ERR_ABORTED' });
    expect(dropped).toBe(made.length);
    expect(made.every((sink) => sink.closed === 1)).toBe(true);
  });

  it('removes the collection of a database that refuses for good, and says what it said', async () => {
    const clock = new VirtualClock();
    let dropped = 0;
    const scratch = async () =>
      Object.assign(new TestSink(clock, () => ({ kind: 'fatal', error: error('401 Unauthorized') })), {
        drop: async () => void dropped++,
      });
    await expect(clock.run(tune(scratch, { dimension: 4, clock }))).rejects.toMatchObject({
      message: '401 Unauthorized',
    });
    expect(dropped).toBe(2);
  });

  it('lets the event loop turn with a sink that never waits', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 10);
    const startMs = performance.now();
    await tune(async () => new NullSink(), { dimension: 8, budgetMs: 1000 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan((performance.now() - startMs) / 100);
  });

  it('does not begin with a sink that cannot remove what it makes', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    await expect(clock.run(tune(async () => sink, { dimension: 4, clock }))).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      message: expect.stringMatching(/cannot remove a collection/),
    });
    expect(sink.opened).toBeUndefined();
  });

  it('writes the vectors of a source where it is given one', async () => {
    const clock = new VirtualClock();
    const values = new Set<number>();
    const scratch = async () =>
      Object.assign(
        new TestSink(clock, async (batch, signal) => {
          await clock.sleep(5, signal);
          values.add(batch.vectors[0]!);
          expect(batch.payloads?.[0]).toEqual({ row: batch.vectors[0]! - 1 });
          return { kind: 'ok', bytesSent: 1 };
        }),
        { drop: async () => {} },
      );
    const source = new TestSource({ rows: 50, payload: (row) => ({ row }) });
    await clock.run(tune(scratch, { dimension: 4, source, clock, budgetMs: 1000 }));
    expect(values.size).toBeGreaterThan(10);
    expect(Math.max(...values)).toBeLessThanOrEqual(50);
    const other = tune(scratch, { dimension: 5, source: new TestSource({ rows: 50 }), clock });
    await expect(clock.run(other)).rejects.toMatchObject({ code: 'VBO_ERR_DIMENSION' });
  });
});

describe('the verdict', () => {
  const random = new Random(3);
  const rates = (mean: number, noise: number) =>
    Array.from({ length: 5 }, () => mean * (1 + noise * (random.next() - 0.5)));
  const baseline = { batchSize: 128, concurrency: 1, rates: rates(1000, 0.02) };

  it('prefers the smallest of those that cannot be told apart', () => {
    const { best, asGood, gain } = verdictOf([
      baseline,
      { batchSize: 4096, concurrency: 4, rates: rates(5000, 0.02) },
      { batchSize: 1024, concurrency: 2, rates: rates(4950, 0.02) },
      { batchSize: 512, concurrency: 2, rates: rates(4000, 0.02) },
    ]);
    expect(best).toEqual({ batchSize: 1024, concurrency: 2 });
    expect(asGood).toHaveLength(2);
    expect(gain).toBeCloseTo(5, 0);
  });

  it('compares within rounds: a slow round is nobody’s fault', () => {
    const rounds = [1, 0.2, 1, 0.3, 1];
    const { best } = verdictOf([
      { ...baseline, rates: rounds.map((r) => 1000 * r) },
      { batchSize: 1024, concurrency: 2, rates: rounds.map((r) => 3000 * r) },
      { batchSize: 512, concurrency: 2, rates: rounds.map((r) => 2700 * r) },
    ]);
    expect(best).toEqual({ batchSize: 1024, concurrency: 2 });
  });

  it('leaves everything as it is for less than 5 %', () => {
    const verdict = verdictOf([baseline, { batchSize: 256, concurrency: 1, rates: rates(1035, 0.001) }]);
    expect(verdict).toMatchObject({ isNothingToGain: true, best: { batchSize: 128, concurrency: 1 } });
  });
});

it('synthetic vectors have length 1, lie in clusters, and are the same each time', () => {
  const dimension = 32;
  const vectors = clusteredVectors(500, dimension, 4);
  expect(clusteredVectors(500, dimension, 4)).toEqual(vectors);
  const row = (i: number) => vectors.subarray(i * dimension, (i + 1) * dimension);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  for (let i = 0; i < 500; i += 50) expect(dot(row(i), row(i))).toBeCloseTo(1, 5);
  const nearest = [...Array(50).keys()].map((i) =>
    Math.max(...[...Array(500).keys()].filter((j) => j !== i).map((j) => dot(row(i), row(j)))),
  );
  expect(nearest.reduce((a, b) => a + b) / 50).toBeGreaterThan(0.7);
});
