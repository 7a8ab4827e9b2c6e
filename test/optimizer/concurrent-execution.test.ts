import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { inFlightBytesPerVector } from '../../src/model/memory.js';
import { profileOf } from '../../src/model/profiles.js';
import {
  type ConcurrencyRequest,
  ConcurrentExecutionOptimizer,
} from '../../src/optimizer/concurrent-execution.js';

const MACHINE_BYTES = 4e9;
let optimizer: ConcurrentExecutionOptimizer;
beforeAll(async () => {
  optimizer = new ConcurrentExecutionOptimizer({
    kernels: await Kernels.load(),
    machineMemoryBytes: MACHINE_BYTES,
  });
});

const CAPACITY = { maxConcurrentOperations: 16, memoryThresholdPercent: 80 };
const request = (over: Partial<ConcurrencyRequest> = {}): ConcurrencyRequest => ({
  totalItems: 100_000,
  batchSize: 256,
  systemCapacity: CAPACITY,
  ...over,
});

describe('optimizeConcurrentExecution', () => {
  it('obeys the capacity, the memory and the number of batches, and adds up', async () => {
    const anyRequest = fc.record({
      totalItems: fc.integer({ min: 1, max: 1e7 }),
      batchSize: fc.integer({ min: 1, max: 5000 }),
      systemCapacity: fc.record({
        maxConcurrentOperations: fc.integer({ min: 1, max: 1024 }),
        memoryThresholdPercent: fc.integer({ min: 10, max: 100 }),
      }),
      databaseType: fc.constantFrom('generic', 'qdrant', 'lancedb', 'pgvector', 'pglite'),
      vectorDimension: fc.integer({ min: 1, max: 2000 }),
    });
    await fc.assert(
      fc.asyncProperty(anyRequest, async (asked) => {
        const plan = await optimizer.optimizeConcurrentExecution(asked);
        const batch = Math.min(asked.batchSize, asked.totalItems);
        expect(plan.batches).toBe(Math.ceil(asked.totalItems / batch));
        expect(plan.waves).toBe(Math.ceil(plan.batches / plan.concurrency));
        expect(plan.concurrency).toBeGreaterThanOrEqual(1);
        expect(plan.concurrency).toBeLessThanOrEqual(
          Math.min(plan.batches, asked.systemCapacity.maxConcurrentOperations),
        );
        const held =
          plan.concurrency *
          batch *
          inFlightBytesPerVector(profileOf(asked.databaseType), asked.vectorDimension);
        expect(plan.memoryMb).toBeCloseTo(held / 1e6, 6);
        expect(held).toBeLessThanOrEqual((asked.systemCapacity.memoryThresholdPercent / 100) * MACHINE_BYTES);
        expect(plan.predictedDurationMs).toBeGreaterThan(0);
        expect(await optimizer.optimizeConcurrentExecution(asked)).toEqual(plan);
      }),
      { seed: 51, numRuns: 200 },
    );
  });

  it('takes no more in flight than gains 3 %, and says what kept it lower', async () => {
    const free = await optimizer.optimizeConcurrentExecution(request());
    expect(free.concurrency).toBeGreaterThan(2);
    expect(free.concurrency).toBeLessThan(8);
    expect(free.explanation).toContain('More in flight would gain less than 3 %');
    const capped = await optimizer.optimizeConcurrentExecution(
      request({ systemCapacity: { ...CAPACITY, maxConcurrentOperations: 2 } }),
    );
    expect(capped.concurrency).toBe(2);
    expect(capped.explanation).toContain('The system takes no more than 2 at once');
    const tight = await optimizer.optimizeConcurrentExecution(
      request({ systemCapacity: { ...CAPACITY, memoryThresholdPercent: 0.2 } }),
    );
    expect(tight.concurrency).toBe(2);
    expect(tight.explanation).toContain('Memory bound it');
    const single = await optimizer.optimizeConcurrentExecution(request({ totalItems: 300 }));
    expect(single).toMatchObject({ batches: 2, concurrency: 2, waves: 1 });
  });

  it('keeps one request in flight at a database with one engine', async () => {
    expect(
      (await optimizer.optimizeConcurrentExecution(request({ databaseType: 'pglite' }))).concurrency,
    ).toBe(1);
  });

  it.each([
    ['totalItems', request({ totalItems: 0 })],
    ['batchSize', request({ batchSize: Number.NaN })],
    ['systemCapacity', request({ systemCapacity: undefined as never })],
    [
      'systemCapacity.maxConcurrentOperations',
      request({ systemCapacity: { ...CAPACITY, maxConcurrentOperations: 1.5 } }),
    ],
    [
      'systemCapacity.memoryThresholdPercent',
      request({ systemCapacity: { ...CAPACITY, memoryThresholdPercent: 101 } }),
    ],
    ['databaseType', request({ databaseType: 'mysql' })],
    ['vectorDimension', request({ vectorDimension: 0 })],
    ['request', undefined as never],
  ])('refuses a bad %s by name', async (name, bad) => {
    await expect(optimizer.optimizeConcurrentExecution(bad)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      details: { argument: name },
    });
  });

  it('refuses a batch that the memory does not hold', async () => {
    const tooLarge = request({
      batchSize: 100_000,
      systemCapacity: { ...CAPACITY, memoryThresholdPercent: 1 },
    });
    await expect(optimizer.optimizeConcurrentExecution(tooLarge)).rejects.toMatchObject({
      code: 'VBO_ERR_MEMORY',
    });
  });
});

describe('calculateOptimalConcurrency', () => {
  const ask = (cpuCores: number, availableMemoryMb: number, ioCapacityMbps: number) =>
    optimizer.calculateOptimalConcurrency({ cpuCores, availableMemoryMb, ioCapacityMbps });

  it('is the least of what cores, memory and path can use, and at least 1', () => {
    expect(ask(4, 8192, 1000)).toMatchObject({ concurrency: 8, bindingConstraint: 'cores' });
    expect(ask(8, 512, 1000)).toMatchObject({ concurrency: 2, bindingConstraint: 'memory' });
    expect(ask(8, 8192, 100)).toMatchObject({ concurrency: 4, bindingConstraint: 'io' });
    expect(ask(8, 10, 100).concurrency).toBe(1);
  });

  it('never falls when a resource grows', () => {
    const resources = fc.tuple(
      fc.integer({ min: 1, max: 4096 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 1e5 }),
    );
    fc.assert(
      fc.property(resources, fc.integer({ min: 0, max: 2 }), (given, which) => {
        const more = given.map((value, i) =>
          i === which ? Math.min(4096, value) + 1 : value,
        ) as typeof given;
        if (more[0] > 4096 || more[which]! < given[which]!) return;
        expect(ask(...more).concurrency).toBeGreaterThanOrEqual(ask(...given).concurrency);
      }),
      { seed: 52 },
    );
  });

  it.each([
    ['cpuCores', 0, 1, 1],
    ['availableMemoryMb', 1, Number.NaN, 1],
    ['ioCapacityMbps', 1, 1, 0],
  ] as const)('refuses a bad %s by name', (name, cores, memoryMb, ioMbps) => {
    expect(() => ask(cores, memoryMb, ioMbps)).toThrow(
      expect.objectContaining({
        code: 'VBO_ERR_ARGUMENT',
        details: expect.objectContaining({ argument: name }),
      }),
    );
  });
});
