import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { Random } from '../../src/core/random.js';
import type { IngestOptions } from '../../src/ingest/options.js';
import type { Id } from '../../src/ingest/ports.js';
import { accept, error, kernels, load, TestSink, TestSource, type TestSourceOptions } from './support.js';

// In memory where there is such a place: virtual time does not wait for a disk's syncs, but we would.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'resume-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const file = () => join(folder, `${files++}.ledger`);

const fixed = { batchSize: 100, concurrency: 2 };

/** A database that outlives the process: it replaces where it is asked to. */
function database(clock: VirtualClock, contents = new Map<Id, number>(), onWrite = () => {}) {
  const sink = new TestSink(clock, async (batch, signal) => {
    await clock.sleep(5, signal);
    onWrite();
    return accept(batch);
  });
  Object.assign(sink, { upserts: 'onRequest' });
  for (const [id, times] of contents) sink.stored.set(id, times);
  return sink;
}

/** Runs a load that is aborted once so many records are acknowledged. */
async function interrupted(
  ledger: string,
  after: number,
  source: TestSourceOptions,
  options: IngestOptions = {},
) {
  const clock = new VirtualClock();
  const abort = new AbortController();
  const sink = database(clock, new Map(), () => {
    if (sink.stored.size >= after) abort.abort();
  });
  const { report, error: failure } = await load(clock, new TestSource(source), sink, {
    ...{ fixed, ledger, signal: abort.signal, ...options },
  });
  expect(failure?.code).toBe('VBO_ERR_ABORTED');
  return { report, stored: sink.stored };
}

describe('a load that was aborted', () => {
  it('has everything acknowledged in the ledger, and resumed sends the rest alone', async () => {
    const ledger = file();
    const { report, stored } = await interrupted(ledger, 500, { rows: 5000 });
    expect(report.ledger).toBe(ledger);
    expect(report.acknowledged).toBe(stored.size);
    const clock = new VirtualClock();
    const sink = database(clock, stored);
    const resumed = await load(clock, new TestSource({ rows: 5000 }), sink, { fixed, ledger, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(resumed.report).toMatchObject({
      resumedFrom: stored.size,
      before: { acknowledged: stored.size, rejected: 0 },
      items: 5000 - stored.size,
      acknowledged: 5000 - stored.size,
      reconciled: true,
      warnings: [],
    });
    expect(sink.stored.size).toBe(5000);
    const again = await load(clock, new TestSource({ rows: 5000 }), database(clock), {
      ledger,
      resume: true,
    });
    expect(again.report).toMatchObject({ acknowledged: 0, resumedFrom: 5000 });
    expect(again.report.warnings[0]).toMatch(/complete; nothing was sent/);
  });

  it('is not begun again by mistake', async () => {
    const ledger = file();
    await interrupted(ledger, 300, { rows: 1000 });
    const before = readFileSync(ledger, 'utf8');
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    const refused = await load(clock, new TestSource({ rows: 1000 }), sink, { ledger });
    expect(refused.error?.code).toBe('VBO_ERR_LEDGER_EXISTS');
    expect(sink.batchRows).toEqual([]);
    expect(readFileSync(ledger, 'utf8')).toBe(before);
  });

  it.each([
    ['dimension', { rows: 1000, dimension: 5 }, 'test://', 'VBO_ERR_LEDGER_MISMATCH', /another source/],
    ['count', { rows: 1000, count: 1000 }, 'test://', 'VBO_ERR_LEDGER_MISMATCH', /another source/],
    [
      'sink',
      { rows: 1000 },
      'other://',
      'VBO_ERR_LEDGER_MISMATCH',
      /another sink: test:\/\/; expected other/,
    ],
  ])('is not resumed with another %s', async (_, source, name, code, message) => {
    const ledger = file();
    const { stored } = await interrupted(ledger, 300, { rows: 1000 });
    const clock = new VirtualClock();
    const sink = database(clock, stored);
    Object.assign(sink, { name });
    const refused = await load(clock, new TestSource(source), sink, { ledger, resume: true });
    expect(refused.error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(sink.batchRows).toEqual([]);
  });

  it('is not resumed with a ledger of a later version', async () => {
    const ledger = file();
    await interrupted(ledger, 300, { rows: 1000 });
    const { Journal } = await import('../../src/ingest/journal.js');
    const [header] = (await Journal.read(ledger)) as object[];
    await (await Journal.create(ledger, [{ ...header, version: 2 }])).close();
    const clock = new VirtualClock();
    for (const resume of [true, false]) {
      const refused = await load(clock, new TestSource({ rows: 1000 }), database(clock), { ledger, resume });
      expect(refused.error).toMatchObject({ code: 'VBO_ERR_LEDGER_MISMATCH' });
    }
  });

  it('finds out that the collection was emptied in between', async () => {
    const ledger = file();
    await interrupted(ledger, 300, { rows: 1000 });
    const clock = new VirtualClock();
    const refused = await load(clock, new TestSource({ rows: 1000 }), database(clock), {
      ledger,
      resume: true,
    });
    expect(refused.error).toMatchObject({
      code: 'VBO_ERR_RECONCILE',
      message: expect.stringMatching(/holds 0/),
    });
  });

  it('is resumed where others have stored records in between', async () => {
    const ledger = file();
    const { stored } = await interrupted(ledger, 300, { rows: 1000, count: 1000 });
    const clock = new VirtualClock();
    const sink = database(clock, stored);
    sink.extra = 5000;
    const { report } = await load(clock, new TestSource({ rows: 1000, count: 1000 }), sink, {
      ...{ ledger, resume: true, fixed },
    });
    expect(report).toMatchObject({ reconciled: true, acknowledged: 1000 - stored.size });
  });
});

describe('a sink that cannot replace', () => {
  /** A ledger whose load may have stored more than it says. */
  async function inDoubt() {
    const ledger = file();
    const { stored } = await interrupted(ledger, 300, { rows: 1000, count: 1000 });
    return { ledger, stored };
  }

  it('is resumed where its count shows that nothing in doubt was stored', async () => {
    const { ledger, stored } = await inDoubt();
    const clock = new VirtualClock();
    const sink = database(clock, stored);
    Object.assign(sink, { upserts: false });
    const { report } = await load(clock, new TestSource({ rows: 1000, count: 1000 }), sink, {
      ledger,
      resume: true,
    });
    expect(report).toMatchObject({ reconciled: true, acknowledged: 1000 - stored.size });
  });

  it('is not resumed where records could come to be stored twice', async () => {
    const { ledger, stored } = await inDoubt();
    stored.set(999, 1);
    const clock = new VirtualClock();
    const sink = database(clock, stored);
    Object.assign(sink, { upserts: false });
    const refused = await load(clock, new TestSource({ rows: 1000, count: 1000 }), sink, {
      ledger,
      resume: true,
    });
    expect(refused.error?.code).toBe('VBO_ERR_RESUME');
    expect(sink.batchRows).toEqual([]);
  });

  it('is loaded anew where it keeps nothing anyway', async () => {
    const { ledger } = await inDoubt();
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    Object.assign(sink, { ephemeral: true });
    const { report } = await load(clock, new TestSource({ rows: 1000, count: 1000 }), sink, { ledger });
    expect(report).toMatchObject({ resumedFrom: 0, acknowledged: 1000 });
  });
});

it('a first attempt asks for nothing to be replaced; one after a failure without an answer does, and so do its halves', async () => {
  const clock = new VirtualClock();
  const asked: (boolean | undefined)[] = [];
  const sink = new TestSink(clock, (batch, _, request) => {
    asked.push(batch.mayBeStored);
    if (request === 1) return { kind: 'retry', error: error('connection reset') };
    if (request === 2) return { kind: 'shrink', error: error('413') };
    return accept(batch);
  });
  await load(clock, new TestSource({ rows: 300 }), sink, { fixed: { batchSize: 100, concurrency: 1 } });
  expect(asked.slice(0, 5)).toEqual([undefined, undefined, true, true, true]);
  expect(asked[5]).toBeUndefined();
});

it('resume without a ledger is wrong usage; without the file it is a beginning, and says so', async () => {
  const clock = new VirtualClock();
  await expect(
    load(clock, new TestSource({ rows: 1 }), new TestSink(clock), { resume: true }),
  ).rejects.toMatchObject({ code: 'VBO_ERR_ARGUMENT' });
  const { report } = await load(clock, new TestSource({ rows: 10 }), new TestSink(clock), {
    ...{ ledger: file(), resume: true },
  });
  expect(report).toMatchObject({ acknowledged: 10, resumedFrom: 0 });
  expect(report.warnings[0]).toMatch(/There is no ledger/);
});

describe('a load that was refused before anything was settled', () => {
  const refused = async (ledger: string, sink: TestSink) => {
    sink.write = async () => ({ kind: 'fatal', error: error('401') });
    const { error: failure } = await load(sink.clock, new TestSource({ rows: 50 }), sink, { ledger });
    expect(failure?.message).toBe('401');
    expect(readFileSync(ledger, 'utf8')).toContain('"sent"');
  };

  it.each([true, 'onRequest', false] as const)(
    'is begun again by the same words where the sink replaces: %j',
    async (upserts) => {
      const ledger = file();
      const clock = new VirtualClock();
      const sink = () => Object.assign(database(clock), { upserts });
      await refused(ledger, sink());
      const again = sink();
      const { report } = await load(clock, new TestSource({ rows: 50 }), again, { ledger });
      expect(report).toMatchObject({ acknowledged: 50, resumedFrom: 0, reconciled: true });
      expect([...again.stored.values()].every((times) => times === 1)).toBe(true);
    },
  );

  it('is not begun again where it may have stored what cannot be replaced, nor for another sink', async () => {
    const ledger = file();
    const clock = new VirtualClock();
    const sink = Object.assign(database(clock), { upserts: false });
    await refused(ledger, sink);
    const holding = Object.assign(database(clock, new Map([[3, 1]])), { upserts: false });
    const again = await load(clock, new TestSource({ rows: 50 }), holding, { ledger });
    expect(again.error?.code).toBe('VBO_ERR_RESUME');
    const other = Object.assign(database(clock), { name: 'other://' });
    const elsewhere = await load(clock, new TestSource({ rows: 50 }), other, { ledger });
    expect(elsewhere.error?.code).toBe('VBO_ERR_LEDGER_EXISTS');
  });
});

it.each([
  ['onRequest', 'VBO_ERR_RESUME', 0],
  [false, 'VBO_ERR_RESUME', 0],
  [true, undefined, 10],
] as const)(
  'resume without the file, into records that may be its own, where the sink replaces: %j',
  async (upserts, code, acknowledged) => {
    const clock = new VirtualClock();
    const sink = Object.assign(new TestSink(clock), { upserts });
    const source = () => new TestSource({ rows: 10, id: (row) => row });
    const load1 = await load(clock, source(), sink, { ledger: file() });
    expect(load1.error).toBeUndefined();
    // Replaced, not added.
    if (upserts === true) Object.assign(sink, { count: async () => sink.stored.size });
    const again = await load(clock, source(), sink, { ledger: file(), resume: true });
    expect(again.error?.code).toBe(code);
    expect(again.report.acknowledged).toBe(acknowledged);
    expect(sink.batchRows.length).toBe(code ? 1 : 2);
  },
);

it('ids that occur twice where there is no memory to find them cost a warning, in a load that is resumed too', async () => {
  const ledger = file();
  // The filter of a load of 1 MB holds fewer than 10,000 ids.
  const source = () => new TestSource({ rows: 12_000, id: (row) => (row > 9900 ? row % 100 : row) });
  const contents = new Map<Id, number>();
  const clock = new VirtualClock();
  const abort = new AbortController();
  let isCut = true;
  const sink = new TestSink(clock, async (batch, signal) => {
    await clock.sleep(5, signal);
    for (const id of batch.ids) contents.set(id, 1);
    if (isCut && batch.ids.includes(50) && contents.size > 9000) abort.abort();
    return accept(batch);
  });
  Object.assign(sink, { upserts: true, count: async () => contents.size });
  const options = { ledger, fixed, memoryBudgetBytes: 1e6 };
  const cut = await load(clock, source(), sink, { ...options, signal: abort.signal });
  expect(cut.error?.code).toBe('VBO_ERR_ABORTED');
  expect(contents.size).toBeLessThan(cut.report.acknowledged);
  isCut = false;
  const { report, error: failure } = await load(clock, source(), sink, { ...options, resume: true });
  expect(failure).toBeUndefined();
  expect(report.reconciled).toBeNull();
  expect(report.warnings.join()).toMatch(/records less than it acknowledged/);
  expect(contents.size).toBe(9901);
});

describe('a source without ids and a collection that holds records', () => {
  const held = () => {
    const clock = new VirtualClock();
    const sink = Object.assign(database(clock, new Map([[0, 1]])), { upserts: true });
    return { clock, sink };
  };

  it('do not go together without a word about the ids', async () => {
    const { clock, sink } = held();
    const refused = await load(clock, new TestSource({ rows: 5 }), sink);
    expect(refused.error).toMatchObject({
      code: 'VBO_ERR_ID_OFFSET',
      message: expect.stringContaining('--id-offset'),
    });
    expect(sink.batchRows).toEqual([]);
    expect((await load(clock, new TestSource({ rows: 0 }), sink)).error).toBeUndefined();
    const own = await load(clock, new TestSource({ rows: 5, id: (row) => row + 10 }), sink);
    expect(own.report).toMatchObject({ acknowledged: 5, reconciled: true });
  });

  it('are numbered from the offset, in the dead letters too, and however often resumed', async () => {
    const { clock, sink } = held();
    const ledger = file();
    const deadLetters = file();
    const abort = new AbortController();
    const source = () =>
      new TestSource({ rows: 1000, vector: (row, values) => row === 999 && values.fill(Number.NaN) });
    const answer = sink.write.bind(sink);
    sink.write = async (batch, signal) => {
      if (sink.stored.size > 300) abort.abort();
      return answer(batch, signal);
    };
    const options = { fixed, ledger, deadLetters };
    const first = await load(clock, source(), sink, { ...options, idOffset: 5000, signal: abort.signal });
    expect(first.error?.code).toBe('VBO_ERR_ABORTED');
    const other = await load(clock, source(), sink, { ...options, idOffset: 7, resume: true });
    expect(other.error).toMatchObject({ code: 'VBO_ERR_LEDGER_MISMATCH' });
    const { report } = await load(clock, source(), sink, { ...options, resume: true });
    expect(report.reconciled).toBe(true);
    expect(report.before.rejected + report.rejected).toBe(1);
    const ids = Array.from({ length: 999 }, (_, row) => 5000 + row);
    expect(new Set(sink.stored.keys())).toEqual(new Set([0, ...ids]));
    expect(JSON.parse(readFileSync(deadLetters, 'utf8'))).toMatchObject({ position: 999, id: 5999 });
  });

  it('replace where the offset is 0; a source with ids takes none', async () => {
    const { clock, sink } = held();
    Object.assign(sink, { count: async () => sink.stored.size });
    const { report } = await load(clock, new TestSource({ rows: 5 }), sink, { idOffset: 0 });
    expect(report.warnings[0]).toMatch(/1 of the acknowledged ones replaced/);
    expect([...sink.stored.keys()]).toEqual([0, 1, 2, 3, 4]);
    const own = await load(clock, new TestSource({ rows: 5, id: (row) => row }), sink, { idOffset: 9 });
    expect(own.error?.code).toBe('VBO_ERR_ARGUMENT');
  });
});

it('a fatal refusal stops the load at once with the ledger intact', async () => {
  const ledger = file();
  const clock = new VirtualClock();
  const sink = new TestSink(clock, (batch, _, request) =>
    request === 3 ? { kind: 'fatal', error: error('401') } : accept(batch),
  );
  Object.assign(sink, { upserts: 'onRequest' });
  const options = { ledger, fixed: { batchSize: 100, concurrency: 1 } };
  const failed = await load(clock, new TestSource({ rows: 5000 }), sink, options);
  expect(failed.error?.message).toBe('401');
  expect(failed.report.acknowledged).toBe(300);
  expect(sink.batchRows).toHaveLength(4);
  const resumed = await load(clock, new TestSource({ rows: 5000 }), sink, { ...options, resume: true });
  expect(resumed.report).toMatchObject({ resumedFrom: 300, acknowledged: 4700, reconciled: true });
});

it('a load cut down at any moment, any number of times, ends with every record stored or refused exactly once', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        rows: fc.integer({ min: 1, max: 3000 }),
        chunkRows: fc.integer({ min: 1, max: 500 }),
        hasIds: fc.boolean(),
        crashes: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 3 }),
        bad: fc.double({ min: 0, max: 0.02, noNaN: true }),
        retry: fc.double({ min: 0, max: 0.3, noNaN: true }),
        batchSize: fc.integer({ min: 10, max: 200 }),
        concurrency: fc.integer({ min: 1, max: 6 }),
        seeks: fc.boolean(),
      }),
      async (c) => {
        const random = new Random(c.seed);
        const chance = (probability: number) => random.next() < probability;
        const pick = () => new Set([...Array(c.rows).keys()].filter(() => chance(c.bad)));
        const [nonFinite, broken, poison, copies] = [pick(), pick(), pick(), pick()];
        copies.delete(0);
        const idOf = (row: number) => (copies.has(row) ? row - 1 : row);
        const makeSource = () => {
          const source = new TestSource({
            ...{ rows: c.rows, chunkRows: c.chunkRows, rejects: broken, count: c.rows },
            ...(c.hasIds ? { id: idOf } : {}),
            vector: (row, values) => nonFinite.has(row) && values.fill(Number.NaN),
          });
          if (!c.seeks || c.hasIds) return source;
          const { rows, chunkRows } = c;
          const from = async function* (position: number) {
            for await (const chunk of new TestSource({ rows, chunkRows, rejects: broken })) {
              const positions = chunk.positions as number[];
              if (positions.length > 0 && positions.at(-1)! < position) continue;
              chunk.vectors.forEach((value, i) => {
                if (nonFinite.has(value - 1)) chunk.vectors[i] = Number.NaN;
              });
              yield chunk;
            }
          };
          return Object.assign(source, { from });
        };
        let ledger = join(folder, `crash-${run}-0.ledger`);
        let contents = new Map<Id, number>();
        // The dead letters keep their path through all the crashes, as they do in life.
        const deadLetters = join(folder, `crash-${run++}.ndjson`);
        for (let round = 0; ; round++) {
          const clock = new VirtualClock();
          const crashAt = c.crashes[round];
          const abort = new AbortController();
          const flying = new Set<{ ids: readonly Id[]; mayBeStored: boolean }>();
          let crashed: { contents: Map<Id, number>; ledger: string; letters: Buffer | undefined } | undefined;
          const stored = contents;
          const store = (
            into: Map<Id, number>,
            { ids, mayBeStored }: { ids: readonly Id[]; mayBeStored: boolean },
          ) => {
            for (const id of ids) into.set(id, mayBeStored ? 1 : (into.get(id) ?? 0) + 1);
          };
          const crash = () => {
            const next = join(folder, `crash-${run}-${round + 1}.ledger`);
            if (existsSync(ledger)) copyFileSync(ledger, next);
            // A write that was under way at the crash, in the ledger and in the database.
            if (existsSync(next) && chance(0.5)) {
              writeFileSync(next, '0123456789abcdef {"sto', { flag: 'a' });
            }
            const kept = new Map(stored);
            for (const batch of flying) if (chance(0.5)) store(kept, batch);
            const letters = existsSync(deadLetters) ? readFileSync(deadLetters) : undefined;
            const torn = letters && chance(0.5) ? Buffer.concat([letters, Buffer.from('{"posi')]) : letters;
            crashed = { contents: kept, ledger: next, letters: torn };
            abort.abort();
          };
          const sink = new TestSink(clock, async (batch, signal, request) => {
            const flight = { ids: batch.ids, mayBeStored: batch.mayBeStored === true };
            if (batch.ids.some((id) => poison.has(Number(id)))) {
              if (request === crashAt) crash();
              return { kind: 'permanent', error: error('poison') };
            }
            flying.add(flight);
            await clock.sleep(random.next() * 80, signal);
            if (request === crashAt) crash();
            flying.delete(flight);
            const fails = chance(c.retry);
            // A failure says nothing about what the database has done.
            if (!fails || chance(0.5)) store(stored, flight);
            return fails ? { kind: 'retry', error: error('reset') } : accept(batch);
          });
          Object.assign(sink, {
            upserts: 'onRequest',
            count: async () => [...stored.values()].reduce((sum, times) => sum + times, 0),
          });
          const { report, error: failure } = await load(clock, makeSource(), sink, {
            ...{ ledger, resume: round > 0, deadLetters, signal: abort.signal, maxAttempts: 100 },
            fixed: { batchSize: c.batchSize, concurrency: c.concurrency },
          });
          if (crashed) {
            ({ contents, ledger } = crashed);
            if (crashed.letters) writeFileSync(deadLetters, crashed.letters);
            else rmSync(deadLetters, { force: true });
            continue;
          }
          expect(failure).toBeUndefined();
          expect(report.reconciled).toBe(true);
          const { resumedFrom, acknowledged, rejected, before } = report;
          expect(resumedFrom + acknowledged + rejected).toBe(c.rows);
          expect(before.acknowledged + acknowledged).toBe(stored.size);
          const refused = before.rejected + rejected;
          const lines = refused > 0 ? readFileSync(deadLetters, 'utf8').trim().split('\n') : [];
          const letters = lines.map((line) => JSON.parse(line).position as number);
          expect(letters.length).toBe(refused);
          expect(new Set(letters).size).toBe(refused);
          expect([...stored.values()].every((times) => times === 1)).toBe(true);
          expect(kernels.arena.usedBytes).toBe(0);
          return;
        }
      },
    ),
    { seed: 20_240_301, numRuns: 60 },
  );
});
