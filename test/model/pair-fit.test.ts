import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { type CostModel, vectorsPerSecond } from '../../src/model/cost.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { profileOf } from '../../src/model/profiles.js';
import { forestTrainer } from '../../src/model/residual-forest.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';
import { loadSweeps } from '../model/sweeps.js';

const kernels = Kernels.load();
const COST: CostModel = { fixedMs: 5, perVectorMs: 0.05, superLinearMs: 0, sigma: 0.4, kappa: 0.02 };
const BATCHES = [64, 256, 1024, 4096];
const IN_FLIGHT = [1, 2, 4];

/** Records of a database that slows down by `perMillion`, in collections of 10,000 to 3 million vectors, with noise. */
function filling(perMillion: number, seed: number, noise = 0.15, batches = BATCHES): BatchExecutionRecord[] {
  const random = new Random(seed);
  return batches.flatMap((batch_size) =>
    IN_FLIGHT.flatMap((concurrency) =>
      [1e4, 3e5, 1e6, 3e6].map((collection_rows) => ({
        ...{ database_type: 'qdrant', vector_dimension: 128, batch_size, concurrency, success: true },
        ...{ item_count: 1e6, collection_rows },
        throughput_vps:
          (vectorsPerSecond(COST, { batchSize: batch_size, concurrency }) *
            Math.exp(noise * random.normal())) /
          (1 + (perMillion * collection_rows) / 1e6),
      })),
    ),
  );
}

const load = (itemCount: number) => ({
  ...{ itemCount, vectorDimension: 128, databaseType: 'qdrant' },
  systemResources: { availableMemoryMb: 64_000, cpuCores: 4, ioBandwidthMbps: 1e5 },
});

describe('a drift with the size of the collection', () => {
  const predict = (model: PerformanceModel, items?: number) => model.predict(profileOf('qdrant'), 128, items);

  it.each([1, 2, 3])('is found where there is one, and said (seed %i)', async (seed) => {
    const model = new PerformanceModel();
    const [fit] = model.train(filling(0.5, seed)).databases;
    expect(fit!.drift!.perMillion).toBeGreaterThan(0.35);
    expect(fit!.drift!.perMillion).toBeLessThan(0.7);
    const setting = { batchSize: 1024, concurrency: 2 };
    const rate = (items: number) => vectorsPerSecond(predict(model, items).cost, setting);
    // On the average a load of two million finds a million stored.
    expect(rate(2e6) / (vectorsPerSecond(COST, setting) / 1.5)).toBeGreaterThan(0.85);
    expect(rate(2e6) / (vectorsPerSecond(COST, setting) / 1.5)).toBeLessThan(1.15);
    expect(rate(2e6)).toBeLessThan(rate(1e4));
    // Not for ever: nobody has seen such a collection.
    expect(rate(1e12)).toBe(rate(1e13));
    expect(predict(model).basis).toMatch(/with a drift of \d+ % per million vectors stored$/);
    const again = PerformanceModel.fromJSON(JSON.parse(JSON.stringify(model)));
    expect(predict(again, 2e6)).toEqual(predict(model, 2e6));
    const calculator = new OptimalBatchSizeCalculator({ kernels, model });
    const small = await calculator.calculateOptimalBatchSize(load(1e5));
    const large = await calculator.calculateOptimalBatchSize(load(4e6));
    expect(large.predicted.throughputVps).toBeLessThan(small.predicted.throughputVps);
    expect(large.explanation).toContain('per million vectors stored');
  });

  it.each([1, 2, 3, 4, 5])('is not heard where there is none (seed %i)', (seed) => {
    const model = new PerformanceModel();
    expect(model.train(filling(0, seed)).databases[0]!.drift).toBeUndefined();
    expect(predict(model).basis).not.toContain('drift');
  });

  it('is not looked for where records do not say how full the collection was', () => {
    const silent = filling(0.5, 1).map(({ collection_rows: _, ...record }) => record);
    expect(
      new PerformanceModel().train(silent as BatchExecutionRecord[]).databases[0]!.drift,
    ).toBeUndefined();
  });
});

describe('the memory of the loading process', () => {
  const measured = (mb: (inFlight: number) => number) =>
    filling(0, 1).map((r) => ({ ...r, peak_rss_mb: mb(r.batch_size * r.concurrency) }));

  it('is what was measured, where that is nearer than the accounting', async () => {
    const model = new PerformanceModel();
    model.train(measured((inFlight) => 400 + 0.02 * inFlight));
    const answer = await new OptimalBatchSizeCalculator({ kernels, model }).calculateOptimalBatchSize(
      load(1e6),
    );
    const inFlight = answer.recommendedBatchSize * answer.recommendedConcurrency;
    expect(answer.predicted.processPeakMb).toBeCloseTo(400 + 0.02 * inFlight, 0);
    expect(answer.model.basis).toContain('memory fitted too');
  });

  it('is the accounting’s where measurements say nothing of it', async () => {
    const model = new PerformanceModel();
    model.train(measured(() => 300));
    const answer = await new OptimalBatchSizeCalculator({ kernels, model }).calculateOptimalBatchSize(
      load(1e6),
    );
    expect(answer.predicted.processPeakMb).toBeCloseTo(120 + answer.predicted.memoryMb, 6);
    expect(answer.model.basis).not.toContain('memory');
  });
});

describe('a forest on what the cost model misses', () => {
  /** A database whose batches of 1024 and more take 2.5 times as long, which no cost model says. */
  const batches = [32, 64, 128, 256, 512, 1024, 2048, 4096];
  const wide = filling(0, 1, 0.02, batches).map((record) => ({
    ...record,
    throughput_vps: (record.throughput_vps as number) / (record.batch_size >= 1024 ? 2.5 : 1),
  }));

  it('is heard where it lowers the held-out error, is said, and survives being written down', async () => {
    const model = new PerformanceModel();
    const plain = new PerformanceModel();
    const [fit] = model.train(wide, forestTrainer(kernels)).databases;
    expect(fit!.correction).toHaveLength(85);
    expect(fit!.medianAbsoluteRelativeError).toBeLessThan(
      plain.train(wide).databases[0]!.medianAbsoluteRelativeError,
    );
    const answer = await new OptimalBatchSizeCalculator({ kernels, model }).calculateOptimalBatchSize(
      load(1e6),
    );
    expect(answer.model.basis).toContain('corrected by a random forest');
    const again = PerformanceModel.fromJSON(JSON.parse(JSON.stringify(model)));
    expect(
      await new OptimalBatchSizeCalculator({ kernels, model: again }).calculateOptimalBatchSize(load(1e6)),
    ).toEqual(answer);
  });

  it('is not heard where the cost model is right, but for chance', () => {
    const heard = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter((seed) => {
      const records = filling(0, seed, 0.15, batches);
      return new PerformanceModel().train(records, forestTrainer(kernels)).databases[0]!.correction;
    });
    expect(heard.length).toBeLessThanOrEqual(1);
  });

  it('says which parts spoke of each sweep', () => {
    for (const [name, records] of loadSweeps()) {
      const model = new PerformanceModel();
      const [fit] = model.train(records, forestTrainer(kernels)).databases;
      const { basis } = model.predict(profileOf(fit!.database), fit!.dimension);
      expect(basis.includes('forest'), name).toBe(fit!.correction !== undefined);
      expect(basis.includes('memory'), name).toBe(fit!.memory !== undefined);
    }
  });
});
