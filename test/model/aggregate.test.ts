import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { aggregateRecords, recordsBehind } from '../../src/model/aggregate.js';
import { loadSweeps } from './sweeps.js';

const record = (over: Partial<BatchExecutionRecord> = {}): BatchExecutionRecord => ({
  ...{ database_type: 'lancedb', deployment: 'in-process', vector_dimension: 128 },
  ...{ batch_size: 256, concurrency: 2, item_count: 8192, throughput_vps: 1000, success: true },
  ...over,
});
const rates = (values: readonly number[]) => values.map((throughput_vps) => record({ throughput_vps }));

describe('aggregateRecords', () => {
  it('has one row per setting, and every record in one', () => {
    for (const [name, records] of loadSweeps()) {
      const rows = aggregateRecords(records);
      const settings = new Set(records.map((r) => `${r.batch_size} ${r.concurrency}`));
      expect(rows.length, name).toBe(settings.size);
      expect(rows.reduce((sum, row) => sum + recordsBehind(row), 0)).toBe(records.length);
    }
  });

  it('keeps databases, deployments, dimensions and fillings apart', () => {
    const rows = aggregateRecords([
      record(),
      record({ database_type: 'qdrant' }),
      record({ deployment: 'http' }),
      record({ vector_dimension: 768 }),
      record({ collection_rows: 1000 }),
      record({ collection_rows: 1_000_000 }),
      record(),
    ]);
    expect(rows.map((row) => row.count)).toEqual([2, 1, 1, 1, 1, 1]);
    expect(rows.map((row) => row.sizeClass)).toEqual([-1, -1, -1, -1, 5, 10]);
  });

  it('says the median and the spread, and marks the stall without believing it', () => {
    const [row] = aggregateRecords(rates([100, 110, 90, 105, 95, 3]));
    expect(row!.vectorsPerSecond).toBeCloseTo(Math.sqrt(95 * 100), 6);
    expect(row!.spread).toBeLessThan(0.2);
    expect(row!.outliers).toEqual([5]);
  });

  it('is not moved far by fewer than half of the records, whatever they say', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { maxLength: 4 }), (strange) => {
        const [row] = aggregateRecords(rates([...strange, 99, 100, 101, 98, 102]));
        expect(row!.vectorsPerSecond).toBeGreaterThan(97.9);
        expect(row!.vectorsPerSecond).toBeLessThan(102.1);
      }),
      { seed: 11 },
    );
  });

  it('takes a failure for news of a limit and an underfilled cell for nothing', () => {
    const [row] = aggregateRecords([
      record({ success: false, throughput_vps: null, error: 'too large' }),
      record({ item_count: 256 }),
    ]);
    expect(row).toMatchObject({ count: 0, vectorsPerSecond: 0, unmeasured: 1 });
    expect(row!.failures).toEqual({ count: 1, lastError: 'too large' });
  });
});
