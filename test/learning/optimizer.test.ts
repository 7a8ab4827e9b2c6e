import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import Driver from 'libsql/promise';
import { describe, expect, it } from 'vitest';
import { History } from '../../src/history/history.js';
import type { BatchExecutionRecord, OptimizerOptions } from '../../src/index.js';
import { openSink, openSource, VectorBatchOptimizer } from '../../src/index.js';
import { recordAt, recordsAt, scratchFolder, warningLogger } from '../history/support.js';

const folder = scratchFolder();
const open = (options: OptimizerOptions) => VectorBatchOptimizer.create({ threads: 0, ...options });

function* vectors(rows: number) {
  for (let row = 0; row < rows; row++) yield Float32Array.from({ length: 8 }, (_, k) => row + k);
}

async function load(optimizer: VectorBatchOptimizer, options: object = {}) {
  const sink = await openSink(`sqlite://${folder.file('data.sqlite')}?table=t`);
  return optimizer.ingest(await openSource(vectors(6000)), sink, {
    fixed: { batchSize: 500, concurrency: 1 },
    ...options,
  });
}

const recommend = (optimizer: VectorBatchOptimizer, databaseType: string, vectorDimension: number) =>
  optimizer.batchSize.calculateOptimalBatchSize({
    ...{ itemCount: 1e6, databaseType, vectorDimension },
    systemResources: { availableMemoryMb: 8192, cpuCores: 4, ioBandwidthMbps: 1000 },
  });

describe('an optimizer without a history', () => {
  it('writes no file', async () => {
    await using optimizer = await open({});
    await load(optimizer);
    expect(optimizer.history).toBeUndefined();
    expect(readdirSync(folder.path).filter((name) => !name.startsWith('data.'))).toEqual([]);
  });

  it('learns for as long as it lives', async () => {
    await using optimizer = await open({});
    const report = await optimizer.batchSize.trainPerformanceModel(recordsAt(1000));
    expect(report).toMatchObject({ used: 1000, skipped: [], refused: [] });
    expect((await recommend(optimizer, 'qdrant', 128)).model.records).toBe(1000);
  });
});

describe('an optimizer with a history', () => {
  it('records a load, learns from it, and knows it in its next life', async () => {
    const path = folder.file('history.db');
    const heard: BatchExecutionRecord[] = [];
    {
      await using optimizer = await open({ history: path });
      expect((await recommend(optimizer, 'sqlite', 8)).model.records).toBe(0);
      const before = Date.now();
      await load(optimizer, { onRecord: (record: BatchExecutionRecord) => heard.push(record) });
      const records = await optimizer.history!.records();
      expect(records).toHaveLength(heard.length);
      expect(records[0]).toMatchObject({ database_type: 'sqlite', vector_dimension: 8, batch_size: 500 });
      expect(records[0]!.ts).toBeGreaterThanOrEqual(before);
    }
    expect(heard.length).toBeGreaterThan(0);
    expect(existsSync(`${path}.model.json`)).toBe(true);
    await using optimizer = await open({ history: path });
    const { model } = await recommend(optimizer, 'sqlite', 8);
    expect(model.records).toBe(heard.length);
    expect(model.basis).toContain(`fit to ${heard.length} records of sqlite at 8 dimensions`);
  });

  it('records the trials of a tuning', async () => {
    await using optimizer = await open({ history: ':memory:' });
    const heard: BatchExecutionRecord[] = [];
    await optimizer.tune(`sqlite://${folder.file('data.sqlite')}?table=t`, {
      ...{ dimension: 8, budgetMs: 500, onRecord: (record) => heard.push(record) },
    });
    const records = await optimizer.history!.records();
    expect(records.length).toBe(heard.length);
    expect(records.every(({ origin, ts }) => origin === 'tune' && ts! > 0)).toBe(true);
    // Those of the final rounds too, whose cells were tuned before.
    expect(records.every(({ success, error }) => success && error === null)).toBe(true);
  });

  it('keeps what it is trained with, and what it held of those databases takes part', async () => {
    const path = folder.file('history.db');
    {
      await using optimizer = await open({ history: path });
      await optimizer.batchSize.trainPerformanceModel(recordsAt(10));
      const more = [...recordsAt(700).slice(10), recordAt(900, { success: false }), { odd: true }];
      const report = await optimizer.batchSize.trainPerformanceModel(more);
      expect(report).toMatchObject({
        ...{ skipped: [{ index: 690 }], refused: [{ index: 691 }] },
        databases: [{ database: 'qdrant', dimension: 128, records: 700 }],
      });
      expect(await optimizer.history!.count()).toBe(701);
    }
    await using optimizer = await open({ history: path });
    expect((await recommend(optimizer, 'qdrant', 128)).model.records).toBe(700);
  });

  it('learns what another process has added since', async () => {
    const path = folder.file('history.db');
    await (await open({ history: path })).close();
    {
      await using history = await History.open(path);
      await history.append(recordsAt(300));
    }
    await using optimizer = await open({ history: path });
    expect((await recommend(optimizer, 'qdrant', 128)).model.records).toBe(300);
  });

  it('passes over records of databases that it has no profile of', async () => {
    await using history = await History.open(':memory:');
    await history.append([...recordsAt(20), recordAt(30, { database_type: 'home-made' })]);
    const logger = warningLogger();
    await using optimizer = await open({ history, logger });
    expect((await recommend(optimizer, 'qdrant', 128)).model.records).toBe(20);
    expect(logger.warnings).toEqual([]);
  });

  it('leaves a history that it was lent open', async () => {
    await using history = await History.open(':memory:');
    await using optimizer = await open({ history });
    expect(optimizer.history).toBe(history);
    await load(optimizer);
    await optimizer.close();
    expect(await history.count()).toBeGreaterThan(0);
  });

  it('loads all the same when the history is locked, and says that it is not recorded', async () => {
    const path = folder.file('history.db');
    const logger = warningLogger();
    await using history = await History.open(path, { busyTimeoutMs: 50 });
    await using optimizer = await open({ history, logger });
    const other = new Driver(path, {});
    await other.exec('BEGIN IMMEDIATE');
    const report = await load(optimizer);
    expect(report).toMatchObject({ acknowledged: 6000, reconciled: true });
    expect(report.warnings).toEqual([
      expect.stringMatching(/^It is not recorded: .* another process has locked it/),
    ]);
    expect(logger.warnings.length).toBeGreaterThan(0);
    await other.exec('ROLLBACK');
    other.close();
    // What could not be written then is written with what comes next.
    await load(optimizer, { idOffset: 6000 });
    expect(await history.count()).toBeGreaterThan(1);
  });

  it('begins with priors where history and model are damaged, and sets both aside', async () => {
    const path = folder.file('history.db');
    writeFileSync(path, 'no database'.repeat(1000));
    writeFileSync(`${path}.model.json`, '{');
    const logger = warningLogger();
    await using optimizer = await open({ history: path, logger });
    const { model } = await recommend(optimizer, 'qdrant', 128);
    expect(model).toMatchObject({ records: 0, basis: expect.stringContaining('prior') });
    expect(logger.warnings).toEqual([
      expect.stringContaining(`The history ${path} is damaged`),
      expect.stringContaining(`The model ${path}.model.json is damaged`),
    ]);
    expect(readdirSync(folder.path).filter((name) => name.includes('.damaged-'))).toHaveLength(2);
    await load(optimizer);
    expect(await optimizer.history!.count()).toBeGreaterThan(0);
  });

  it.each([['' as never], [5 as never], [true as never]])('refuses %j as one', async (history) => {
    await expect(open({ history })).rejects.toMatchObject({ code: 'VBO_ERR_ARGUMENT' });
  });
});
