import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { Random } from '../../src/core/random.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { Id, WriteOutcome } from '../../src/ingest/ports.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { accept, error, TestSink, TestSource } from './support.js';

const share = (max: number) => fc.double({ min: 0, max, noNaN: true });

it('every record of any source ends in any faulty sink or in the dead letters, exactly once, within the memory budget', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'once-'));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        rows: fc.integer({ min: 0, max: 3000 }),
        dimension: fc.integer({ min: 1, max: 300 }),
        chunkRows: fc.integer({ min: 1, max: 700 }),
        ids: fc.constantFrom('none', 'number', 'string'),
        payloads: fc.boolean(),
        duplicates: share(0.02),
        nonFinite: share(0.02),
        unreadable: share(0.02),
        poison: share(0.01),
        refusedSingly: share(0.01),
        retry: share(0.3),
        backOff: share(0.3),
        throws: share(0.1),
        maxRows: fc.option(fc.integer({ min: 1, max: 500 }), { nil: Number.POSITIVE_INFINITY }),
        tells: fc.boolean(),
        fixed: fc.option(
          fc.record({
            batchSize: fc.integer({ min: 1, max: 2000 }),
            concurrency: fc.integer({ min: 1, max: 20 }),
          }),
          { nil: undefined },
        ),
      }),
      async (c) => {
        const random = new Random(c.seed);
        const clock = new VirtualClock();
        const kernels = Kernels.load();
        const chance = (probability: number) => random.next() < probability;
        const rowsWith = (probability: number) =>
          new Set(Array.from({ length: c.rows }, (_, row) => row).filter(() => chance(probability)));
        const [bad, broken, poison, refused] = [c.nonFinite, c.unreadable, c.poison, c.refusedSingly].map(
          rowsWith,
        );
        const copies = new Set([...rowsWith(c.duplicates)].filter((row) => row > 0));
        const number = (row: number) => (copies.has(row) ? 0 : row);
        const id = {
          none: undefined,
          number: (row: number): Id => number(row),
          string: (row: number): Id => `r${number(row)}`,
        }[c.ids];
        const source = new TestSource({
          ...{ rows: c.rows, dimension: c.dimension, chunkRows: c.chunkRows, rejects: broken! },
          ...(id ? { id } : {}),
          ...(c.payloads ? { payload: (row) => ({ text: 'x'.repeat(row % 50) }) } : {}),
          vector: (row, values) => {
            if (bad!.has(row)) values[row % c.dimension] = Number.NaN;
          },
        });
        const rowOf = (value: Id) => Number(String(value).replace('r', ''));
        const sink = new TestSink(clock, async (batch, signal): Promise<WriteOutcome> => {
          const bytes = 4 * batch.vectors.length;
          // The values are still those of the row after the wait, however long it was.
          await clock.sleep(random.next() * 5, signal);
          batch.ids.forEach((value, row) => {
            if (rowOf(value) > 0) expect(batch.vectors[row * batch.dimension]).toBe(rowOf(value) + 1);
          });
          if (batch.rows > c.maxRows)
            return {
              kind: 'shrink',
              error: error('413'),
              ...(c.tells ? { limits: { maxRows: c.maxRows } } : {}),
            };
          if (chance(c.throws)) throw new Error('socket hang up');
          if (chance(c.retry)) return { kind: 'retry', error: error('reset') };
          if (chance(c.backOff)) return { kind: 'backOff', error: error('429') };
          if (batch.ids.some((value) => poison!.has(rowOf(value))))
            return { kind: 'permanent', error: error('poison') };
          const rejected = batch.ids.flatMap((value, index) =>
            refused!.has(rowOf(value)) ? [{ index, code: 'VBO_ERR_SINK' as const, message: 'no' }] : [],
          );
          return { ...accept(batch), bytesSent: bytes, rejected } as WriteOutcome;
        });
        const deadLetters = join(folder, `${run++}.ndjson`);
        const memoryBudgetBytes = 2e6;
        const report = await clock.run(
          ingest({ kernels }, source, sink, {
            ...{ clock, deadLetters, memoryBudgetBytes, maxAttempts: 100, seed: 3 },
            ...(c.fixed ? { fixed: c.fixed } : {}),
          }),
        );

        const letters: number[] =
          report.rejected === 0
            ? []
            : readFileSync(deadLetters, 'utf8')
                .trim()
                .split('\n')
                .map((line) => JSON.parse(line).position);
        expect(new Set(letters).size).toBe(letters.length);
        expect([...sink.stored.values()].every((times) => times === 1)).toBe(true);
        expect(letters.length).toBe(report.rejected);
        expect(sink.stored.size).toBe(report.acknowledged);
        expect(report.items).toBe(c.rows);
        expect(report.acknowledged + report.rejected).toBe(c.rows);
        expect(report.reconciled).toBe(true);
        if (c.fixed) expect(sink.mostInFlight).toBeLessThanOrEqual(c.fixed.concurrency);
        expect(kernels.arena.usedBytes).toBe(0);
        expect(kernels.arena.peakBytes).toBeLessThanOrEqual(memoryBudgetBytes);
      },
    ),
    { seed: 20_240_229, numRuns: 80 },
  );
  rmSync(folder, { recursive: true });
});
