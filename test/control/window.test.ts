import { describe, expect, it } from 'vitest';
import { Window } from '../../src/control/window.js';
import { sampleOf } from './support.js';

const LENGTH = { batches: 3, minMs: 20 };

describe('a window', () => {
  it('gives the rate by Little’s law, whether acknowledgements come evenly or in bunches', () => {
    const setting = { batchSize: 100, concurrency: 4 };
    const window = new Window(setting, LENGTH, 0, setting);
    // Four requests at once, all taking 40 ms: 4 x 100 rows in 40 ms.
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 4; i++) {
        window.add(sampleOf({ ...setting, inFlight: 4, startMs: 40 * round, endMs: 40 * round + 40 }));
      }
    }
    expect(window.full).toBe(true);
    expect(window.measurement().vectorsPerSecond).toBeCloseTo(10_000, 6);
    expect(window.measurement().latencyMs).toBeCloseTo(40, 6);
  });

  it('is full by count and time together', () => {
    const setting = { batchSize: 8, concurrency: 1 };
    const window = new Window(setting, LENGTH, 0, setting);
    for (let i = 0; i < 19; i++) window.add(sampleOf({ ...setting, startMs: i, endMs: i + 1 }));
    expect(window.full).toBe(false);
    window.add(sampleOf({ ...setting, startMs: 19, endMs: 20 }));
    expect(window.full).toBe(true);
  });

  it('takes two batches of a slow sink for enough', () => {
    const setting = { batchSize: 4096, concurrency: 1 };
    const window = new Window(setting, LENGTH, 0, setting);
    window.add(sampleOf({ ...setting, startMs: 0, endMs: 900 }));
    window.add(sampleOf({ ...setting, startMs: 900, endMs: 1800 }));
    expect(window.full).toBe(true);
  });

  it('leaves out batches of another setting, cut short, failed, sent before it opened or beside others', () => {
    const setting = { batchSize: 100, concurrency: 2 };
    const window = new Window(setting, LENGTH, 50, { batchSize: 50, concurrency: 2 });
    const good = { ...setting, inFlight: 2, startMs: 60, endMs: 70 };
    expect(window.add(sampleOf({ ...good, startMs: 40 }))).toBe(false);
    expect(window.add(sampleOf({ ...good, batchSize: 50 }))).toBe(false);
    expect(window.add(sampleOf({ ...good, rows: 20 }))).toBe(false);
    expect(window.add(sampleOf({ ...good, outcome: 'retry' }))).toBe(false);
    expect(window.add(sampleOf(good))).toBe(true);
    expect(window.measurement().batches).toBe(0);
    expect(window.add(sampleOf(good))).toBe(true);
    expect(window.measurement().batches).toBe(1);
  });

  it('is not decided by one stall', () => {
    const setting = { batchSize: 100, concurrency: 1 };
    const window = new Window(setting, LENGTH, 0, setting);
    for (const ms of [10, 10, 10, 10, 10, 10, 10, 500])
      window.add(sampleOf({ ...setting, startMs: 0, endMs: ms }));
    expect(window.measurement().vectorsPerSecond).toBeGreaterThan(8000);
  });

  it('ends early when the setting is hopeless', () => {
    const setting = { batchSize: 100, concurrency: 8 };
    const window = new Window(setting, { ...LENGTH, hopelessBelow: 10_000 }, 0, setting);
    window.add(sampleOf({ ...setting, inFlight: 8, startMs: 0, endMs: 200 }));
    window.add(sampleOf({ ...setting, inFlight: 8, startMs: 0, endMs: 200 }));
    expect(window.full).toBe(true);
  });
});
