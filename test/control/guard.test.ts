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

  it('falls below the level that was pushed back, once per round trip, and recovers one permit at a time', () => {
    const g = guard({ batchSize: 100, concurrency: 8 });
    g.observe(sampleOf({ startMs: 0, endMs: 10, inFlight: 5, outcome: 'backOff' }));
    expect(g.setting).toMatchObject({ concurrency: 4, reason: 'fixed by the caller; the sink pushed back' });
    for (const inFlight of [6, 7, 8])
      g.observe(sampleOf({ startMs: 5, endMs: 11, inFlight, outcome: 'backOff' }));
    expect(g.setting.concurrency).toBe(4);
    g.observe(sampleOf({ startMs: 20, endMs: 30, inFlight: 1, outcome: 'timeOut' }));
    expect(g.setting.concurrency).toBe(2);
    let batches = 0;
    for (; g.setting.concurrency < 8; batches++) {
      const before = g.setting.concurrency;
      g.observe(sampleOf({ startMs: 40, endMs: 50 }));
      expect(g.setting.concurrency - before).toBeLessThanOrEqual(1);
      expect(batches).toBeLessThan(2000);
    }
    expect(batches).toBeGreaterThan(100);
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
