import { expect, it } from 'vitest';
import { History } from '../../src/history/history.js';
import { VectorBatchOptimizer } from '../../src/index.js';
import { vectorsPerSecond } from '../../src/model/cost.js';
import { scratchFolder } from '../history/support.js';
import { manyRecords, TRUE_COST } from './records.js';

const folder = scratchFolder();
const COUNT = 100_000;

it('from 100,000 records it learns what they are made of, while the event loop goes on turning', async () => {
  const path = folder.file('history.db');
  {
    await using history = await History.open(path);
    expect(await history.append(manyRecords(COUNT, Date.now()))).toBe(COUNT);
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  await using optimizer = await VectorBatchOptimizer.create({ threads: 0, history: path });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(20);
  for (const databaseType of ['qdrant', 'lancedb', 'chroma', 'pgvector', 'sqlite', 'nebula']) {
    for (const vectorDimension of [128, 1536]) {
      const answer = await optimizer.batchSize.calculateOptimalBatchSize({
        ...{ itemCount: 10_000_000, databaseType, vectorDimension },
        systemResources: { availableMemoryMb: 1e6, cpuCores: 8, ioBandwidthMbps: 1e5 },
      });
      const { recommendedBatchSize: batchSize, recommendedConcurrency: concurrency } = answer;
      const name = `${databaseType} ${vectorDimension}: ${batchSize} x ${concurrency}`;
      expect(answer.model.records, name).toBeGreaterThan(3900);
      const truth = vectorsPerSecond(TRUE_COST, { batchSize, concurrency });
      expect(answer.predicted.throughputVps / truth, name).toBeGreaterThan(0.9);
      expect(answer.predicted.throughputVps / truth, name).toBeLessThan(1.1);
    }
  }
}, 240_000);
