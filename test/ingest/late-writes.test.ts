import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { systemClock } from '../../src/core/clock.js';
import { ingest } from '../../src/ingest/ingest.js';
import { openSink } from '../../src/sinks/index.js';
import { accept, error, kernels, load, TestSink, TestSource } from './support.js';

// A write that takes 100 s whatever it is told runs into its time-out after 30 s, and is given up after 60 s.
const SLOW_MS = 100_000;
const folder = mkdtempSync(join(tmpdir(), 'late-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([false, 'onRequest'] as const)(
  'a sink that adds (upserts: %s) is not asked again while it still stores: nothing is there twice',
  async (upserts) => {
    const clock = new VirtualClock();
    const sink = new TestSink(clock, async (batch, _, request) => {
      await clock.sleep(request === 0 ? SLOW_MS : 10);
      return accept(batch);
    });
    Object.assign(sink, { upserts });
    const fixed = { batchSize: 10, concurrency: 2 };
    const { report } = await load(clock, new TestSource({ rows: 40 }), sink, { fixed });
    expect(report).toMatchObject({ acknowledged: 40, retries: 1, reconciled: true });
    expect(report.seconds).toBeGreaterThanOrEqual(100);
    expect([...sink.stored.values()]).toEqual(Array(40).fill(1));
    expect(sink.batchRows).toEqual([10, 10, 10, 10]);
  },
);

it('a sink that adds is asked again once the write that was given up has failed', async () => {
  const clock = new VirtualClock();
  const asked: (boolean | undefined)[] = [];
  const sink = new TestSink(clock, async (batch, _, request) => {
    asked.push(batch.mayBeStored);
    if (request > 0) return accept(batch);
    await clock.sleep(SLOW_MS);
    return { kind: 'retry', error: error('broken') };
  });
  Object.assign(sink, { upserts: 'onRequest' });
  const { report } = await load(clock, new TestSource({ rows: 10 }), sink);
  expect(report).toMatchObject({ acknowledged: 10, reconciled: true });
  expect(asked).toEqual([undefined, true]);
});

it('a sink that replaces is asked again at once', async () => {
  const clock = new VirtualClock();
  const sink = new TestSink(clock, async (batch, _, request) => {
    if (request === 0) await clock.sleep(SLOW_MS);
    return accept(batch);
  });
  Object.assign(sink, { upserts: true });
  const { report } = await load(clock, new TestSource({ rows: 10 }), sink);
  expect(report).toMatchObject({ acknowledged: 10, retries: 1 });
  expect(report.seconds).toBeLessThan(62);
});

it('a LanceDB whose disk hangs for longer than anybody waits holds every vector once', async () => {
  const haste = 100;
  const clock = {
    now: () => haste * performance.now(),
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / haste, signal),
  };
  const sink = await openSink(`lancedb://${folder}`);
  const write = sink.write.bind(sink);
  let writes = 0;
  sink.write = async (batch, signal) => {
    if (writes++ !== 1) return write(batch, signal);
    await sleep(SLOW_MS / haste);
    // The native code, once it is asked, knows of no signal.
    return write(batch, new AbortController().signal);
  };
  const fixed = { batchSize: 100, concurrency: 2 };
  const report = await ingest({ kernels }, new TestSource({ rows: 1000 }), sink, { clock, fixed });
  expect(report).toMatchObject({ acknowledged: 1000, retries: 1, reconciled: true });
  expect(writes).toBe(10);
});
