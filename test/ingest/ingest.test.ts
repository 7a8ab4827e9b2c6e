import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { VectorBatchError } from '../../src/core/errors.js';
import type { Batch, RejectedRecord } from '../../src/ingest/ports.js';
import type { Progress } from '../../src/ingest/progress.js';
import {
  type Answer,
  accept,
  acceptAfter,
  error,
  FAILING_LISTENERS,
  kernels,
  load,
  TestSink,
  TestSource,
} from './support.js';

const clock = () => new VirtualClock();
let folder: string;
let deadLetters: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  deadLetters = join(folder, 'dead.ndjson');
});

afterEach(async () => {
  expect(kernels.arena.usedBytes).toBe(0);
  await rm(folder, { recursive: true });
});

async function readDeadLetters(): Promise<RejectedRecord[]> {
  const text = await readFile(deadLetters, 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as RejectedRecord);
}

describe('a load that meets no trouble', () => {
  it('stores every record once, in batches of the fixed size, and reports so', async () => {
    const time = clock();
    const sink = new TestSink(
      time,
      acceptAfter(time, () => 5),
    );
    const source = new TestSource({ rows: 1050 });
    const { report } = await load(time, source, sink, { fixed: { batchSize: 100, concurrency: 3 } });
    expect(report).toMatchObject({
      ...{ sink: 'test://', items: 1050, acknowledged: 1050, rejected: 0, resumedFrom: 0, retries: 0 },
      ...{ best: { batchSize: 100, concurrency: 3 }, bytesSent: 1050 * 16, reconciled: true, warnings: [] },
    });
    expect(sink.batchRows).toEqual([...Array(10).fill(100), 50]);
    expect([...sink.stored.keys()].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 1050 }, (_, i) => i),
    );
    expect(sink.mostInFlight).toBe(3);
    // Eleven batches, three at a time, 5 ms each.
    expect(report.seconds).toBeCloseTo(0.02, 6);
    expect(report.latencyMs.p50).toBeCloseTo(5, 0);
    expect([sink.finished, sink.closed, source.closed]).toEqual([1, 1, true]);
  });

  it('keeps ids, payloads and values together across slabs', async () => {
    const time = clock();
    const seen = new Map<unknown, number>();
    const sink = new TestSink(time, (batch) => {
      for (const [row, id] of batch.ids.entries()) seen.set(id, batch.vectors[row * batch.dimension + 3]!);
      return accept(batch);
    });
    const source = new TestSource({
      ...{ rows: 5000, dimension: 1024, chunkRows: 333 },
      id: (row) => `id-${row}`,
      payload: (row) => (row % 3 === 0 ? null : { row }),
    });
    const { report } = await load(time, source, sink, {
      fixed: { batchSize: 77, concurrency: 2 },
      memoryBudgetBytes: 10e6,
    });
    expect(report.acknowledged).toBe(5000);
    expect(sink.opened).toEqual({ dimension: 1024, metric: 'cosine', idType: 'string', hasPayloads: true });
    for (let row = 0; row < 5000; row++) {
      expect(seen.get(`id-${row}`)).toBe(row + 1);
      expect(sink.payloads.get(`id-${row}`)).toEqual(row % 3 === 0 ? null : { row });
    }
    expect(new Set(sink.batchRows.slice(0, -1))).toEqual(new Set([77]));
  });

  it('creates the collection for a source without records', async () => {
    const time = clock();
    const sink = new TestSink(time);
    const { report, error } = await load(time, new TestSource({ rows: 0 }), sink);
    expect(error).toBeUndefined();
    expect(report).toMatchObject({ items: 0, acknowledged: 0, reconciled: true });
    expect(sink.opened?.dimension).toBe(4);
  });

  it('finds a faster setting than it began with', async () => {
    const time = clock();
    const sink = new TestSink(
      time,
      acceptAfter(time, (batch) => 4 + 0.006 * batch.rows),
    );
    const { report } = await load(time, new TestSource({ rows: 200_000, chunkRows: 5000 }), sink);
    expect(report.best.batchSize).toBeGreaterThan(1000);
    expect(report.best.concurrency).toBeGreaterThan(4);
    expect(report.settings.length).toBeGreaterThan(3);
    expect(report.model?.fixedMs).toBeGreaterThan(1);
    expect(report.model?.fixedMs).toBeLessThan(8);
  });

  it('reports progress at most ten times a second, and at the end', async () => {
    const time = clock();
    const sink = new TestSink(
      time,
      acceptAfter(time, () => 10),
    );
    const seen: Progress[] = [];
    const source = new TestSource({ rows: 10_000, count: 10_000 });
    await load(time, source, sink, {
      fixed: { batchSize: 100, concurrency: 1 },
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.length).toBeGreaterThan(8);
    expect(seen.length).toBeLessThan(13);
    expect(seen[3]).toMatchObject({
      total: 10_000,
      rejected: 0,
      setting: { batchSize: 100, concurrency: 1 },
    });
    expect(seen[3]!.vectorsPerSecond).toBeCloseTo(10_000, -2);
    expect(seen[3]!.etaMs! + seen[3]!.elapsedMs).toBeCloseTo(1000, -1);
    expect(seen.at(-1)!.acknowledged).toBe(10_000);
  });

  it('reports a database that hangs as what it is: a rate of 0, second by second', async () => {
    const time = clock();
    const sink = new TestSink(time, async (batch, _, request) => {
      await time.sleep(request === 50 ? 20_000 : 10);
      return accept(batch);
    });
    const seen: Progress[] = [];
    const { report } = await load(time, new TestSource({ rows: 10_000, count: 10_000 }), sink, {
      fixed: { batchSize: 100, concurrency: 1 },
      onProgress: (progress) => seen.push(progress),
    });
    expect(report).toMatchObject({ acknowledged: 10_000, retries: 0 });
    const stall = seen.filter(({ elapsedMs }) => elapsedMs > 501 && elapsedMs < 20_500);
    expect(stall.length).toBeGreaterThanOrEqual(19);
    for (const [i, { elapsedMs, acknowledged, vectorsPerSecond, etaMs }] of stall.entries()) {
      expect(elapsedMs - (stall[i - 1]?.elapsedMs ?? 500)).toBeLessThanOrEqual(1000);
      expect(acknowledged).toBe(5000);
      // The rate is that of two seconds, which begin with a report: the one after a second.
      if (elapsedMs >= 3000)
        expect({ vectorsPerSecond, etaMs }).toEqual({ vectorsPerSecond: 0, etaMs: null });
      else expect(vectorsPerSecond).toBeGreaterThan(0);
    }
    expect(seen.at(-1)!.acknowledged).toBe(10_000);
    expect(seen.at(-1)!.vectorsPerSecond).toBeGreaterThan(0);
  });
});

describe('bad records', () => {
  it('end in the dead letters while all others are stored', async () => {
    const time = clock();
    const sink = new TestSink(time);
    const source = new TestSource({
      rows: 2000,
      rejects: new Set([5]),
      id: (row) => (row === 1500 ? 'id-3' : `id-${row}`),
      vector: (row, values) => {
        if (row === 7) values[2] = Number.NaN;
        if (row === 999) values[0] = Number.NEGATIVE_INFINITY;
      },
    });
    const { report } = await load(time, source, sink, { deadLetters });
    expect(report).toMatchObject({
      items: 2000,
      acknowledged: 1996,
      rejected: 4,
      reconciled: true,
      deadLetters,
    });
    expect(report.rejectedByCode).toEqual({
      VBO_ERR_RECORD: 1,
      VBO_ERR_NOT_FINITE: 2,
      VBO_ERR_DUPLICATE_ID: 1,
    });
    const letters = await readDeadLetters();
    expect(letters.find(({ position }) => position === 7)).toEqual({
      ...{ position: 7, id: 'id-7', code: 'VBO_ERR_NOT_FINITE' },
      ...{ message: 'Component 2 is NaN; expected finite numbers.', vector: [8, 8, 'NaN', 8] },
    });
    expect(letters.find(({ position }) => position === 1500)).toMatchObject({
      code: 'VBO_ERR_DUPLICATE_ID',
      id: 'id-3',
    });
    expect(letters.find(({ position }) => position === 5)).toMatchObject({ raw: '{' });
    expect(sink.stored.get('id-3')).toBe(1);
    expect(sink.stored.has('id-999')).toBe(false);
  });

  it('found only by the database are isolated by bisection: one poison record of 1000 costs about twenty requests', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      batch.ids.includes(613) ? { kind: 'permanent', error: error('bad value in column x') } : accept(batch),
    );
    const { report } = await load(time, new TestSource({ rows: 1000 }), sink, {
      ...{ fixed: { batchSize: 1000, concurrency: 1 }, deadLetters },
    });
    expect(report).toMatchObject({ acknowledged: 999, rejected: 1, reconciled: true });
    expect(sink.batchRows.length).toBeLessThanOrEqual(21);
    const letters = await readDeadLetters();
    expect(letters).toEqual([
      {
        position: 613,
        id: 613,
        code: 'VBO_ERR_SINK',
        message: 'bad value in column x',
        vector: [614, 614, 614, 614],
      },
    ]);
  });

  it('named by the database one by one are set aside without a second request', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) => ({
      ...{ kind: 'ok', bytesSent: 1 },
      rejected: [{ index: batch.rows - 1, code: 'VBO_ERR_SINK', message: 'no' }],
    }));
    const { report } = await load(time, new TestSource({ rows: 100 }), sink, {
      fixed: { batchSize: 50, concurrency: 1 },
    });
    expect(report).toMatchObject({ acknowledged: 98, rejected: 2, reconciled: true, deadLetters: null });
    expect(report.firstRejected.map(({ position }) => position)).toEqual([49, 99]);
    expect(report.warnings).toEqual([
      '2 rejected records were not written down: the load has no dead-letter file.',
    ]);
  });

  it('beyond the error budget stop the load', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      acceptAfter(time, () => 1)(batch, new AbortController().signal, 0),
    );
    const source = new TestSource({
      rows: 100_000,
      vector: (row, values) => row % 5 === 0 && values.fill(Number.NaN),
    });
    const failed = await load(time, source, sink);
    expect(failed.error?.code).toBe('VBO_ERR_ERROR_BUDGET');
    expect(failed.report.items).toBeLessThan(100_000);
    expect(failed.report.rejected).toBeGreaterThanOrEqual(100);
  });

  it('of zero length are loaded and mentioned where the metric is cosine', async () => {
    const time = clock();
    const source = new TestSource({ rows: 10, vector: (row, values) => row < 3 && values.fill(0) });
    const { report } = await load(time, source, new TestSink(time));
    expect(report.acknowledged).toBe(10);
    expect(report.warnings[0]).toMatch(/^3 zero vectors/);
  });
});

describe('a sink in trouble', () => {
  it('that passes is asked again, and the waiting is not counted as latency', async () => {
    const time = clock();
    const sink = new TestSink(time, async (batch, signal, request) => {
      await time.sleep(3, signal);
      return request < 2 ? { kind: 'retry', error: error('connection reset') } : accept(batch);
    });
    const { report } = await load(time, new TestSource({ rows: 100 }), sink, {
      fixed: { batchSize: 100, concurrency: 1 },
    });
    expect(report).toMatchObject({ acknowledged: 100, retries: 2, reconciled: true });
    expect(report.latencyMs.p99).toBeCloseTo(3, 0);
    expect(report.seconds).toBeGreaterThan(0.3);
  });

  it('that is away for a minute and a half is waited for; one that stays away ends the load', async () => {
    const away = new VectorBatchError('VBO_ERR_SINK_UNREACHABLE', 'connect ECONNREFUSED');
    for (const [backMs, stored] of [
      [90_000, 1000],
      [Number.POSITIVE_INFINITY, 300],
    ] as const) {
      const time = new VirtualClock();
      const sink = new TestSink(time, async (batch, _, request) => {
        await time.sleep(10);
        const isAway = request >= 3 && time.now() < backMs;
        return isAway ? { kind: 'retry', error: away } : accept(batch);
      });
      const { report, error } = await load(time, new TestSource({ rows: 1000 }), sink, {
        fixed: { batchSize: 100, concurrency: 1 },
      });
      expect(report.acknowledged).toBe(stored);
      expect(error?.code).toBe(stored === 1000 ? undefined : 'VBO_ERR_SINK_UNREACHABLE');
      expect(time.now()).toBeLessThan(130_000);
    }
  });

  it('that does not pass ends the load after the last attempt, with what was stored in the report', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      batch.ids.includes(450) ? { kind: 'retry', error: error('connection reset') } : accept(batch),
    );
    const failed = await load(time, new TestSource({ rows: 1000 }), sink, {
      ...{ fixed: { batchSize: 100, concurrency: 1 }, maxAttempts: 3 },
    });
    expect(failed.error).toMatchObject({ code: 'VBO_ERR_SINK', message: 'connection reset' });
    expect(failed.report).toMatchObject({ acknowledged: 400, retries: 2, reconciled: null });
    expect(sink.stored.size).toBe(400);
    expect([sink.finished, sink.closed]).toEqual([1, 1]);
  });

  it('is given the time it asks for, up to two minutes', async () => {
    for (const [asked, waited] of [
      [7000, 7],
      [3_600_000, 120],
    ] as const) {
      const time = clock();
      const sink = new TestSink(time, (batch, _, request) =>
        request === 0 ? { kind: 'backOff', error: error('429'), retryAfterMs: asked } : accept(batch),
      );
      const { report } = await load(time, new TestSource({ rows: 10 }), sink);
      expect(report.acknowledged).toBe(10);
      expect(report.seconds).toBeCloseTo(waited, 3);
    }
  });

  it('that finds requests too large is sent smaller ones from then on', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      batch.rows > 100 ? { kind: 'shrink', error: error('413') } : accept(batch),
    );
    const { report } = await load(time, new TestSource({ rows: 10_000 }), sink, {
      fixed: { batchSize: 1000, concurrency: 1 },
    });
    expect(report).toMatchObject({ acknowledged: 10_000, rejected: 0, reconciled: true });
    const refused = sink.batchRows.filter((rows) => rows > 100);
    expect(refused.length).toBeLessThan(20);
    expect(sink.batchRows.at(-2)).toBe(62);
  });

  it('that names its limit is held to it at once', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      batch.rows > 166
        ? { kind: 'shrink', error: error('too many'), limits: { maxRows: 166 } }
        : accept(batch),
    );
    await load(time, new TestSource({ rows: 5000 }), sink, { fixed: { batchSize: 500, concurrency: 1 } });
    expect(sink.batchRows.slice(7, -1).every((rows) => rows === 166)).toBe(true);
  });

  it('that cannot store a single record however small has it in the dead letters', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) =>
      batch.ids.includes(3) ? { kind: 'shrink', error: error('413') } : accept(batch),
    );
    const { report } = await load(time, new TestSource({ rows: 16 }), sink);
    expect(report).toMatchObject({ acknowledged: 15, rejected: 1 });
  });

  it('that hangs runs into the time-out and is asked again', async () => {
    const time = clock();
    const sink = new TestSink(time, async (batch, signal, request) => {
      if (request > 0) return accept(batch);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return { kind: 'retry', error: error('aborted') };
    });
    const { report } = await load(time, new TestSource({ rows: 10 }), sink);
    expect(report).toMatchObject({ acknowledged: 10, retries: 1, reconciled: true });
    expect(report.seconds).toBeGreaterThanOrEqual(30);
    expect(report.seconds).toBeLessThan(31);
  });

  it('that hangs whatever it is told ends the load with a time-out, and never sees the memory of other rows', async () => {
    const time = clock();
    const views: Float32Array[] = [];
    let release = () => {};
    const hanging = new Promise<void>((resolve) => {
      release = resolve;
    });
    const sink = new TestSink(time, async (batch) => {
      views.push(batch.vectors);
      await hanging;
      return accept(batch);
    });
    const failed = await load(time, new TestSource({ rows: 10 }), sink, { maxAttempts: 2 });
    expect(failed.error?.code).toBe('VBO_ERR_TIMEOUT');
    expect(failed.report.acknowledged).toBe(0);
    expect(kernels.arena.usedBytes).toBeGreaterThan(0);
    expect(views[0]![36]).toBe(10);
    release();
    await new Promise(setImmediate);
  });

  it('has each of its failures counted, also those that are not tried again', async () => {
    const failuresOf = async (answer: Answer, rows: number): Promise<number> => {
      const time = clock();
      let last: Progress | undefined;
      await load(time, new TestSource({ rows }), new TestSink(time, answer), {
        fixed: { batchSize: 4, concurrency: 1 },
        maxAttempts: 3,
        onProgress: (progress) => {
          last = progress;
        },
      });
      return last!.failures;
    };
    const without3 = (kind: 'permanent' | 'shrink') => (batch: Batch) =>
      batch.ids.includes(3) ? { kind, error: error('no') } : accept(batch);
    // 0 to 3, 2 and 3, 3.
    expect(await failuresOf(without3('permanent'), 4)).toBe(3);
    expect(await failuresOf(without3('shrink'), 4)).toBe(3);
    expect(await failuresOf(() => ({ kind: 'fatal', error: error('401') }), 8)).toBe(1);
    expect(await failuresOf(() => ({ kind: 'retry', error: error('reset') }), 4)).toBe(3);
  });

  it('that refuses for good ends the load at once', async () => {
    const time = clock();
    const sink = new TestSink(time, () => ({ kind: 'fatal', error: error('401') }));
    const failed = await load(time, new TestSource({ rows: 1000 }), sink);
    expect(failed.error?.message).toBe('401');
    expect(sink.batchRows).toHaveLength(1);
  });

  it('that acknowledges more than it stores is found out', async () => {
    const time = clock();
    const sink = new TestSink(time, (batch) => {
      if (batch.ids.includes(17)) sink.extra--;
      return accept(batch);
    });
    const failed = await load(time, new TestSource({ rows: 100 }), sink);
    expect(failed.error?.code).toBe('VBO_ERR_RECONCILE');
    expect(failed.error?.details).toMatchObject({ before: 0, after: 99, acknowledged: 100 });
  });

  it('that cannot be opened fails the load, with a report', async () => {
    const time = clock();
    const sink = new TestSink(time);
    sink.open = async () => {
      throw error('no such host');
    };
    const failed = await load(time, new TestSource({ rows: 10 }), sink);
    expect(failed.error?.message).toBe('no such host');
    expect(failed.report).toMatchObject({ items: 0, acknowledged: 0, reconciled: null });
    expect(sink.closed).toBe(1);
  });
});

describe('a load that is cut short', () => {
  it('by its caller finishes what is in flight and says what was stored', async () => {
    const time = clock();
    const abort = new AbortController();
    const sink = new TestSink(
      time,
      acceptAfter(time, () => 10),
    );
    const pending = load(time, new TestSource({ rows: 100_000 }), sink, {
      ...{ fixed: { batchSize: 100, concurrency: 4 }, signal: abort.signal },
      onProgress: ({ acknowledged }) => acknowledged > 2000 && abort.abort(),
    });
    const failed = await pending;
    expect(failed.error?.code).toBe('VBO_ERR_ABORTED');
    expect(failed.report.acknowledged).toBe(sink.stored.size);
    expect(failed.report.acknowledged).toBeLessThan(100_000);
    expect(sink.inFlight).toBe(0);
    expect([sink.finished, sink.closed]).toEqual([1, 1]);
  });

  it.each(FAILING_LISTENERS)(
    'by a listener that %s ends with that error, the sink finished',
    async (_, onProgress) => {
      const time = clock();
      const sink = new TestSink(
        time,
        acceptAfter(time, () => 60),
      );
      const failed = await load(time, new TestSource({ rows: 10_000 }), sink, {
        ...{ fixed: { batchSize: 100, concurrency: 4 }, onProgress },
      });
      expect(failed.error).toMatchObject({
        code: 'VBO_ERR_INTERNAL',
        message: 'onProgress failed: no such element',
      });
      expect(failed.report.acknowledged).toBe(sink.stored.size);
      expect(failed.report.acknowledged).toBeLessThan(10_000);
      expect([sink.finished, sink.closed]).toEqual([1, 1]);
    },
  );

  it('by the sink’s own refusal to count has it finished too', async () => {
    const time = clock();
    const sink = new TestSink(time);
    sink.count = async () => {
      throw error('no quorum');
    };
    const failed = await load(time, new TestSource({ rows: 10 }), sink);
    expect(failed.error?.message).toBe('no quorum');
    expect([sink.finished, sink.closed]).toEqual([1, 1]);
  });

  it('before it began reads nothing', async () => {
    const time = clock();
    const sink = new TestSink(time);
    const failed = await load(time, new TestSource({ rows: 10 }), sink, { signal: AbortSignal.abort() });
    expect(failed.error?.code).toBe('VBO_ERR_ABORTED');
    expect(sink.opened).toBeUndefined();
  });

  it('by its caller does not wait for a source that never answers', async () => {
    const time = clock();
    const abort = new AbortController();
    const source = new TestSource({ rows: 100 });
    source[Symbol.asyncIterator] = async function* () {
      yield { positions: { first: 0 }, vectors: new Float32Array(400) };
      abort.abort();
      await new Promise(() => {});
    };
    const failed = await load(time, source, new TestSink(time), { signal: abort.signal });
    expect(failed.error?.code).toBe('VBO_ERR_ABORTED');
  });

  it('by a damaged source has everything before the damage stored', async () => {
    const time = clock();
    const sink = new TestSink(
      time,
      acceptAfter(time, () => 10),
    );
    const failed = await load(
      time,
      new TestSource({ rows: 1234, failure: new Error('unexpected end') }),
      sink,
    );
    expect(failed.error).toMatchObject({
      code: 'VBO_ERR_RECORD',
      message: 'Reading test failed: unexpected end',
    });
    expect(failed.report).toMatchObject({ items: 1234, acknowledged: 1234, rejected: 0 });
    expect(sink.stored.size).toBe(1234);
    expect(sink.finished).toBe(1);
  });
});

describe('the memory budget', () => {
  it('too small for the dimension is refused with the numbers', async () => {
    const time = clock();
    const source = new TestSource({ rows: 10, dimension: 65_536, chunkRows: 1 });
    const failed = await load(time, source, new TestSink(time), { memoryBudgetBytes: 1e6 });
    expect(failed.error).toMatchObject({ code: 'VBO_ERR_MEMORY' });
    expect(failed.error?.message).toMatch(/65536/);
  });

  it('bounds what is read ahead of a slow sink', async () => {
    const time = clock();
    const sink = new TestSink(
      time,
      acceptAfter(time, () => 50),
    );
    const before = kernels.arena.peakBytes;
    const source = new TestSource({ rows: 20_000, dimension: 1024, chunkRows: 1000 });
    const { report } = await load(time, source, sink, {
      ...{ memoryBudgetBytes: 8e6, fixed: { batchSize: 100, concurrency: 2 } },
    });
    expect(report.acknowledged).toBe(20_000);
    expect(Math.max(before, kernels.arena.peakBytes)).toBeLessThan(Math.max(before, 8e6) + 1);
  });
});
