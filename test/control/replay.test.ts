import { describe, expect, it } from 'vitest';
import { replay } from '../../src/control/replay.js';
import { Random } from '../../src/core/random.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { loadSweeps } from '../model/sweeps.js';

const random = new Random(3);
/** A record of a database whose rate is `batch / (1 + batch / 100)`, whatever is in flight. */
const recordAt = (batchSize: number, concurrency: number, ts: number, mood = 1): BatchExecutionRecord => {
  const rate = ((1e4 * batchSize) / (100 + batchSize)) * mood * Math.exp(0.05 * random.normal());
  return {
    ...{ database_type: 'any', vector_dimension: 128, batch_size: batchSize, concurrency, ts },
    ...{ item_count: 1e6, throughput_vps: rate, success: true, batches: 50 },
    ...{ batch_p50_ms: (1000 * batchSize * concurrency) / rate },
    batch_p95_ms: (1600 * batchSize * concurrency) / rate,
  };
};
const SIZES = [16, 32, 64, 128, 256, 512, 1024, 2048];
const sweep = SIZES.flatMap((size) => [1, 2, 4].map((concurrency) => recordAt(size, concurrency, 1000)));

describe('a replayed sweep', () => {
  it('has its rates, and the jitter that its percentiles show', () => {
    const { surface, jitter } = replay(sweep, 'any', 1000);
    expect(surface!({ batchSize: 256, concurrency: 2 }) / 7200).toBeCloseTo(1, 1);
    expect(surface!({ batchSize: 65_536, concurrency: 2 })).toBe(
      surface!({ batchSize: 2048, concurrency: 2 }),
    );
    // (1 + 2 j) / (1 - 0.307 j) = 1.6
    expect(jitter).toBeCloseTo(0.241, 3);
  });

  it('does not take a day on which the machine was faster for better settings', () => {
    const again = [1, 2, 3].flatMap((k) => SIZES.slice(3, 6).map((size) => recordAt(size, 1, 1e7 + k, 1.8)));
    const { surface, wander } = replay([...sweep, ...again], 'any', 1000);
    const gain = surface!({ batchSize: 256, concurrency: 1 }) / surface!({ batchSize: 256, concurrency: 4 });
    expect(gain).toBeGreaterThan(0.95);
    expect(gain).toBeLessThan(1.05);
    expect(wander!.sd).toBeLessThan(0.12);
  });

  it('of SQLite wanders by a quarter: the second visit was on a faster machine', () => {
    expect(replay(loadSweeps().get('sqlite-vec-128')!, 'sqlite', 1000).wander!.sd).toBeLessThan(0.25);
  });
});
