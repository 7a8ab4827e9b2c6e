import { describe, expect, it } from 'vitest';
import { placeOf, settingAt } from '../../src/model/lattice.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { usefulConcurrency } from '../../src/model/profile.js';
import { profileOf } from '../../src/model/profiles.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';
import { loadSweeps, shareOfBest } from '../model/sweeps.js';

const systemResources = { availableMemoryMb: 64_000, cpuCores: 2, ioBandwidthMbps: 100_000 };

describe('a recommendation for a pair that was measured', () => {
  it('names one of its best cells, within its limits, and the same after the model was written down', async () => {
    for (const [name, records] of loadSweeps()) {
      const model = new PerformanceModel();
      model.train(records);
      const { database_type: databaseType, vector_dimension: vectorDimension } = records[0]!;
      const itemCount = Math.max(...records.map((record) => record.item_count!));
      const request = { itemCount, vectorDimension, databaseType, systemResources };
      const answer = await new OptimalBatchSizeCalculator({ model }).calculateOptimalBatchSize(request);
      const { recommendedBatchSize: batchSize, recommendedConcurrency: concurrency } = answer;
      expect(shareOfBest(records, { batchSize, concurrency }), name).toBeGreaterThan(0.85);
      expect(batchSize * concurrency).toBeLessThanOrEqual(itemCount);
      const again = PerformanceModel.fromJSON(JSON.parse(JSON.stringify(model)));
      expect(
        await new OptimalBatchSizeCalculator({ model: again }).calculateOptimalBatchSize(request),
      ).toEqual(answer);
    }
  });

  it('names the smallest batch x concurrency of those that cannot be told from the best', async () => {
    for (const [name, records] of loadSweeps()) {
      const model = new PerformanceModel();
      const [fit] = model.train(records).databases;
      const { database: databaseType, dimension: vectorDimension } = fit!;
      // The sweeps went to 8 requests in flight, and a profile may say that fewer are useful.
      const request = { itemCount: 1e9, vectorDimension, databaseType };
      const answer = await new OptimalBatchSizeCalculator({ model }).calculateOptimalBatchSize({
        ...request,
        systemResources: { availableMemoryMb: 1e6, cpuCores: 64, ioBandwidthMbps: 1e9 },
      });
      const shares = model.sharesOfBest(databaseType, vectorDimension)!;
      const { recommendedBatchSize: batchSize, recommendedConcurrency: concurrency } = answer;
      const named = shares[placeOf({ batchSize, concurrency }).nodes[0]!]!;
      const { maxRows = Number.POSITIVE_INFINITY } = model.predict(
        profileOf(databaseType),
        vectorDimension,
      ).limits;
      const most = usefulConcurrency(profileOf(databaseType), 64);
      const allowed = shares
        .map((share, node) => ({ share, ...settingAt(node) }))
        .filter((cell) => cell.batchSize <= maxRows && cell.concurrency <= most);
      const best = Math.max(...allowed.map(({ share }) => share));
      expect(named, name).toBeGreaterThanOrEqual(best - 0.01);
      for (const cell of allowed.filter(({ share }) => share >= best - 0.01)) {
        expect(batchSize * concurrency, name).toBeLessThanOrEqual(cell.batchSize * cell.concurrency);
      }
    }
  });
});
