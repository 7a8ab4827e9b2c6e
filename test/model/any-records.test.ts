import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OBJECTIVES } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { forestTrainer } from '../../src/model/residual-forest.js';
import { OptimalBatchSizeCalculator } from '../../src/optimizer/batch-size-calculator.js';

const kernels = Kernels.shared();
const DATABASES = ['qdrant', 'lancedb'];

/** What a record may say, likely or not. */
const measure = fc.oneof(
  fc.double({ min: 0.1, max: 1e6, noNaN: true }),
  fc.double({ min: 0, max: Number.MAX_SAFE_INTEGER, noNaN: true }),
  fc.constantFrom(0, 5e-324, 1e-300, 1e-9, Number.MAX_SAFE_INTEGER, null, undefined),
);
const anyRecord = fc.record({
  database_type: fc.constantFrom(...DATABASES),
  vector_dimension: fc.constantFrom(1, 768),
  batch_size: fc.constantFrom(1, 7, 64, 500, 4096, 100_000),
  concurrency: fc.constantFrom(1, 2, 8, 64),
  item_count: fc.constantFrom(undefined, null, 0, 1000, 1e6, 1e13),
  collection_rows: fc.constantFrom(undefined, null, 0, 1, 1e6, 1e13),
  execution_time_ms: measure,
  throughput_vps: measure,
  batch_p50_ms: measure,
  batch_p95_ms: measure,
  bytes_per_vector: measure,
  peak_rss_mb: measure,
  success: fc.constantFrom(true, true, true, true, false),
  error: fc.constantFrom(undefined, null, '413', 'too many rows', 'timed out'),
});

/** Much of one pair, of a database that slows down as it fills: a drift, a line of memory and a forest may be heard. */
const sizedRecord = fc
  .record({
    row: fc.integer({ min: 0, max: 16 }),
    concurrency: fc.constantFrom(1, 2, 4, 8),
    collection_rows: fc.oneof(fc.constantFrom(0, 1, 1e13), fc.integer({ min: 0, max: 1e7 })),
    mood: fc.double({ min: 0.5, max: 2, noNaN: true }),
    peak: fc.oneof(fc.double({ min: 0, max: 1000, noNaN: true }), measure),
  })
  .map(({ row, concurrency, collection_rows, mood, peak }) => ({
    ...{ database_type: 'qdrant', vector_dimension: 768, batch_size: 2 ** row, concurrency, collection_rows },
    throughput_vps: (mood * 1e5 * Math.sqrt(2 ** row)) / (1 + collection_rows / 1e5),
    ...{ peak_rss_mb: peak, success: true },
  }));

it('whatever valid records say, the model can be written down and read, and answers with numbers', () => {
  const everyRecord = fc.oneof(
    fc.array(anyRecord, { minLength: 1, maxLength: 60 }),
    fc.array(sizedRecord, { minLength: 20, maxLength: 60 }),
  );
  fc.assert(
    fc.property(everyRecord, fc.constantFrom(...OBJECTIVES), (records, objective) => {
      const trained = new PerformanceModel();
      expect(trained.train(records, forestTrainer(kernels)).refused).toEqual([]);
      const read = PerformanceModel.fromJSON(JSON.parse(JSON.stringify(trained)));
      for (const model of [trained, read]) {
        for (const databaseType of DATABASES) {
          const answer = answerOf(model, databaseType, objective);
          expect(numbersIn(answer).filter((value) => !Number.isFinite(value))).toEqual([]);
        }
      }
    }),
    { seed: 1, numRuns: 60 },
  );
});

/** The recommendation, or nothing where a failure has taught that not even one vector fits a request. */
function answerOf(model: PerformanceModel, databaseType: string, objective: (typeof OBJECTIVES)[number]) {
  const train = () => Promise.reject(new Error('not asked for'));
  const calculator = new OptimalBatchSizeCalculator({ kernels, model, machineMemoryBytes: 8e9, train });
  try {
    return calculator.recommend({
      ...{ databaseType, vectorDimension: 768, itemCount: 10_000, objective },
      systemResources: { availableMemoryMb: 2000, cpuCores: 4, ioBandwidthMbps: 1000 },
    });
  } catch (error) {
    expect(error).toMatchObject({ code: 'VBO_ERR_MEMORY' });
    return {};
  }
}

function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(numbersIn) : [];
}
