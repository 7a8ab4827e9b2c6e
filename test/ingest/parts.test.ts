import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { VectorBatchError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { Bell } from '../../src/ingest/bell.js';
import { DeadLetters } from '../../src/ingest/dead-letters.js';
import { DuplicateFilter } from '../../src/ingest/duplicates.js';
import { LatencyHistogram } from '../../src/ingest/histogram.js';
import { Permits } from '../../src/ingest/permits.js';
import type { Failure } from '../../src/ingest/ports.js';
import { retryDelayMs } from '../../src/ingest/retry.js';

describe('the duplicate filter', () => {
  it('agrees with a set', () => {
    const id = fc.oneof(fc.string({ maxLength: 3 }), fc.integer({ min: -50, max: 50 }), fc.double());
    fc.assert(
      fc.property(fc.array(id, { maxLength: 500 }), (ids) => {
        const filter = new DuplicateFilter(1e6);
        const seen = new Set<string>();
        for (const value of ids) {
          const key = `${typeof value} ${Object.is(value, -0) ? '-0' : value}`;
          expect(filter.add(value)).toBe(!seen.has(key));
          seen.add(key);
        }
        expect(filter.size).toBe(seen.size);
      }),
      { seed: 11 },
    );
  });

  it('takes no two of a million different ids for the same', () => {
    const filter = new DuplicateFilter(1e9);
    let isNew = true;
    for (let i = 0; i < 500_000; i++) isNew = filter.add(i) && filter.add(`doc-${i}`) && isNew;
    expect(isNew).toBe(true);
    expect(filter.add('doc-77')).toBe(false);
  });

  it('stops at its memory, and says so', () => {
    const filter = new DuplicateFilter(1e5);
    for (let i = 0; i < 20_000; i++) filter.add(i);
    expect(filter.full).toBe(true);
    expect(filter.add(1)).toBe(true);
  });
});

describe('the latency histogram', () => {
  it('is within 2 % of the exact percentiles', () => {
    const random = new Random(5);
    const histogram = new LatencyHistogram();
    const values = Array.from({ length: 20_000 }, () => Math.exp(3 * random.normal()) * 5);
    for (const value of values) histogram.add(value);
    values.sort((a, b) => a - b);
    for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = values[Math.ceil(share * values.length) - 1]!;
      expect(Math.abs(histogram.percentile(share) / exact - 1)).toBeLessThan(0.02);
    }
  });

  it('is 0 of nothing', () => {
    expect(new LatencyHistogram().percentile(0.5)).toBe(0);
  });
});

describe('permits', () => {
  it('follow a limit that moves, and take none back', async () => {
    let limit = 3;
    const permits = new Permits(() => limit, new Bell());
    while (permits.available) permits.take();
    expect(permits.inFlight).toBe(3);
    limit = 1;
    permits.giveBack();
    permits.giveBack();
    expect(permits.available).toBe(false);
    const idle = permits.idle();
    permits.giveBack();
    await idle;
    expect(permits.available).toBe(true);
  });
});

it('retries wait from 200 ms to 5 s, or 30 s for push-back, half of it random, and as long as the sink asks, up to two minutes', () => {
  const random = new Random(1);
  const error = new VectorBatchError('VBO_ERR_SINK', 'no');
  const cases: [Failure, number][] = [
    [{ kind: 'retry', error }, 5_000],
    [{ kind: 'backOff', error }, 30_000],
  ];
  for (const [failure, most] of cases) {
    for (let attempt = 1; attempt < 20; attempt++) {
      const full = Math.min(most, 100 * 2 ** attempt);
      const delay = retryDelayMs(failure, attempt, random);
      expect(delay).toBeGreaterThanOrEqual(full / 2);
      expect(delay).toBeLessThan(full);
    }
  }
  expect(retryDelayMs({ kind: 'backOff', error, retryAfterMs: 5000 }, 1, random)).toBe(5000);
  expect(retryDelayMs({ kind: 'backOff', error, retryAfterMs: 1e9 }, 1, random)).toBe(120_000);
});

describe('dead letters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'letters-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const line = (position: number) => `{"position":${position},"code":"VBO_ERR_RECORD"}\n`;
  const record = (position: number) => ({ position, code: 'VBO_ERR_RECORD' as const, message: 'broken' });

  it('of more bytes than fit one buffer are gone on with from the mark', async () => {
    const path = join(folder, 'large.ndjson');
    const byteLength = 3 * 2 ** 30;
    // A hole takes no room on the disk.
    writeFileSync(path, '');
    truncateSync(path, byteLength);
    const long = `{"position":8,"code":"VBO_ERR_RECORD","message":"${'é'.repeat(100_000)}"}\n`;
    appendFileSync(path, `${line(7)}${long}not ours\n{"posi`);
    const letters = new DeadLetters(path);
    expect(await letters.resume({ path, byteLength })).toEqual([
      { position: 7, code: 'VBO_ERR_RECORD' },
      { position: 8, code: 'VBO_ERR_RECORD' },
    ]);
    await letters.add(record(9));
    await letters.close();
    const file = openSync(path, 'r');
    const tail = Buffer.alloc(100);
    const read = readSync(file, tail, 0, 100, byteLength + line(7).length + Buffer.byteLength(long));
    closeSync(file);
    expect(tail.toString('utf8', 0, read)).toBe(
      'not ours\n{"position":9,"code":"VBO_ERR_RECORD","message":"broken"}\n',
    );
  });

  it('that lost their end to somebody else are gone on with after their last whole line', async () => {
    const path = join(folder, 'short.ndjson');
    writeFileSync(path, `${line(1)}${line(2)}{"posi`);
    const letters = new DeadLetters(path);
    expect(await letters.resume({ path, byteLength: 1000 })).toEqual([]);
    await letters.add(record(3));
    await letters.close();
    expect(
      readFileSync(path, 'utf8')
        .split('\n')
        .map((text) => text && JSON.parse(text).position),
    ).toEqual([...[1, 2, 3, '']]);
  });
});
