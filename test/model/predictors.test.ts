import { describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { FeatureEngineer } from '../../src/model/feature-engineer.js';
import { MemoryUsagePredictor } from '../../src/model/memory-predictor.js';
import { PerformancePredictor } from '../../src/model/performance-predictor.js';
import { recovery } from './recovery.js';
import { loadSweeps } from './sweeps.js';

const kernels = Kernels.load();
const sweeps = loadSweeps();

describe('the fit', () => {
  it('finds the optimum of nearly every random database, and says how sure it is of the rates', () => {
    const { withinFivePercent, coverage } = recovery(40, 7);
    expect(withinFivePercent).toBeGreaterThanOrEqual(0.95);
    expect(coverage).toBeGreaterThanOrEqual(0.85);
    expect(coverage).toBeLessThanOrEqual(0.95);
  });
});

describe('PerformancePredictor', () => {
  it('lets the forest speak only where it lowers the error on cells it has not seen, and says so', () => {
    for (const [name, records] of sweeps) {
      const predictor = new PerformancePredictor(kernels, records);
      const { costModel, withForest } = predictor.heldOut!;
      const { parts, interval, vectorsPerSecond } = predictor.predict({ batchSize: 512, concurrency: 2 });
      expect(parts.includes('forest'), name).toBe(withForest < 0.95 * costModel);
      expect(interval.low).toBeLessThanOrEqual(vectorsPerSecond);
      expect(interval.high).toBeGreaterThanOrEqual(vectorsPerSecond);
    }
  });

  it('refuses records of two pairs, and of none', () => {
    const mixed = [...sweeps.get('chroma-128')!, ...sweeps.get('lancedb-128')!];
    for (const records of [mixed, []]) {
      expect(() => new PerformancePredictor(kernels, records)).toThrow(
        expect.objectContaining({ code: 'VBO_ERR_RECORD' }),
      );
    }
  });
});

describe('MemoryUsagePredictor', () => {
  const records = (mb: (inFlight: number) => number) =>
    [64, 256, 1024, 4096].flatMap((batch_size) =>
      [1, 2, 4].map((concurrency) => ({
        ...{ database_type: 'lancedb', vector_dimension: 256, batch_size, concurrency, success: true },
        ...{ throughput_vps: 1000, bytes_per_vector: 1024, peak_rss_mb: mb(batch_size * concurrency) },
      })),
    );

  it('finds the base and the amount per byte, whatever a few cells say', () => {
    const exact = records((inFlight) => 120 + (5 * inFlight * 1024) / 1e6);
    exact[3] = { ...exact[3]!, peak_rss_mb: 9000 };
    const { peakMb, parts } = new MemoryUsagePredictor(exact).predict({ batchSize: 2048, concurrency: 2 });
    expect(parts).toEqual(['fit']);
    expect(peakMb).toBeCloseTo(120 + (5 * 4096 * 1024) / 1e6, 0);
  });

  it('falls back to the accounting where memory does not grow with what is in flight', () => {
    const flat = new MemoryUsagePredictor(records(() => 300));
    expect(flat.predict({ batchSize: 64, concurrency: 1 }).parts).toEqual(['accounting']);
  });
});

describe('FeatureEngineer', () => {
  it('names as many features as it makes, a doubling being a step of one', () => {
    const engineer = new FeatureEngineer();
    const small = engineer.features({ batchSize: 64, concurrency: 2 }, 128);
    const large = engineer.features({ batchSize: 128, concurrency: 2 }, 128);
    expect(small).toHaveLength(FeatureEngineer.names.length);
    expect(large.map((value, i) => value - small[i]!)).toEqual([1, 0, 1, 1]);
  });
});
