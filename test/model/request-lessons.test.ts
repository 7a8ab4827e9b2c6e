import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { requestBytes } from '../../src/model/profile.js';
import { profileOf } from '../../src/model/profiles.js';
import { limitsOf } from '../../src/model/request-lessons.js';

const record: fc.Arbitrary<BatchExecutionRecord> = fc.record({
  database_type: fc.constantFrom('qdrant', 'sqlite'),
  vector_dimension: fc.constantFrom(16, 768, 1536),
  batch_size: fc.integer({ min: 1, max: 20_000 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  item_count: fc.constantFrom(100, 1_000_000),
  throughput_vps: fc.constantFrom(null, 5000),
  success: fc.boolean(),
  error: fc.constantFrom(null, '413 payload too large', 'too many points', '503', 'something else'),
});

it('are the limits that a model has which is trained with the same records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
      const model = new PerformanceModel();
      model.train(records);
      for (const name of ['qdrant', 'sqlite']) {
        const own = records.filter(({ database_type }) => database_type === name);
        expect(limitsOf(profileOf(name), own)).toEqual(model.predict(profileOf(name), 768).limits);
      }
    }),
    { seed: 5, numRuns: 200 },
  );
});

it('a request that is too large for another reason does not contradict larger ones that were taken', () => {
  const qdrant = profileOf('qdrant');
  const taken = { database_type: 'qdrant', vector_dimension: 768, batch_size: 2048, concurrency: 1 };
  const limits = limitsOf(qdrant, [
    { ...taken, throughput_vps: 5000, success: true },
    { ...taken, vector_dimension: 16, batch_size: 2, success: false, error: '413 payload too large' },
  ]);
  expect(limits.maxRequestBytes ?? Infinity).toBeGreaterThanOrEqual(requestBytes(qdrant, 768, 2048));
});
