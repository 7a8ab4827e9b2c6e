import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { OBJECTIVES } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { IN_FLIGHT_SHARE, inFlightBytesPerVector } from '../../src/model/memory.js';
import { requestBytes, requestLimits, usefulConcurrency } from '../../src/model/profile.js';
import { PROFILES, profileOf } from '../../src/model/profiles.js';
import {
  type BatchSizeRecommendation,
  type BatchSizeRequest,
  OptimalBatchSizeCalculator,
} from '../../src/optimizer/batch-size-calculator.js';
import { loadSweeps, shareOfBest } from '../model/sweeps.js';

let kernels: Kernels;
let calculator: OptimalBatchSizeCalculator;
beforeAll(async () => {
  kernels = await Kernels.load();
  calculator = new OptimalBatchSizeCalculator({ kernels });
});

const MACHINE = { availableMemoryMb: 8192, cpuCores: 4, ioBandwidthMbps: 1000 };
const request = (over: Partial<BatchSizeRequest> = {}): BatchSizeRequest => ({
  itemCount: 1_000_000,
  vectorDimension: 1536,
  databaseType: 'qdrant',
  systemResources: MACHINE,
  ...over,
});
const inFlight = (answer: BatchSizeRecommendation) =>
  answer.recommendedBatchSize * answer.recommendedConcurrency;

const anyRequest = fc.record({
  itemCount: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 1e9 })),
  vectorDimension: fc.integer({ min: 1, max: 4096 }),
  databaseType: fc.constantFrom(...PROFILES.map((profile) => profile.name)),
  systemResources: fc.record({
    availableMemoryMb: fc.integer({ min: 16, max: 100_000 }),
    cpuCores: fc.integer({ min: 1, max: 64 }),
    ioBandwidthMbps: fc.integer({ min: 1, max: 10_000 }),
  }),
  objective: fc.constantFrom(...OBJECTIVES),
});

describe('a million vectors of 1536 dimensions for Qdrant', () => {
  it('get what its vendor advises: 64 to 256 points, 2 to 4 streams, bodies below 5 MB', async () => {
    const answer = await calculator.calculateOptimalBatchSize(request());
    expect(answer.recommendedBatchSize).toBeGreaterThanOrEqual(64);
    expect(answer.recommendedBatchSize).toBeLessThanOrEqual(256);
    expect(answer.recommendedConcurrency).toBeGreaterThanOrEqual(2);
    expect(answer.recommendedConcurrency).toBeLessThanOrEqual(4);
    expect(requestBytes(profileOf('qdrant'), 1536, answer.recommendedBatchSize)).toBeLessThan(5_000_000);
    expect(answer.bindingConstraint).toBe('rows');
    expect(answer.confidence).toBeLessThanOrEqual(0.3);
  });

  it('get a smaller batch at 4096 dimensions, bound by the size of a request', async () => {
    const usual = await calculator.calculateOptimalBatchSize(request());
    const wide = await calculator.calculateOptimalBatchSize(request({ vectorDimension: 4096 }));
    expect(wide.recommendedBatchSize).toBeLessThan(usual.recommendedBatchSize);
    expect(wide.bindingConstraint).toBe('request_bytes');
    expect(wide.explanation).toContain('The size of a request bound it: at most 5.00 MB at 4096 dimensions');
  });

  it('get a smaller batch in 512 MB, bound by memory', async () => {
    const usual = await calculator.calculateOptimalBatchSize(request());
    const tight = await calculator.calculateOptimalBatchSize(
      request({ systemResources: { ...MACHINE, availableMemoryMb: 512 } }),
    );
    expect(tight.recommendedBatchSize).toBeLessThan(usual.recommendedBatchSize);
    expect(tight.bindingConstraint).toBe('memory');
    expect(tight.explanation).toContain('Memory bound it: vectors in flight may take 25.6 MB');
  });

  it('are told what the usual guess would give and what lifting the limit would', async () => {
    const { explanation } = await calculator.calculateOptimalBatchSize(request({ vectorDimension: 4096 }));
    expect(explanation).toMatch(/Lifting that limit alone would give \d+ % more\./);
    expect(explanation).toMatch(
      /The usual guess, 100 vectors per request and one at a time, would give [\d,]+ vectors\/s/,
    );
    expect(explanation).toContain('Based on the prior of qdrant (vendor advice, 1536 dimensions).');
  });
});

describe('every answer', () => {
  it('obeys the limits of the database, the memory, the cores, the path and the load', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (asked) => {
        const profile = profileOf(asked.databaseType);
        const answer = await calculator.calculateOptimalBatchSize(asked);
        const { recommendedBatchSize: batchSize, recommendedConcurrency: concurrency } = answer;
        const limits = requestLimits(profile, { rows: 0, requestBytes: 0 });
        expect(Number.isInteger(batchSize) && Number.isInteger(concurrency)).toBe(true);
        expect(batchSize).toBeGreaterThanOrEqual(1);
        expect(concurrency).toBeGreaterThanOrEqual(1);
        expect(batchSize).toBeLessThanOrEqual(limits.maxRows ?? Number.POSITIVE_INFINITY);
        expect(requestBytes(profile, asked.vectorDimension, batchSize)).toBeLessThanOrEqual(
          limits.maxRequestBytes ?? Number.POSITIVE_INFINITY,
        );
        expect(concurrency).toBeLessThanOrEqual(usefulConcurrency(profile, asked.systemResources.cpuCores));
        expect(batchSize * concurrency).toBeLessThanOrEqual(asked.itemCount);
        const memoryBytes = batchSize * concurrency * inFlightBytesPerVector(profile, asked.vectorDimension);
        expect(memoryBytes).toBeLessThanOrEqual(
          IN_FLIGHT_SHARE * asked.systemResources.availableMemoryMb * 1e6,
        );
        expect(answer.predicted.memoryMb).toBeCloseTo(memoryBytes / 1e6, 9);
        const perSecond =
          answer.predicted.throughputVps * asked.vectorDimension * profile.wire.perComponentBytes;
        expect(perSecond).toBeLessThanOrEqual(asked.systemResources.ioBandwidthMbps * 1e6);
      }),
      { seed: 11, numRuns: 400 },
    );
  });

  it('keeps Little’s law, a prediction inside its interval and a confidence inside [0, 1]', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (asked) => {
        const answer = await calculator.calculateOptimalBatchSize(asked);
        const { throughputVps, batchLatencyMs } = answer.predicted;
        expect((throughputVps * batchLatencyMs) / 1000 / inFlight(answer)).toBeCloseTo(1, 9);
        expect(answer.interval.low).toBeLessThan(throughputVps);
        expect(answer.interval.high).toBeGreaterThanOrEqual(throughputVps);
        expect(answer.confidence).toBeGreaterThan(0);
        expect(answer.confidence).toBeLessThan(1);
        for (const other of answer.alternatives) {
          expect([other.batchSize, other.concurrency]).not.toEqual([
            answer.recommendedBatchSize,
            answer.recommendedConcurrency,
          ]);
        }
      }),
      { seed: 12, numRuns: 200 },
    );
  });

  it('is the same for the same question', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (asked) => {
        const other = new OptimalBatchSizeCalculator({ kernels });
        expect(await other.calculateOptimalBatchSize(asked)).toEqual(
          await calculator.calculateOptimalBatchSize(asked),
        );
      }),
      { seed: 13, numRuns: 50 },
    );
  });

  it('never has fewer vectors in flight for more memory', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, fc.integer({ min: 1, max: 100_000 }), async (asked, more) => {
        const ask = (availableMemoryMb: number) =>
          calculator.calculateOptimalBatchSize({
            ...asked,
            objective: 'performance',
            systemResources: { ...asked.systemResources, availableMemoryMb },
          });
        const { availableMemoryMb } = asked.systemResources;
        expect(inFlight(await ask(availableMemoryMb + more))).toBeGreaterThanOrEqual(
          inFlight(await ask(availableMemoryMb)),
        );
      }),
      { seed: 14, numRuns: 200 },
    );
  });

  it('never has a larger batch for a larger dimension where bytes bind', async () => {
    const machine = { ...MACHINE, availableMemoryMb: 1e6, ioBandwidthMbps: 1e6 };
    for (const databaseType of ['qdrant', 'nebula', 'milvus', 'elasticsearch']) {
      let before = Number.POSITIVE_INFINITY;
      for (let vectorDimension = 2048; vectorDimension <= 65_536; vectorDimension *= 1.25) {
        const answer = await calculator.calculateOptimalBatchSize(
          request({ databaseType, vectorDimension: Math.round(vectorDimension), systemResources: machine }),
        );
        expect(answer.recommendedBatchSize).toBeLessThanOrEqual(before);
        before = answer.recommendedBatchSize;
      }
      expect(before).toBeLessThan(64);
    }
  });

  it('loads one vector as one and ten as ten', async () => {
    for (const itemCount of [1, 10]) {
      const answer = await calculator.calculateOptimalBatchSize(request({ itemCount }));
      expect(inFlight(answer)).toBe(itemCount);
      expect(answer.bindingConstraint).toBe('items');
    }
  });

  it('names a slow path, and takes a setting that fills it without flooding it', async () => {
    const slow = await calculator.calculateOptimalBatchSize(
      request({ systemResources: { ...MACHINE, ioBandwidthMbps: 10 } }),
    );
    const fast = await calculator.calculateOptimalBatchSize(request());
    expect(slow.bindingConstraint).toBe('io');
    expect(inFlight(slow)).toBeLessThan(inFlight(fast));
    expect(slow.predicted.throughputVps).toBeCloseTo(1e7 / (60 + 12.3 * 1536), 6);
  });

  it('says that there is nothing to gain where there is nothing to gain', async () => {
    const answer = await calculator.calculateOptimalBatchSize(
      request({ databaseType: 'pglite', vectorDimension: 128 }),
    );
    expect(answer.explanation).toContain('there is nothing to gain here');
  });

  it('sends smaller or fewer requests for latency and for memory than for performance', async () => {
    const ask = (objective: (typeof OBJECTIVES)[number]) =>
      calculator.calculateOptimalBatchSize(
        request({ databaseType: 'lancedb', vectorDimension: 128, objective }),
      );
    const performance = await ask('performance');
    expect((await ask('latency')).predicted.batchLatencyMs).toBeLessThan(
      performance.predicted.batchLatencyMs,
    );
    expect((await ask('memory')).predicted.memoryMb).toBeLessThan(performance.predicted.memoryMb);
    expect((await ask('cost')).recommendedBatchSize).toBeGreaterThanOrEqual(performance.recommendedBatchSize);
  });
});

describe('refusals', () => {
  it.each([
    ['itemCount', request({ itemCount: 0 })],
    ['itemCount', request({ itemCount: 1.5 })],
    ['itemCount', request({ itemCount: Number.NaN })],
    ['vectorDimension', request({ vectorDimension: -1 })],
    ['vectorDimension', request({ vectorDimension: Number.POSITIVE_INFINITY })],
    ['vectorDimension', request({ databaseType: 'pgvector', vectorDimension: 16_001 })],
    ['databaseType', request({ databaseType: 'mysql' })],
    ['databaseType', request({ databaseType: undefined as never })],
    ['systemResources', request({ systemResources: undefined as never })],
    ['systemResources.availableMemoryMb', request({ systemResources: { ...MACHINE, availableMemoryMb: 0 } })],
    ['systemResources.cpuCores', request({ systemResources: { ...MACHINE, cpuCores: 2.5 } })],
    ['systemResources.ioBandwidthMbps', request({ systemResources: { ...MACHINE, ioBandwidthMbps: 0 } })],
    ['objective', request({ objective: 'speed' as never })],
    ['request', undefined as never],
  ])('name %s, its value and what was expected', async (name, bad) => {
    await expect(calculator.calculateOptimalBatchSize(bad)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      message: expect.stringMatching(new RegExp(`^${name} is `)),
      details: { argument: name },
    });
  });

  it('say how much memory is missing where not one vector fits', async () => {
    const impossible = request({
      vectorDimension: 65_536,
      systemResources: { ...MACHINE, availableMemoryMb: 1 },
    });
    await expect(calculator.calculateOptimalBatchSize(impossible)).rejects.toMatchObject({
      code: 'VBO_ERR_MEMORY',
      message: 'One vector of 65536 dimensions takes 2.94 MB in flight; 50.0 kB may be used.',
    });
  });

  it('want an array of records to learn from', async () => {
    await expect(calculator.trainPerformanceModel('records' as never)).rejects.toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      details: { argument: 'records' },
    });
  });
});

describe('trainPerformanceModel', () => {
  const sweeps = loadSweeps();

  it.each([...sweeps.keys()])(
    'taught the sweep %s, recommends a cell of at least 90 percent of the best',
    async (name) => {
      const records = sweeps.get(name)!;
      const taught = new OptimalBatchSizeCalculator({ kernels });
      const untaught = await taught.calculateOptimalBatchSize(
        request({ databaseType: records[0]!.database_type, vectorDimension: records[0]!.vector_dimension }),
      );
      await taught.trainPerformanceModel(records);
      const answer = await taught.calculateOptimalBatchSize(
        request({ databaseType: records[0]!.database_type, vectorDimension: records[0]!.vector_dimension }),
      );
      const setting = { batchSize: answer.recommendedBatchSize, concurrency: answer.recommendedConcurrency };
      expect(shareOfBest(records, setting)).toBeGreaterThan(0.9);
      expect(answer.confidence).toBeGreaterThan(untaught.confidence);
      expect(answer.interval.high / answer.interval.low).toBeLessThan(
        untaught.interval.high / untaught.interval.low,
      );
      expect(answer.model.records).toBeGreaterThan(90);
    },
  );

  it('taught LanceDB at one dimension, recommends a cell of at least 80 % of the best at the other', async () => {
    for (const [from, to] of [
      ['lancedb-128', 'lancedb-768'],
      ['lancedb-768', 'lancedb-128'],
    ] as const) {
      const taught = new OptimalBatchSizeCalculator({ kernels });
      await taught.trainPerformanceModel(sweeps.get(from)!);
      const unseen = sweeps.get(to)!;
      const answer = await taught.calculateOptimalBatchSize(
        request({ databaseType: 'lancedb', vectorDimension: unseen[0]!.vector_dimension }),
      );
      const setting = { batchSize: answer.recommendedBatchSize, concurrency: answer.recommendedConcurrency };
      expect(shareOfBest(unseen, setting), to).toBeGreaterThan(0.8);
    }
  });
});
