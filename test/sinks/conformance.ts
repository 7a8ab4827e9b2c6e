import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { Id, Payload, Sink } from '../../src/ingest/ports.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { TestSource } from '../ingest/support.js';
import { batch, bitsOf, opened, signal } from './batches.js';

/** A record as the database gives it back. */
export interface StoredRecord {
  readonly vector: Uint32Array;
  readonly payload: Payload | null;
}

/** A database to be tested, and what is its own. */
export interface Subject {
  /** The URL of a collection that does not exist yet. */
  url(): string;
  /** All that is in it, by id, through a connection of its own. Called with no sink open. */
  stored(url: string): Promise<ReadonlyMap<Id, StoredRecord>>;
  /** Ids of numbers are stored as text. */
  readonly textIds?: boolean;
  /** The empty text is not an id. */
  readonly noEmptyId?: boolean;
  /** Nested and null values of payloads are not stored: payloads are flat. */
  readonly flatPayloads?: boolean;
  /** A record that is refused, by the database itself where it refuses any, in a load of text ids with payloads. */
  readonly poison?: {
    readonly id?: string;
    readonly payload?: Payload | null;
    /** Of a collection that refuses it, should {@link Subject.url} not be one. */
    readonly url?: () => Promise<string>;
    readonly code?: ErrorCode;
    readonly message: RegExp;
  };
  /** `bytesPerVector` within so much of the bytes sent. Default 0.25. */
  readonly bytesTolerance?: number;
}

const DIMENSION = 33;

/** A payload of objects within each other. */
export const nested = (depth: number): Payload => (depth === 0 ? {} : { a: nested(depth - 1) });

/** What every sink does, whatever its database: run against the real one. */
export function describeConformance(name: string, subject: Subject): void {
  const key = (id: Id): Id => (subject.textIds ? String(id) : id);

  /** Uses a sink and closes it, whatever happens: some databases can be open once only. */
  async function using<T>(
    url: string,
    options: Parameters<typeof opened>[1],
    use: (sink: Sink) => Promise<T>,
  ) {
    const sink = await opened(url, options);
    try {
      return await use(sink);
    } finally {
      await sink.close();
    }
  }

  describe(`${name} conforms`, () => {
    test('stores batches of one and of many, bit for bit', async () => {
      const url = subject.url();
      const batches = [batch(0, 1, DIMENSION), batch(1, 700, DIMENSION), batch(701, 7, DIMENSION)];
      // Some databases make the length of vectors 1 that are compared by direction.
      await using(url, { dimension: DIMENSION, metric: 'l2' }, async (sink) => {
        for (const b of batches) {
          const outcome = await sink.write(b, signal);
          expect(outcome).toMatchObject({ kind: 'ok', bytesSent: expect.any(Number) });
        }
        expect(await sink.count?.()).toBe(708);
        await sink.finish();
        expect(await sink.count?.()).toBe(708);
      });
      const rows = await subject.stored(url);
      expect(rows.size).toBe(708);
      for (const b of batches) {
        for (let i = 0; i < b.rows; i++) expect(rows.get(key(b.ids[i]!))?.vector).toEqual(bitsOf(b, i));
      }
    });

    test('keeps the bits of the smallest, the largest and the negative zero', async () => {
      const url = subject.url();
      const b = batch(0, 1, 4);
      b.vectors.set([2 ** -149, -0, -(2 ** 60), 1 + 2 ** -23]);
      await using(url, { metric: 'l2' }, async (sink) => {
        expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
      });
      expect((await subject.stored(url)).get(key(0))?.vector).toEqual(bitsOf(b, 0));
    });

    test('stores text ids and payloads, also beyond ASCII', async () => {
      const url = subject.url();
      const ids = ['a', 'größe', '漢字', '🙂', 'a "quoted", \\ id', ...(subject.noEmptyId ? [] : [''])];
      const payloads: (Payload | null)[] = [
        { a: 1 },
        null,
        subject.flatPayloads
          ? { text: 'Ünïcode "quoted" 🙂\n\\', yes: true }
          : { text: 'Ünïcode "quoted" 🙂\n\\', deep: [{ x: null }] },
        { number: 0.1 },
        null,
        { b: -2 },
      ];
      await using(url, { idType: 'string', hasPayloads: true }, async (sink) => {
        const first = batch(0, ids.length, 4, { ids, payloads: payloads.slice(0, ids.length) });
        expect(await sink.write(first, signal)).toMatchObject({ kind: 'ok' });
        const second = batch(10, 1, 4, { ids: ['x'] });
        expect(await sink.write(second, signal)).toMatchObject({ kind: 'ok' });
      });
      const rows = await subject.stored(url);
      expect([...rows.keys()].sort()).toEqual([...ids, 'x'].sort());
      for (const [i, id] of ids.entries()) expect(rows.get(id)?.payload).toEqual(payloads[i]);
    });

    test('stores every integer id a number can hold', async () => {
      const url = subject.url();
      const ids = [0, 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
      ids.push(-1, -(2 ** 31) - 1, -(2 ** 32), Number.MIN_SAFE_INTEGER);
      await using(url, {}, async (sink) => {
        expect(await sink.write(batch(0, ids.length, 4, { ids }), signal)).toMatchObject({ kind: 'ok' });
      });
      expect([...(await subject.stored(url)).keys()].sort()).toEqual(ids.map(key).sort());
    });

    test('replaces a record that may be stored already', async () => {
      const url = subject.url();
      const again = batch(5, 10, 4, { mayBeStored: true });
      await using(url, { metric: 'l2' }, async (sink) => {
        expect(sink.upserts).toBeTruthy();
        for (const b of [batch(0, 10, 4), again]) {
          expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
        }
        expect(await sink.count?.()).toBe(15);
      });
      expect((await subject.stored(url)).get(key(5))?.vector).toEqual(bitsOf(again, 0));
    });

    test('adds to what is there', async () => {
      const url = subject.url();
      for (const first of [0, 10]) {
        await using(url, {}, async (sink) => {
          expect(await sink.count?.()).toBe(first);
          await sink.write(batch(first, 10, 4), signal);
        });
      }
      expect((await subject.stored(url)).size).toBe(20);
    });

    test('refuses a collection of another dimension', async () => {
      const url = subject.url();
      await using(url, {}, (sink) => sink.write(batch(0, 1, 4), signal));
      await expect(using(url, { dimension: 5 }, async () => {})).rejects.toMatchObject({
        code: 'VBO_ERR_DIMENSION',
        message: expect.stringContaining('dimension 4; the source has dimension 5'),
        details: { stored: 4, dimension: 5 },
      });
    });

    test('keeps everything of as many writes in flight as it allows, and more', async () => {
      const url = subject.url();
      const batches = Array.from({ length: 40 }, (_, i) => batch(i * 50, 50, 4));
      await using(url, { metric: 'l2' }, async (sink) => {
        const outcomes = await Promise.all(batches.map((b) => sink.write(b, signal)));
        expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['ok']));
        expect(await sink.count?.()).toBe(2000);
      });
      const rows = await subject.stored(url);
      for (const b of batches) {
        for (let i = 0; i < 50; i++) expect(rows.get(key(b.ids[i]!))?.vector).toEqual(bitsOf(b, i));
      }
    });

    test('gives a write that was aborted before it began back for a retry', async () => {
      await using(subject.url(), {}, async (sink) => {
        const reason = new Error('enough');
        expect(await sink.write(batch(0, 1, 4), AbortSignal.abort(reason))).toMatchObject({ kind: 'retry' });
        expect(await sink.count?.()).toBe(0);
      });
    });

    test('can be closed twice, and then says so when it is used', async () => {
      const sink = await opened(subject.url());
      await sink.close();
      await sink.close();
      await expect(sink.write(batch(0, 1, 4), signal)).rejects.toMatchObject({ code: 'VBO_ERR_CLOSED' });
    });

    test('can be closed without having been opened', async () => {
      await (await openSink(subject.url())).close();
    });

    test('says what it can take', async () => {
      await using(subject.url(), { dimension: 128 }, async (sink) => {
        const { maxRows = 1, maxBytes = 1, maxConcurrency = 1 } = sink.limits();
        for (const limit of [maxRows, maxBytes, maxConcurrency]) expect(limit).toBeGreaterThanOrEqual(1);
        const outcome = await sink.write(batch(0, 500, 128), signal);
        const sent = outcome.kind === 'ok' ? outcome.bytesSent / 500 : 0;
        const tolerance = subject.bytesTolerance ?? 0.25;
        expect(sink.bytesPerVector(128)).toBeGreaterThan(sent * (1 - tolerance));
        expect(sink.bytesPerVector(128)).toBeLessThan(sent * (1 + tolerance));
      });
    });

    test('removes a collection with all it holds', async () => {
      const url = subject.url();
      await using(url, {}, async (sink) => {
        await sink.write(batch(0, 3, 4), signal);
        await sink.drop?.();
      });
      await using(url, { dimension: 5 }, async (sink) => expect(await sink.count?.()).toBe(0));
    });

    if (subject.poison) {
      const { id = 'poison', payload = {}, code = 'VBO_ERR_SINK', message } = subject.poison;

      test('finds the one record among a thousand in a request that is refused, and stores all others', async () => {
        const url = await (subject.poison!.url ?? subject.url)();
        const folder = mkdtempSync(join(tmpdir(), 'vbo-poison-'));
        const deadLetters = join(folder, 'dead.ndjson');
        const source = new TestSource({
          rows: 1000,
          id: (row) => (row === 617 ? id : `id ${row}`),
          payload: (row) => (row === 617 ? payload : { row }),
        });
        const sink = await openSink(url);
        const write = vi.spyOn(sink, 'write');
        const report = await ingest({ kernels: Kernels.shared() }, source, sink, {
          ...{ deadLetters, metric: 'l2', fixed: { batchSize: 1000, concurrency: 1 } },
        });
        expect(write.mock.calls[0]![0].rows).toBe(1000);
        expect(report).toMatchObject({ acknowledged: 999, rejected: 1, reconciled: true });
        const letters = readFileSync(deadLetters, 'utf8').trim().split('\n');
        rmSync(folder, { recursive: true });
        expect(letters.map((line) => JSON.parse(line))).toMatchObject([
          { position: 617, id, code, message: expect.stringMatching(message), vector: [618, 618, 618, 618] },
        ]);
        const rows = await subject.stored(url);
        expect([...rows.keys()].sort()).toEqual(
          Array.from({ length: 1000 }, (_, row) => `id ${row}`)
            .filter((_, row) => row !== 617)
            .sort(),
        );
      });
    }

    test('takes a whole load, and agrees about the count', async () => {
      const url = subject.url();
      const source = new TestSource({ rows: 3000, dimension: 16, payload: (row) => ({ row }), count: 3000 });
      const report = await ingest({ kernels: Kernels.shared() }, source, await openSink(url), {
        metric: 'l2',
      });
      expect(report).toMatchObject({ acknowledged: 3000, rejected: 0, reconciled: true });
      const rows = await subject.stored(url);
      expect(rows.size).toBe(3000);
      expect(rows.get(key(2999))?.payload).toEqual({ row: 2999 });
      expect(new Float32Array(rows.get(key(2999))!.vector.buffer)).toEqual(new Float32Array(16).fill(3000));
    });
  });
}
