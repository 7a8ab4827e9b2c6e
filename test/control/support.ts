import type { BatchSample } from '../../src/control/policy.js';

/** A sample with everything a test does not care about filled in. */
export function sampleOf(sample: Partial<BatchSample>): BatchSample {
  const rows = sample.rows ?? sample.batchSize ?? 100;
  return {
    batchSize: rows,
    rows,
    bytes: rows * 512,
    concurrency: 1,
    inFlight: 1,
    startMs: 0,
    endMs: 10,
    outcome: 'ok',
    ...sample,
  };
}
