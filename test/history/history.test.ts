import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import Driver from 'libsql/promise';
import { describe, expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { History } from '../../src/history/history.js';
import { clockAt, NOW, recordAt, recordsAt, scratchFolder, warningLogger } from './support.js';

const folder = scratchFolder();
const memory = () => History.open(':memory:', { clock: clockAt(NOW) });

describe('a history', () => {
  it('gives back what it was given, the newest first, in a file that outlives it', async () => {
    const path = folder.file('deep/er/history.db');
    const records = recordsAt(1234);
    {
      await using history = await History.open(path, { clock: clockAt(NOW) });
      expect(await history.append(records)).toBe(1234);
    }
    await using history = await History.open(path, { clock: clockAt(NOW) });
    expect(await history.records()).toEqual(records.toReversed());
    expect(await history.count()).toBe(1234);
    expect(await history.state()).toEqual({ count: 1234, newestId: 1234 });
  });

  it('keeps further fields, and leaves out what was not there', async () => {
    await using history = await memory();
    const odd = recordAt(1, { client_version: '3.5', nested: { a: [1, 'zwei', null] }, further: 'x', id: 7 });
    const bare: BatchExecutionRecord = {
      ...{ database_type: 'mine', vector_dimension: 3, batch_size: 1, concurrency: 1, success: true },
      throughput_vps: 5,
    };
    await history.append([odd, bare]);
    const [newest, older] = await history.records();
    expect(newest).toEqual({ ...bare, error: null, ts: NOW });
    expect(older).toEqual(odd);
  });

  it('keeps any valid record to the last bit', async () => {
    await using history = await memory();
    const measure = fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }), { nil: null });
    const record = fc.record({
      database_type: fc.string({ minLength: 1, unit: 'grapheme' }).filter((name) => !name.includes('\0')),
      vector_dimension: fc.integer({ min: 1, max: 65_536 }),
      batch_size: fc.integer({ min: 1, max: 1_048_576 }),
      concurrency: fc.integer({ min: 1, max: 1024 }),
      throughput_vps: measure,
      success: fc.boolean(),
      error: fc.option(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
        { nil: null },
      ),
      ts: fc.integer({ min: NOW - 1e9, max: NOW }),
      extra: fc.jsonValue(),
    });
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(record, async (value) => {
        const expected = JSON.parse(JSON.stringify(value)) as BatchExecutionRecord;
        kept += await history.append([expected]);
        const found = (await history.records()).filter(({ ts }) => ts === expected.ts);
        expect(found).toContainEqual(expected);
      }),
      { seed: 7, numRuns: 100 },
    );
    expect(await history.count()).toBe(kept);
  });

  it('narrows by any name of a database, by dimension, time and number', async () => {
    await using history = await memory();
    await history.append([
      recordAt(0, { database_type: 'pgvector' }),
      recordAt(1, { database_type: 'PostgreSQL' }),
      recordAt(2, { database_type: 'qdrant', vector_dimension: 768 }),
      recordAt(3, { database_type: 'home-made' }),
    ]);
    const times = async (filter: object) => (await history.records(filter)).map(({ ts }) => ts! - NOW + 1000);
    expect(await times({ databaseType: 'postgres' })).toEqual([1, 0]);
    expect(await times({ databaseType: 'Home-Made' })).toEqual([3]);
    expect(await times({ databaseType: 'nobody' })).toEqual([]);
    expect(await times({ vectorDimension: 768 })).toEqual([2]);
    expect(await times({ sinceMs: NOW - 998 })).toEqual([3, 2]);
    expect(await times({ limit: 2 })).toEqual([3, 2]);
    expect(await history.count({ databaseType: 'postgres', vectorDimension: 128 })).toBe(2);
  });

  it('keeps a record with a time stamp but once', async () => {
    await using history = await memory();
    expect(await history.append(recordsAt(10))).toBe(10);
    expect(await history.append(recordsAt(12))).toBe(2);
    const { ts, ...timeless } = recordAt(1);
    expect(await history.append([timeless as BatchExecutionRecord, timeless as BatchExecutionRecord])).toBe(
      2,
    );
    expect(await history.count()).toBe(14);
  });

  it.each([
    [{ batch_size: 0 }, /records\[1\]\.batch_size is 0/],
    [{ success: 'yes' as never }, /records\[1\]\.success/],
    [{ batch_p95_ms: 'slow' as never }, /records\[1\]\.batch_p95_ms is "slow"/],
    [{ error: 5 as never }, /records\[1\]\.error is 5; expected text/],
  ])('refuses %j, and keeps nothing of what came with it', async (change, message) => {
    await using history = await memory();
    const append = history.append([recordAt(0), recordAt(1, change)]);
    await expect(append).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(await history.count()).toBe(0);
  });

  it('forgets what is too old and, beyond a number, the oldest', async () => {
    await using history = await History.open(folder.file('h.db'), {
      ...{ clock: clockAt(NOW), maxAgeMs: 86_400_000, maxRecords: 50 },
    });
    const old = recordAt(0, { ts: NOW - 86_400_001 });
    await history.append([old, ...recordsAt(80)]);
    const kept = await history.records();
    expect(kept).toEqual(recordsAt(80).slice(30).toReversed());
  });

  it('sums up each setting: median, spread, failures', async () => {
    await using history = await memory();
    const rates = [100, 101, 99, 100, 10];
    await history.append([
      ...rates.map((throughput_vps, n) => recordAt(n, { throughput_vps })),
      recordAt(9, { batch_size: 4096, success: false, throughput_vps: null, error: '413 too large' }),
    ]);
    const cells = await history.aggregates({ databaseType: 'qdrant' });
    expect(cells).toHaveLength(2);
    const measured = cells.find(({ batchSize }) => batchSize === 256)!;
    expect(measured).toMatchObject({ count: 5, failures: { count: 0 } });
    expect(measured.vectorsPerSecond).toBeCloseTo(100, 6);
    expect(measured.outliers).toHaveLength(1);
    const refused = cells.find(({ batchSize }) => batchSize === 4096)!;
    expect(refused).toMatchObject({ count: 0, failures: { count: 1, lastError: '413 too large' } });
  });

  it('cannot be used after it was closed', async () => {
    const history = await memory();
    await history.close();
    await history.close();
    await expect(history.count()).rejects.toMatchObject({ code: 'VBO_ERR_CLOSED' });
  });
});

describe('a damaged file', () => {
  const garbage = Buffer.from('this was a history once '.repeat(400));

  it('is set aside with a warning, and a new history begun', async () => {
    const path = folder.file('history.db');
    writeFileSync(path, garbage);
    const logger = warningLogger();
    await using history = await History.open(path, { logger, clock: clockAt(NOW) });
    expect(await history.count()).toBe(0);
    expect(await history.append(recordsAt(3))).toBe(3);
    const moved = `${path}.damaged-20260601T000000_000Z`;
    expect(readFileSync(moved)).toEqual(garbage);
    expect(logger.warnings).toEqual([expect.stringContaining(moved)]);
  });

  it('that breaks while it is in use is set aside too, whatever was asked of it', async () => {
    const path = folder.file('history.db');
    {
      await using history = await History.open(path, { clock: clockAt(NOW) });
      await history.append(recordsAt(2000));
    }
    // The head is whole, what the tables hold is not.
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 2 * 4096);
    writeFileSync(path, bytes);
    const logger = warningLogger();
    await using history = await History.open(path, { logger, clock: clockAt(NOW) });
    expect(await history.records()).toEqual([]);
    expect(await history.append(recordsAt(3))).toBe(3);
    expect(await history.count()).toBe(3);
    expect(logger.warnings).toHaveLength(1);
    expect(readdirSync(folder.path).filter((name) => /\.damaged-\w+$/.test(name))).toHaveLength(1);
  });

  it('that was cut short is set aside', async () => {
    const path = folder.file('history.db');
    {
      await using history = await History.open(path, { clock: clockAt(NOW) });
      await history.append(recordsAt(2000));
    }
    truncateSync(path, 3 * 4096);
    const logger = warningLogger();
    await using history = await History.open(path, { logger, clock: clockAt(NOW) });
    expect(await history.records()).toEqual([]);
    expect(logger.warnings).toHaveLength(1);
  });
});

describe('a file that cannot be used', () => {
  it('of another program is refused and left alone', async () => {
    const path = folder.file('other.db');
    const other = new Driver(path, {});
    await other.exec('CREATE TABLE theirs (a)');
    other.close();
    await expect(History.open(path)).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_HISTORY', message: `${path} is an SQLite database, but not a history.` },
    });
    expect(readdirSync(folder.path)).toEqual(['other.db']);
  });

  it('of a newer version is refused and left alone', async () => {
    const path = folder.file('newer.db');
    await (await History.open(path)).close();
    const other = new Driver(path, {});
    await other.exec('PRAGMA user_version = 99');
    other.close();
    await expect(History.open(path)).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_HISTORY', message: expect.stringContaining('version 99') },
    });
    expect(existsSync(path)).toBe(true);
  });

  it('that is a folder is refused with the reason', async () => {
    await expect(History.open(folder.path)).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_HISTORY', message: expect.stringContaining(folder.path) },
    });
  });

  it('that is locked is waited for off the event loop, and then refused with the reason', async () => {
    const path = folder.file('locked.db');
    await using history = await History.open(path, { busyTimeoutMs: 300 });
    const other = new Driver(path, {});
    await other.exec('BEGIN IMMEDIATE');
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    await expect(history.append(recordsAt(1))).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_HISTORY', message: expect.stringContaining('another process has locked it') },
    });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
    await other.exec('ROLLBACK');
    other.close();
    expect(await history.append(recordsAt(1))).toBe(1);
  });
});
