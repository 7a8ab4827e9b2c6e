import fc from 'fast-check';
import { OBJECTIVES } from '../../src/core/types.js';
import { PROFILES } from '../../src/model/profiles.js';

export const machines = fc.record({
  availableMemoryMb: fc.integer({ min: 100, max: 64_000 }),
  cpuCores: fc.integer({ min: 1, max: 64 }),
  ioBandwidthMbps: fc.integer({ min: 1, max: 10_000 }),
});

/** What a recommendation is asked for: small loads and large ones, of every database and objective. */
export const loads = fc.record({
  itemCount: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 1e8 })),
  vectorDimension: fc.oneof(fc.constantFrom(128, 768), fc.integer({ min: 1, max: 4096 })),
  databaseType: fc.constantFrom(...PROFILES.map(({ name }) => name)),
  systemResources: machines,
  objective: fc.constantFrom(...OBJECTIVES),
});
