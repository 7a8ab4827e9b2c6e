import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { Journal } from '../../src/ingest/journal.js';
import { Ledger } from '../../src/ingest/ledger.js';
import { type LedgerHeader, LedgerState } from '../../src/ingest/ledger-state.js';
import { RangeSet, rangesOf } from '../../src/ingest/range-set.js';

const folder = mkdtempSync(join(tmpdir(), 'ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const file = () => join(folder, `${files++}.ledger`);

const header: LedgerHeader = {
  ...{ ledger: 'vector-batch-optimizer', version: 1, sink: 'test://', storedBefore: 0 },
  source: { name: 'test', dimension: 4, count: null, fingerprint: null },
  shape: { idType: 'number', hasIds: false, hasPayloads: false },
};

describe('a set of ranges', () => {
  it('agrees with a set of numbers', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([from, length]) => [from, from + length] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const set = new RangeSet(ranges);
        const numbers = new Set<number>();
        for (const [from, to] of ranges) for (let i = from; i < to; i++) numbers.add(i);
        expect(set.size).toBe(numbers.size);
        expect(set.ranges).toEqual(rangesOf([...numbers].sort((a, b) => a - b)));
        for (let i = 0; i < 75; i++) {
          expect(set.has(i)).toBe(numbers.has(i));
          let missing = i;
          while (numbers.has(missing)) missing++;
          expect(set.firstMissing(i)).toBe(missing);
          expect(set.countBelow(i)).toBe([...numbers].filter((n) => n < i).length);
        }
      }),
      { seed: 5 },
    );
  });
});

describe('a journal', () => {
  const records = [{ first: 1 }, { 'zweites ☃': [2] }, { third: 'x'.repeat(300) }];

  async function written(): Promise<string> {
    const path = file();
    const journal = await Journal.create(path, records.slice(0, 1));
    for (const record of records.slice(1)) await journal.append(record);
    await journal.close();
    return path;
  }

  it('gives back what was appended', async () => {
    expect(await Journal.read(await written())).toEqual(records);
  });

  it('cut off anywhere in its last record loses that record and no other', async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const lastStart = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
    for (let end = lastStart; end < bytes.length; end += 7) {
      writeFileSync(path, bytes.subarray(0, end));
      expect(await Journal.read(path)).toEqual(records.slice(0, 2));
    }
  });

  it('with any byte changed before its last record is refused with the line', async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const lastStart = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
    for (let at = 0; at < lastStart; at += 3) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x04;
      writeFileSync(path, changed);
      await expect(Journal.read(path)).rejects.toMatchObject({ code: 'VBO_ERR_LEDGER_DAMAGED' });
    }
  });

  it('with a line removed is refused: the sums are a chain', async () => {
    const path = await written();
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [lines[0], ...lines.slice(2), 'one more', ''].join('\n'));
    await expect(Journal.read(path)).rejects.toMatchObject({
      code: 'VBO_ERR_LEDGER_DAMAGED',
      details: { line: 2 },
    });
  });

  it('is not confused with other files, and an empty file is none', async () => {
    const path = file();
    expect(await Journal.read(path)).toBeUndefined();
    writeFileSync(path, '');
    expect(await Journal.read(path)).toBeUndefined();
    writeFileSync(path, 'my precious notes');
    await expect(Journal.read(path)).rejects.toMatchObject({
      message: expect.stringMatching(/is not a ledger/),
    });
  });

  it('that cannot be made says so', async () => {
    await expect(Journal.create(join(folder, 'missing', 'x'), [])).rejects.toMatchObject({
      code: 'VBO_ERR_LEDGER_WRITE',
    });
  });
});

describe('a ledger', () => {
  it('says stored only when it is on the disk, many batches with one sync', async () => {
    const path = file();
    const clock = new VirtualClock();
    const ledger = await Ledger.open(path, new LedgerState(header), {
      clock,
      syncLetters: async () => undefined,
    });
    await clock.run(
      (async () => {
        await ledger.reserve(1000);
        const settled = [...Array(100).keys()].map(async (batch) => {
          await ledger.stored([[10 * batch, 10 * batch + 10]]);
          const known = await Ledger.read(path);
          expect(known!.stored.has(10 * batch)).toBe(true);
        });
        await Promise.all(settled);
        await ledger.complete();
      })(),
    );
    await ledger.close();
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    expect(lines.map((line) => line.slice(17))).toEqual([
      JSON.stringify(header),
      '{"sent":66536}',
      '{"stored":[[0,1000]]}',
      '{"complete":true}',
    ]);
    expect(clock.now()).toBeLessThanOrEqual(100);
  });

  it('has the dead letters on the disk before it says that they are there', async () => {
    const path = file();
    const clock = new VirtualClock();
    const order: string[] = [];
    const syncLetters = async () => {
      order.push('letters');
      expect(readFileSync(path, 'utf8')).not.toContain('rejected');
      return { path: '/x', byteLength: 77 };
    };
    const ledger = await Ledger.open(path, new LedgerState(header), { clock, syncLetters });
    await clock.run(ledger.rejected(5, 'VBO_ERR_NOT_FINITE'));
    await ledger.close();
    expect(order).toEqual(['letters']);
    const state = await Ledger.read(path);
    expect(state).toMatchObject({ letters: { path: '/x', byteLength: 77 } });
    expect(state!.rejectedByCode.VBO_ERR_NOT_FINITE!.ranges).toEqual([[5, 6]]);
  });

  it('starts anew as one short record of all that was', async () => {
    const path = file();
    const clock = new VirtualClock();
    const options = { clock, syncLetters: async () => undefined };
    const first = await Ledger.open(path, new LedgerState(header), options);
    await clock.run(first.reserve(100));
    for (let i = 0; i < 50; i++) await clock.run(first.stored([[2 * i, 2 * i + 1]]));
    await clock.run(first.rejected(1, 'VBO_ERR_SINK'));
    await first.close();
    const before = (await Ledger.read(path))!;
    await (await Ledger.open(path, before, options)).close();
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
    const after = (await Ledger.read(path))!;
    expect(after.toEntry()).toEqual(before.toEntry());
    expect(after.stored.size).toBe(50);
    expect(after.settled.size).toBe(51);
  });
});
