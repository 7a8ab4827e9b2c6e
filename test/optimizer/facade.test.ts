import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as library from '../../src/index.js';

const { openSink, openSource, VectorBatchError, VectorBatchOptimizer } = library;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vbo-facade-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the library', () => {
  it('exports the names of the contract', () => {
    for (const name of [
      'VectorBatchOptimizer',
      'OptimalBatchSizeCalculator',
      'DynamicBatchStrategyOptimizer',
      'VectorDimensionAdapter',
      'ConcurrentExecutionOptimizer',
      'CompactBlock',
      'VectorBatchError',
      'openSource',
      'openSink',
    ]) {
      expect(library).toHaveProperty(name);
    }
  });

  it('gives the scratch collections of every tuning names that no other has, in whatever process', async () => {
    await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
    const names: string[] = [];
    const scratch = (name: string) => {
      names.push(name);
      return openSink('null://');
    };
    for (let i = 0; i < 2; i++) await optimizer.tune(scratch, { dimension: 4, budgetMs: 100 });
    expect(names.length).toBeGreaterThan(2);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^vbo_tune_[0-9a-f]{12}_\d+$/);
  });

  it('goes the whole way: recommend, pack, compact, and load into a real database', async () => {
    await using optimizer = await VectorBatchOptimizer.create({ threads: 1 });
    const answer = await optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: 5000,
      vectorDimension: 32,
      databaseType: 'lancedb',
      systemResources: { availableMemoryMb: 4096, cpuCores: 2, ioBandwidthMbps: 500 },
    });
    expect(answer.recommendedBatchSize).toBeGreaterThan(0);

    const vectors = Array.from({ length: 5000 }, (_, row) =>
      Float32Array.from({ length: 32 }, (_, d) => Math.sin(row + d)),
    );
    using block = await optimizer.pack(vectors);
    using compact = await optimizer.compact(block, { encoding: 'int8' });
    // 32 dimensions: a byte each, and 8 bytes a vector for its interval.
    expect(compact.byteLength).toBeLessThan(block.byteLength / 3.1);
    using again = library.CompactBlock.from(compact.toBytes());
    expect(again.decode()).toEqual(compact.decode());

    const sink = await openSink(`lancedb://${folder}/db?table=items`);
    const report = await optimizer.ingest(await openSource(vectors), sink);
    expect(report).toMatchObject({ items: 5000, acknowledged: 5000, rejected: 0, reconciled: true });
  });

  it('says what is no source and no sink', async () => {
    await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
    const load = (source: unknown, sink: unknown) => optimizer.ingest(source as never, sink as never);
    const sink = await openSink('null://');
    const source = await openSource([[1, 2]]);
    await expect(load([[1, 2]], sink)).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_ARGUMENT', message: expect.stringContaining('source is an array of 1; expected') },
    });
    // A URL may hold a password.
    await expect(load(source, 'postgres://me:secret@db/x')).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_ARGUMENT', message: 'sink is text; expected a sink, as openSink gives one.' },
    });
    await expect(load(source, undefined)).rejects.toMatchObject({ code: 'VBO_ERR_ARGUMENT' });
    expect(await load(source, sink)).toMatchObject({ acknowledged: 1 });
  });

  it('lets timers have their turn while vectors that are there go where nothing waits', async () => {
    await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
    const vector = new Float32Array(64).fill(1);
    function* vectors(count: number) {
      for (let i = 0; i < count; i++) yield vector;
    }
    const load = async (count: number) =>
      optimizer.ingest(await openSource(vectors(count)), await openSink('null://'));
    // Importing what a load needs gives turns too.
    await load(10);
    let turns = 0;
    const timer = setInterval(() => turns++, 10);
    const startMs = performance.now();
    await load(500_000);
    clearInterval(timer);
    expect(turns).toBeGreaterThan((performance.now() - startMs) / 100);
  });

  it('refuses work after close, with a code', async () => {
    const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
    await optimizer.close();
    const error = await optimizer.pack([[1]]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VectorBatchError);
    expect(error).toMatchObject({ code: 'VBO_ERR_CLOSED' });
  });

  it('refuses options out of their bounds', async () => {
    await expect(VectorBatchOptimizer.create({ threads: -1 })).rejects.toThrow('threads is -1');
    await expect(VectorBatchOptimizer.create({ memoryBudgetBytes: 1 })).rejects.toThrow(
      'memoryBudgetBytes is 1',
    );
  });
});
