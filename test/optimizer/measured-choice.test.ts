import { describe, expect, it } from 'vitest';
import { PerformanceModel } from '../../src/model/performance.js';
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
});
