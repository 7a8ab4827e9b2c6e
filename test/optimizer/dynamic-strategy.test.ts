import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BatchExecutionRecord, OBJECTIVES } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { DynamicBatchStrategyOptimizer, type StrategyRequest } from '../../src/optimizer/dynamic-strategy.js';
import { loadSweeps, shareOfBest } from '../model/sweeps.js';

let optimizer: DynamicBatchStrategyOptimizer;
beforeAll(async () => {
  optimizer = new DynamicBatchStrategyOptimizer({ kernels: await Kernels.load() });
});

const PRESENT = { executionTimeMs: 50, successRate: 1, memoryUsageMb: 300 };
const request = (over: Partial<StrategyRequest> = {}): StrategyRequest => ({
  currentPerformance: PRESENT,
  historicalPatterns: [],
  optimizationGoal: 'performance',
  ...over,
});
const sweeps = loadSweeps();

describe('optimizeBatchStrategy', () => {
  it('with a history goes to a setting of at least 85 % of the best it has seen, in one step', async () => {
    for (const name of ['lancedb-128', 'postgres15-pgvector-128', 'sqlite-vec-128', 'chroma-128']) {
      const historicalPatterns = sweeps.get(name)!;
      const currentPerformance = { ...PRESENT, executionTimeMs: 3, batchSize: 100, concurrency: 1 };
      const answer = await optimizer.optimizeBatchStrategy(
        request({ currentPerformance, historicalPatterns }),
      );
      expect(answer.policy).toBe('history');
      expect(shareOfBest(historicalPatterns, answer.strategy), name).toBeGreaterThan(0.85);
    }
  });

  it('without a history goes at most twice as far as it is, guided by the prior', async () => {
    const answer = await optimizer.optimizeBatchStrategy(request());
    expect(answer.policy).toBe('prior');
    expect(answer.strategy.action).toBe('increase');
    expect(answer.strategy.batchSize).toBeLessThanOrEqual(200);
    expect(answer.strategy.concurrency).toBeLessThanOrEqual(2);
    expect(answer.expected.throughputRatio).toBeGreaterThan(1.05);
  });

  it('settles: fed with the model’s own times it stops changing its mind', async () => {
    let current = { batchSize: 100, concurrency: 1 };
    const seen: string[] = [];
    let latency = 20;
    for (let step = 0; step < 12; step++) {
      const answer = await optimizer.optimizeBatchStrategy(
        request({ currentPerformance: { ...PRESENT, ...current, executionTimeMs: latency } }),
      );
      current = { batchSize: answer.strategy.batchSize, concurrency: answer.strategy.concurrency };
      latency = answer.expected.batchLatencyMs;
      seen.push(answer.strategy.action);
    }
    expect(seen.slice(-3)).toEqual(['hold', 'hold', 'hold']);
  });

  it('backs off when batches fail, concurrency before batch size', async () => {
    const ask = (batchSize: number, concurrency: number) =>
      optimizer.optimizeBatchStrategy(
        request({ currentPerformance: { ...PRESENT, successRate: 0.8, batchSize, concurrency } }),
      );
    expect((await ask(512, 5)).strategy).toEqual({ batchSize: 512, concurrency: 2, action: 'decrease' });
    expect((await ask(512, 1)).strategy).toEqual({ batchSize: 256, concurrency: 1, action: 'decrease' });
    const least = await ask(1, 1);
    expect(least.strategy).toEqual({ batchSize: 1, concurrency: 1, action: 'hold' });
    expect(least.policy).toBe('back-off');
  });

  it('does not return to a size that the history says is refused', async () => {
    const records: BatchExecutionRecord[] = [64, 128].map((batch_size) => ({
      database_type: 'qdrant',
      vector_dimension: 768,
      batch_size,
      concurrency: 1,
      throughput_vps: 10 * batch_size,
      success: true,
    }));
    const refused = { ...records[1]!, batch_size: 200, success: false, error: '413 Payload Too Large' };
    const answer = await optimizer.optimizeBatchStrategy(
      request({
        currentPerformance: { ...PRESENT, batchSize: 128, concurrency: 1, executionTimeMs: 100 },
        historicalPatterns: [...records, refused],
      }),
    );
    expect(answer.strategy.batchSize).toBeLessThan(200);
  });

  it('takes what it is not told from the last record of the history', async () => {
    const historicalPatterns = sweeps.get('pglite-pgvector-128')!;
    const { explanation } = await optimizer.optimizeBatchStrategy(request({ historicalPatterns }));
    const last = historicalPatterns.at(-1)!;
    expect(explanation).toContain(`${last.batch_size} vectors per request, ${last.concurrency} in flight`);
  });

  it('answers every goal inside its reach, the same way twice', async () => {
    const anyPresent = fc.record({
      executionTimeMs: fc.double({ min: 0.01, max: 1e5, noNaN: true }),
      successRate: fc.double({ min: 0, max: 1, noNaN: true }),
      memoryUsageMb: fc.double({ min: 0, max: 1e5, noNaN: true }),
      batchSize: fc.integer({ min: 1, max: 20_000 }),
      concurrency: fc.integer({ min: 1, max: 64 }),
    });
    await fc.assert(
      fc.asyncProperty(
        anyPresent,
        fc.constantFrom(...OBJECTIVES),
        async (currentPerformance, optimizationGoal) => {
          const asked = request({ currentPerformance, optimizationGoal });
          const answer = await optimizer.optimizeBatchStrategy(asked);
          const { batchSize, concurrency } = answer.strategy;
          expect(batchSize).toBeGreaterThanOrEqual(1);
          expect(batchSize).toBeLessThanOrEqual(2 * currentPerformance.batchSize);
          expect(concurrency).toBeGreaterThanOrEqual(1);
          expect(concurrency).toBeLessThanOrEqual(2 * currentPerformance.concurrency);
          expect(answer.expected.throughputVps).toBeGreaterThan(0);
          expect(await optimizer.optimizeBatchStrategy(asked)).toEqual(answer);
        },
      ),
      { seed: 21, numRuns: 150 },
    );
  });

  it.each([
    ['optimizationGoal', request({ optimizationGoal: 'fast' as never })],
    ['currentPerformance', request({ currentPerformance: undefined as never })],
    [
      'currentPerformance.executionTimeMs',
      request({ currentPerformance: { ...PRESENT, executionTimeMs: Number.NaN } }),
    ],
    ['currentPerformance.successRate', request({ currentPerformance: { ...PRESENT, successRate: 1.2 } })],
    ['currentPerformance.memoryUsageMb', request({ currentPerformance: { ...PRESENT, memoryUsageMb: -1 } })],
    ['currentPerformance.batchSize', request({ currentPerformance: { ...PRESENT, batchSize: 1.5 } })],
    [
      'currentPerformance.databaseType',
      request({ currentPerformance: { ...PRESENT, databaseType: 'dbase' } }),
    ],
    ['historicalPatterns', request({ historicalPatterns: {} as never })],
    ['historicalPatterns[0]', request({ historicalPatterns: [5] as never })],
    [
      'historicalPatterns[0].concurrency',
      request({ historicalPatterns: [{ ...sweeps.get('chroma-128')![0]!, concurrency: 0 }] }),
    ],
    ['request', undefined as never],
  ])('refuses a bad %s by name', async (name, bad) => {
    await expect(optimizer.optimizeBatchStrategy(bad)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      details: { argument: name },
    });
  });
});
