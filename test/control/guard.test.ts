import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FixedPolicy } from '../../src/control/fixed.js';
import { Guard, type GuardOptions } from '../../src/control/guard.js';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { sampleOf } from './support.js';

const guard = (setting: { batchSize: number; concurrency: number }, options: Partial<GuardOptions> = {}) =>
  new Guard(new FixedPolicy(setting), {
    ...{
      maxBatchSize: 10_000,
      maxConcurrency: 16,
      maxBatchBytes: Number.POSITIVE_INFINITY,
      bytesPerRow: 512,
    },
    ...{ memoryBytes: 1e9, memoryBytesPerRow: 1024, ...options },
  });
const settingOf = ({ setting: { batchSize, concurrency } }: Guard) => ({ batchSize, concurrency });

describe('the guard', () => {
  it('clamps whatever the policy wants to count, bytes, permits and memory', () => {
    const wish = { batchSize: 5000, concurrency: 8 };
    expect(settingOf(guard(wish))).toEqual(wish);
    expect(settingOf(guard(wish, { maxBatchSize: 166 }))).toEqual({ batchSize: 166, concurrency: 8 });
    expect(settingOf(guard(wish, { maxBatchBytes: 512_000 }))).toEqual({ batchSize: 1000, concurrency: 8 });
    expect(settingOf(guard(wish, { maxConcurrency: 2 }))).toEqual({ batchSize: 5000, concurrency: 2 });
    expect(settingOf(guard(wish, { memoryBytes: 8e6 }))).toEqual({ batchSize: 976, concurrency: 8 });
    expect(settingOf(guard(wish, { memoryBytes: 3000 }))).toEqual({ batchSize: 1, concurrency: 2 });
  });

  it('learns a limit that was named, for good', () => {
    const g = guard({ batchSize: 500, concurrency: 1 });
    g.observe(sampleOf({ rows: 500, outcome: 'shrink', limits: { maxRows: 166 } }));
    expect(g.setting.batchSize).toBe(166);
    for (let i = 0; i < 1000; i++) g.observe(sampleOf({ rows: 166 }));
    expect(g.setting.batchSize).toBe(166);
  });

  it('halves the bytes if the refusal names no limit, or one that the request kept', () => {
    const g = guard({ batchSize: 1000, concurrency: 1 });
    g.observe(sampleOf({ rows: 1000, bytes: 512_000, outcome: 'shrink' }));
    expect(g.setting.batchSize).toBe(500);
    g.observe(sampleOf({ rows: 500, bytes: 256_000, outcome: 'shrink', limits: { maxRows: 4000 } }));
    expect(g.setting.batchSize).toBe(250);
  });

  it('counts payloads against the byte limit once it has seen them', () => {
    const g = guard({ batchSize: 1000, concurrency: 1 }, { maxBatchBytes: 512_000 });
    for (let i = 0; i < 50; i++) g.observe(sampleOf({ rows: 500, bytes: 512_000 }));
    expect(g.setting.batchSize).toBeGreaterThanOrEqual(500);
    expect(g.setting.batchSize).toBeLessThan(520);
  });

  it('takes the longest request that was accepted for the limit that a refusal does not name', () => {
    const g = guard({ batchSize: 1000, concurrency: 1 });
    g.observe(sampleOf({ rows: 800, bytes: 409_600 }));
    g.observe(sampleOf({ rows: 1000, bytes: 512_000, outcome: 'shrink' }));
    expect(g.setting.batchSize).toBe(800);
    // The limit has fallen meanwhile: what was accepted before says nothing.
    g.observe(sampleOf({ rows: 800, bytes: 409_600, outcome: 'shrink' }));
    expect(g.setting.batchSize).toBe(400);
  });

  describe('pushed back', () => {
    let nowMs = 0;
    const pushBack = (g: Guard, inFlight = g.setting.concurrency) => {
      nowMs += 10;
      g.observe(sampleOf({ startMs: nowMs - 5, endMs: nowMs, inFlight, outcome: 'backOff' }));
    };
    /** Successes until the next permit comes. */
    const successes = (g: Guard) => {
      const before = g.setting.concurrency;
      for (let count = 1; count < 10_000; count++) {
        nowMs += 10;
        g.observe(sampleOf({ startMs: nowMs - 5, endMs: nowMs }));
        if (g.setting.concurrency > before) return count;
      }
      return Number.POSITIVE_INFINITY;
    };

    it('falls below the level that was refused, to no less than half, once per round trip', () => {
      const g = guard({ batchSize: 100, concurrency: 8 });
      g.observe(sampleOf({ startMs: 0, endMs: 10, inFlight: 5, outcome: 'backOff' }));
      expect(g.setting).toMatchObject({
        concurrency: 4,
        reason: 'fixed by the caller; the sink pushed back',
      });
      for (const inFlight of [6, 7, 8])
        g.observe(sampleOf({ startMs: 5, endMs: 11, inFlight, outcome: 'backOff' }));
      expect(g.setting.concurrency).toBe(4);
      g.observe(sampleOf({ startMs: 20, endMs: 30, inFlight: 1, outcome: 'timeOut' }));
      expect(g.setting.concurrency).toBe(2);
    });

    it('even with one request in flight, it doubles the permits every round trip once that is over', () => {
      const g = guard({ batchSize: 100, concurrency: 16 });
      for (let i = 0; i < 200; i++) {
        pushBack(g);
        if (i % 3 === 0) successes(g);
      }
      while (g.setting.concurrency > 1) pushBack(g);
      pushBack(g);
      expect([1, 2, 4, 8].map(() => [successes(g), g.setting.concurrency])).toEqual([
        [1, 2],
        [2, 4],
        [4, 8],
        [8, 16],
      ]);
    });

    it('again and again at the same level, tries that level ever more rarely', () => {
      const g = guard({ batchSize: 100, concurrency: 5 });
      const waits = Array.from({ length: 10 }, () => {
        pushBack(g);
        expect(g.setting.concurrency).toBe(4);
        return successes(g);
      });
      expect(waits).toEqual([8, 16, 32, 64, 128, 256, 512, 1024, 2048, 2048]);
    });

    it('at a level that works later, forgets that it did not', () => {
      const g = guard({ batchSize: 100, concurrency: 16 });
      pushBack(g, 5);
      expect(g.setting.concurrency).toBe(8);
      pushBack(g, 5);
      expect(g.setting.concurrency).toBe(4);
      expect([successes(g), g.setting.concurrency]).toEqual([4, 7]);
      expect([successes(g), g.setting.concurrency]).toEqual([14, 8]);
      expect([successes(g), g.setting.concurrency]).toEqual([8, 16]);
    });
  });

  it('never grants a setting outside its bounds, whatever happens', () => {
    const outcome = fc.constantFrom('ok', 'shrink', 'backOff', 'timeOut', 'retry', 'permanent' as const);
    const event = fc.record({
      outcome,
      ms: fc.integer({ min: 1, max: 5000 }),
      maxRows: fc.option(fc.integer({ min: 1, max: 5000 })),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 400 }), (events) => {
        const g = new Guard(new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } }), {
          ...{ maxBatchSize: 3000, maxConcurrency: 12, maxBatchBytes: 2_000_000, bytesPerRow: 512 },
          ...{ memoryBytes: 8e6, memoryBytesPerRow: 1024 },
        });
        let named = 3000;
        let nowMs = 0;
        for (const { outcome, ms, maxRows } of events) {
          const { batchSize, concurrency } = g.setting;
          expect(Math.min(batchSize, concurrency)).toBeGreaterThanOrEqual(1);
          expect(Number.isInteger(batchSize) && Number.isInteger(concurrency)).toBe(true);
          expect(batchSize).toBeLessThanOrEqual(named);
          expect(concurrency).toBeLessThanOrEqual(12);
          expect(batchSize * concurrency * 1024).toBeLessThanOrEqual(8e6);
          if (outcome === 'shrink' && maxRows) named = Math.min(named, maxRows);
          g.observe(
            sampleOf({
              ...{
                batchSize,
                rows: batchSize,
                bytes: batchSize * 512,
                concurrency,
                inFlight: concurrency,
                outcome,
              },
              ...{ startMs: nowMs, endMs: nowMs + ms, ...(maxRows ? { limits: { maxRows } } : {}) },
            }),
          );
          nowMs += ms;
        }
      }),
      { seed: 7, numRuns: 100 },
    );
  });
});
