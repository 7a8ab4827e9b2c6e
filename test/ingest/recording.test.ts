import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { checkRecord, sizeLesson, toSample } from '../../src/model/records.js';
import { accept, acceptAfter, error, load, TestSink, TestSource } from './support.js';

/** Loads on virtual time and returns what was told of it. */
async function recorded(
  sink: TestSink,
  rows: number,
  options: Parameters<typeof load>[3],
): Promise<{ records: BatchExecutionRecord[] } & Awaited<ReturnType<typeof load>>> {
  const records: BatchExecutionRecord[] = [];
  const onRecord = (record: BatchExecutionRecord) => records.push(checkRecord(record, 'record'));
  return { records, ...(await load(sink.clock, new TestSource({ rows }), sink, { ...options, onRecord })) };
}

describe('a load tells of itself in execution records', () => {
  it('one for a setting that stays, with the rate that Little’s law says', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(
      clock,
      acceptAfter(clock, () => 10),
    );
    sink.extra = 1000;
    const { records } = await recorded(sink, 20_050, {
      fixed: { batchSize: 100, concurrency: 4 },
      idOffset: 1000,
    });
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      ...{ database_type: 'test', vector_dimension: 4, batch_size: 100, concurrency: 4, item_count: 20_050 },
      ...{ bytes_per_vector: 16, success: true, error: null, batches: 201, n_errors: 0, origin: 'ingest' },
      collection_rows: 1000,
    });
    expect(records[0]!.throughput_vps).toBeCloseTo((4 * 100) / 0.01, 3);
    expect(records[0]!.batch_p50_ms! / 10).toBeCloseTo(1, 1);
    expect(records[0]!.peak_rss_mb).toBeGreaterThan(10);
  });

  it('one for every stretch of an adaptive one, which together hold every row', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(
      clock,
      acceptAfter(clock, ({ rows }) => (2 + 0.005 * rows) * sink.inFlight ** 0.5),
    );
    const { records, report } = await recorded(sink, 400_000, {});
    expect(records.length).toBeGreaterThan(3);
    expect(records.length).toBeLessThanOrEqual(report.settings.length + Math.ceil(report.seconds / 60));
    expect(records.reduce((sum, { item_count }) => sum + item_count!, 0)).toBe(400_000);
    for (const record of records) {
      const sample = toSample(record);
      if ('unmeasured' in sample) continue;
      const { batchSize, concurrency, latencyMs } = sample;
      expect(latencyMs / ((2 + 0.005 * batchSize) * concurrency ** 0.5)).toBeGreaterThan(0.7);
      expect(latencyMs / ((2 + 0.005 * batchSize) * concurrency ** 0.5)).toBeLessThan(1.4);
    }
  });

  it('one a minute where a setting stays for hours', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(
      clock,
      acceptAfter(clock, () => 1000),
    );
    const { records } = await recorded(sink, 6000, { fixed: { batchSize: 10, concurrency: 2 } });
    expect(records).toHaveLength(5);
    expect(records.map(({ collection_rows }) => collection_rows)).toEqual([0, 1190, 2390, 3590, 4790]);
  });

  it('one for every size that is refused as too large: a limit, with the database’s words', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(clock, async (batch, signal) => {
      if (batch.rows > 128) return { kind: 'shrink', error: error('max_batch_size is 128') };
      await clock.sleep(5, signal);
      return accept(batch);
    });
    const { records } = await recorded(sink, 5000, { fixed: { batchSize: 512, concurrency: 1 } });
    const failures = records.filter(({ success }) => !success);
    expect(failures.map(({ batch_size }) => batch_size)).toEqual([512, 256]);
    expect(failures[0]).toMatchObject({
      ...{ throughput_vps: null, error: 'max_batch_size is 128', request_bytes: 512 * 16 },
    });
    // What came of it was measured as what it was.
    const measured = records.filter(({ success }) => success);
    expect(measured).toMatchObject([
      { batch_size: 128, item_count: 512 },
      { batch_size: 128, item_count: 4488 },
    ]);
  });

  it('one for a setting that only met overload, which is told as such and not as a limit of size', async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const sink = new TestSink(clock, (_batch, _signal, request) => {
      if (request === 5) stop.abort();
      return { kind: 'backOff', error: error('busy') };
    });
    const fixed = { batchSize: 100, concurrency: 2 };
    const { records } = await recorded(sink, 1000, { fixed, signal: stop.signal });
    expect(records).toMatchObject([
      { ...{ batch_size: 100, success: false, throughput_vps: null, error: 'overload: busy' }, n_errors: 6 },
    ]);
    expect(sizeLesson(records[0]!.error!)).toBe('overload');
  });

  it('nothing where the data or the network is to blame', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(clock, () => ({ kind: 'retry', error: error('connection reset') }));
    const { records, error: failure } = await recorded(sink, 1000, {
      fixed: { batchSize: 100, concurrency: 2 },
    });
    expect(failure?.message).toBe('connection reset');
    expect(records).toEqual([]);
  });

  it('and a listener that throws ends it with the reason', async () => {
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    const { error: failure } = await load(clock, new TestSource({ rows: 1000 }), sink, {
      onRecord: () => {
        throw new Error('disk gone');
      },
    });
    expect(failure).toMatchObject({ code: 'VBO_ERR_INTERNAL', message: 'onRecord failed: disk gone' });
  });
});
