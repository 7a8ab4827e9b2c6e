import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { Grid, type GridLimits, type GridRequest, LIMIT_OF, searchGrid } from '../../src/kernels/grid.js';
import { gridTables } from '../../src/kernels/grid-tables.js';
import { latencyMs, vectorsPerSecond } from '../../src/model/cost.js';
import { type ReferenceCell, searchGridReference } from '../reference/grid.js';
import { arena, kernels, SEED } from './support.js';

const MODELS = 1000;

function axis(random: Random, maxLength: number): number[] {
  const length = 1 + random.integer(maxLength);
  const powers = random.next() < 0.3;
  const step = 1 + random.integer(40);
  return Array.from({ length }, (_, k) => (powers ? 2 ** Math.min(k, 20) : 1 + k * step)).filter(
    (value, k, all) => k === 0 || value > all[k - 1]!,
  );
}

function randomRequest(random: Random): GridRequest {
  const often = (probability: number, value: () => number) => (random.next() < probability ? value() : 0);
  const log = (low: number, high: number) => low * (high / low) ** random.next();
  const batchSizes = axis(random, 120);
  const concurrencies = axis(random, random.next() < 0.2 ? 200 : 40);
  const limits: Record<string, number> = {};
  const inFlight = batchSizes.at(-1)! * concurrencies.at(-1)!;
  const limit = (name: keyof GridLimits, value: () => number) => {
    if (random.next() < 0.3) limits[name] = value();
  };
  limit('maxMemoryBytes', () => log(1e4, 4e3 * inFlight + 1e7));
  limit('maxRequestBytes', () => log(1e3, 5e3 * batchSizes.at(-1)!));
  limit('maxRows', () => random.integer(batchSizes.at(-1)! + 1));
  limit('maxLatencyMs', () => log(1, 1e5));
  limit('maxConcurrency', () => random.integer(concurrencies.at(-1)! + 1));
  limit('itemCount', () => Math.floor(log(1, inFlight + 1)));
  return {
    model: {
      fixedMs: log(0.01, 100),
      perVectorMs: often(0.95, () => log(1e-4, 1)),
      superLinearMs: often(0.6, () => log(1e-6, 0.1)),
      sigma: often(0.8, () => random.next()),
      kappa: often(0.7, () => log(1e-6, 0.1)),
    },
    batchSizes: random.next() < 0.5 ? batchSizes : Float64Array.from(batchSizes),
    concurrencies,
    memory: { baseBytes: often(0.7, () => log(1, 1e7)), perVectorBytes: often(0.9, () => log(1, 1e4)) },
    wire: { perVectorBytes: log(1, 1e4), perRequestBytes: often(0.5, () => log(1, 1e4)) },
    limits,
    weights: {
      throughput: 0.01 + random.next(),
      latency: often(0.7, () => random.next()),
      memory: often(0.7, () => random.next()),
      requests: often(0.7, () => random.next()),
    },
    plateauTolerance: often(0.8, () => log(1e-3, 0.5)),
    top: 1 + random.integer(12),
    surface: true,
  };
}

const place = (cell: ReferenceCell | null) =>
  cell && { batchSize: cell.batchSize, concurrency: cell.concurrency, cost: cell.cost };

describe('the grid search', () => {
  it(`equals the cell by cell reference, bit for bit, on ${MODELS} random models and limits`, () => {
    const random = new Random(SEED);
    const bindings = new Map<string, number>();
    let infeasible = 0;
    for (let k = 0; k < MODELS; k++) {
      const request = randomRequest(random);
      const expected = searchGridReference(request, gridTables(request));
      const result = searchGrid(kernels, request);
      expect(
        {
          feasibleCells: result.feasibleCells,
          best: place(result.best),
          plateau: place(result.plateau),
          top: result.top.map(place),
          unlimited: { best: place(result.unlimited.best), plateau: place(result.unlimited.plateau) },
          binding: result.binding,
        },
        `model ${k}`,
      ).toEqual({
        feasibleCells: expected.feasibleCells,
        best: place(expected.best),
        plateau: place(expected.plateau),
        top: expected.top.map(place),
        unlimited: { best: place(expected.unlimited.best), plateau: place(expected.unlimited.plateau) },
        binding: expected.binding,
      });
      expect(result.status).toBe(expected.feasibleCells > 0 ? 'ok' : 'infeasible');
      const differs = result.surface!.findIndex((cost, cell) => !Object.is(cost, expected.surface[cell]));
      expect(differs, `model ${k}, surface`).toBe(-1);
      bindings.set(result.binding, (bindings.get(result.binding) ?? 0) + 1);
      if (result.status === 'infeasible') infeasible++;
    }
    // The sample reaches every outcome, else it proves little.
    expect([...bindings.keys()].sort()).toEqual(
      ['none', 'memory', 'request_bytes', 'rows', 'latency', 'concurrency', 'items'].sort(),
    );
    expect(infeasible).toBeGreaterThan(10);
  });

  it('weighs each term relative to the fastest cell', () => {
    const random = new Random(SEED + 1);
    for (let k = 0; k < 50; k++) {
      const request = randomRequest(random);
      const { best, references } = searchGrid(kernels, { ...request, limits: {} });
      const { batchSize, concurrency } = best!;
      const { weights, memory } = request;
      const relative = (weight: number, value: number, reference: number) =>
        reference > 0 ? (weight * value) / reference : 0;
      const expected =
        relative(
          weights.throughput,
          1000 / vectorsPerSecond(request.model, { batchSize, concurrency }),
          references.msPerVector,
        ) +
        relative(
          weights.latency,
          latencyMs(request.model, { batchSize, concurrency }),
          references.latencyMs,
        ) +
        relative(
          weights.memory,
          memory.baseBytes + memory.perVectorBytes * batchSize * concurrency,
          references.memoryBytes,
        ) +
        relative(weights.requests, 1 / batchSize, references.requestsPerVector);
      expect(best!.cost / expected).toBeCloseTo(1, 9);
      expect(best!.latencyMs).toBe(latencyMs(request.model, best!));
      expect(best!.vectorsPerSecond).toBeCloseTo(vectorsPerSecond(request.model, best!), 6);
    }
  });

  const base: GridRequest = {
    model: { fixedMs: 2, perVectorMs: 0.01, superLinearMs: 0.0005, sigma: 0.03, kappa: 0.001 },
    batchSizes: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    concurrencies: [1, 2, 4, 8, 16],
    memory: { baseBytes: 1e6, perVectorBytes: 3072 },
    wire: { perVectorBytes: 4000, perRequestBytes: 200 },
    limits: {},
    weights: { throughput: 1, latency: 0, memory: 0, requests: 0 },
    plateauTolerance: 0.05,
    top: 3,
  };

  it('covers the largest grid', () => {
    const request: GridRequest = {
      ...base,
      batchSizes: Float64Array.from({ length: 4096 }, (_, i) => i + 1),
      concurrencies: Float64Array.from({ length: 256 }, (_, j) => j + 1),
      limits: { maxMemoryBytes: 256e6, maxLatencyMs: 200 },
      weights: { throughput: 0.4, latency: 0.2, memory: 0.2, requests: 0.2 },
    };
    const expected = searchGridReference(request, gridTables(request));
    const result = searchGrid(kernels, request);
    expect(place(result.best)).toEqual(expected.best);
    expect(place(result.plateau)).toEqual(expected.plateau);
    expect(result.top.map(place)).toEqual(expected.top);
    expect(result.feasibleCells).toBe(expected.feasibleCells);
  });

  it.each([
    ['rises to the last cell', { sigma: 0, kappa: 0, superLinearMs: 0 }, { throughput: 1 }],
    ['falls to the first cell', { sigma: 1, kappa: 0.01 }, { latency: 1 }],
    ['is the same everywhere', { fixedMs: 0, superLinearMs: 0, sigma: 1, kappa: 0 }, { throughput: 1 }],
    ['has its best inside', { sigma: 0.01, kappa: 1e-4 }, { throughput: 1 }],
  ])('passes over no answer where the surface %s', (_, model, weights) => {
    const request: GridRequest = {
      ...base,
      model: { ...base.model, ...model },
      weights: { throughput: 0, latency: 0, memory: 0, requests: 0, ...weights },
      batchSizes: Array.from({ length: 300 }, (_, i) => 1 + i),
      concurrencies: Array.from({ length: 128 }, (_, j) => 1 + j),
      limits: { itemCount: 30_000 },
      plateauTolerance: 0,
      top: 20,
    };
    const expected = searchGridReference(request, gridTables(request));
    const result = searchGrid(kernels, request);
    expect(place(result.best)).toEqual(expected.best);
    expect(place(result.plateau)).toEqual(expected.plateau);
    expect(result.top.map(place)).toEqual(expected.top);
    expect(place(result.unlimited.best)).toEqual(expected.unlimited.best);
  });

  it('lifts one limit of the search just made, and no other', () => {
    const random = new Random(SEED);
    let lifted = 0;
    for (let k = 0; k < 200; k++) {
      const request = randomRequest(random);
      const grid = new Grid(kernels, request, request.top);
      const { violated } = grid.search(request);
      for (const { bound } of violated) {
        const limits = { ...request.limits, [LIMIT_OF[bound]]: undefined };
        expect(grid.plateauWithout(bound, request)).toEqual(
          searchGrid(kernels, { ...request, limits }).plateau,
        );
        lifted++;
      }
      grid.dispose();
    }
    expect(lifted).toBeGreaterThan(100);
  });

  it('allows a setting that needs exactly what a limit grants', () => {
    const free = searchGrid(kernels, base);
    const { batchSize, concurrency, memoryBytes, latencyMs } = free.best!;
    const limits = {
      maxMemoryBytes: memoryBytes,
      maxLatencyMs: latencyMs,
      maxRequestBytes: 200 + 4000 * batchSize,
      maxRows: batchSize,
      maxConcurrency: concurrency,
      itemCount: batchSize * concurrency,
    };
    expect(searchGrid(kernels, { ...base, limits }).best).toEqual(free.best);
  });

  it('prefers the smaller of two equal settings', () => {
    // Without contention and fixed cost every cell of a row, and every batch, is as fast per vector and permit.
    const flat = { fixedMs: 0, perVectorMs: 1, superLinearMs: 0, sigma: 1, kappa: 0 };
    const result = searchGrid(kernels, { ...base, model: flat });
    expect(result.best).toMatchObject({ batchSize: 1, concurrency: 1 });
    expect(result.plateau).toMatchObject({ batchSize: 1, concurrency: 1 });
    expect(result.top.map((cell) => cell.concurrency)).toEqual([1, 2, 4]);
  });

  it('prefers the smaller batch also when the search meets the equal larger one first', () => {
    // ms per vector: 5 at b = 1, 4 at b = 2 and at b = 4. The search starts at a promising row, here the 17th.
    const model = { fixedMs: 4, perVectorMs: 1, superLinearMs: 1, sigma: 0, kappa: 0 };
    const batchSizes = [1, 2, ...new Array<number>(18).fill(4)];
    const request = { ...base, model, batchSizes, concurrencies: [1], plateauTolerance: 0, top: 1 };
    const result = searchGrid(kernels, request);
    expect(result.best!.batchSize).toBe(2);
    expect(result.plateau!.batchSize).toBe(2);
    expect(result.top[0]!.batchSize).toBe(2);
  });

  it('says which limit binds, and by how much every passed limit was passed', () => {
    const { unlimited } = searchGrid(kernels, base);
    const { batchSize, concurrency } = unlimited.plateau;
    const limits = { maxRows: batchSize / 4, maxConcurrency: concurrency / 2 };
    const result = searchGrid(kernels, { ...base, limits });
    expect(result.binding).toBe('rows');
    expect(result.violated).toEqual([
      { bound: 'rows', factor: 4 },
      { bound: 'concurrency', factor: 2 },
    ]);
    expect(result.best!.batchSize).toBeLessThanOrEqual(batchSize / 4);
  });

  it('reports an infeasible request, and what stands in its way', () => {
    const result = searchGrid(kernels, { ...base, limits: { maxMemoryBytes: 1e5 }, surface: true });
    expect(result).toMatchObject({
      status: 'infeasible',
      feasibleCells: 0,
      best: null,
      plateau: null,
      top: [],
    });
    expect(result.binding).toBe('memory');
    expect(result.surface!.every((cost) => cost === Number.POSITIVE_INFINITY)).toBe(true);
  });

  it('gives its scratch memory back', () => {
    const before = arena.usedBytes;
    searchGrid(kernels, { ...base, surface: true });
    expect(arena.usedBytes).toBe(before);
  });

  it.each([
    ['an empty axis', { batchSizes: [] }, 'batchSizes.length is 0'],
    ['a descending axis', { concurrencies: [4, 2] }, 'concurrencies[1] is 2; expected a number from 4'],
    ['a batch of less than one', { batchSizes: [0.5] }, 'batchSizes[0] is 0.5'],
    ['a negative coefficient', { model: { ...base.model, kappa: -1 } }, 'kappa is -1'],
    [
      'weights that are all zero',
      { weights: { throughput: 0, latency: 0, memory: 0, requests: 0 } },
      'All weights',
    ],
    ['a limit that is not a number', { limits: { maxRows: Number.NaN } }, 'maxRows is NaN'],
    ['an empty top list', { top: 0 }, 'top is 0'],
  ])('refuses %s, naming it', (_, wrong, message) => {
    expect(() => searchGrid(kernels, { ...base, ...wrong })).toThrowError(
      expect.objectContaining({ code: 'VBO_ERR_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});
