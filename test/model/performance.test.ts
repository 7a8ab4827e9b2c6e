import { describe, expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { vectorsPerSecond } from '../../src/model/cost.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { requestBytes } from '../../src/model/profile.js';
import { profileOf } from '../../src/model/profiles.js';
import { forestTrainer } from '../../src/model/residual-forest.js';
import { loadSweeps } from './sweeps.js';

const sweeps = loadSweeps();
const lancedb = profileOf('lancedb');
const qdrant = profileOf('qdrant');

const failure = (over: Partial<BatchExecutionRecord>): BatchExecutionRecord => ({
  database_type: 'qdrant',
  vector_dimension: 768,
  batch_size: 200,
  concurrency: 1,
  success: false,
  ...over,
});

describe('PerformanceModel', () => {
  it('fits every sweep to a median error below 27 % and says what it used', () => {
    for (const [name, records] of sweeps) {
      const report = new PerformanceModel().train(records);
      expect(report.used + report.skipped.length, name).toBe(records.length);
      expect(report.databases).toHaveLength(1);
      expect(report.databases[0]!.medianAbsoluteRelativeError, name).toBeLessThan(0.27);
    }
  });

  it('is surer of what it was taught than of a prior, and surer near than far', () => {
    const model = new PerformanceModel();
    const before = model.predict(lancedb, 128);
    model.train(sweeps.get('lancedb-128')!);
    const after = model.predict(lancedb, 128);
    const far = model.predict(lancedb, 1536);
    expect(after.confidence).toBeGreaterThan(before.confidence);
    expect(after.logDeviation).toBeLessThan(before.logDeviation);
    expect(far.confidence).toBeLessThan(after.confidence);
    expect(far.logDeviation).toBeGreaterThan(after.logDeviation);
  });

  it('carries a fit to another dimension by the profile’s law', () => {
    const model = new PerformanceModel();
    model.train(sweeps.get('lancedb-128')!);
    const here = model.predict(lancedb, 128).cost;
    const there = model.predict(lancedb, 768).cost;
    expect(there.fixedMs).toBe(here.fixedMs);
    expect(there.superLinearMs / here.superLinearMs).toBeGreaterThan(4);
    expect(there.superLinearMs / here.superLinearMs).toBeLessThanOrEqual(6);
  });

  it('uses the fit at the nearest dimension', () => {
    const model = new PerformanceModel();
    model.train([...sweeps.get('lancedb-128')!, ...sweeps.get('lancedb-768')!]);
    expect(model.predict(lancedb, 200).basis).toContain('at 128 dimensions');
    expect(model.predict(lancedb, 1024).basis).toContain('at 768 dimensions');
  });

  it('refuses bad records one by one, with index and reason, and uses the others', () => {
    const good = sweeps.get('chroma-128')!.slice(0, 20);
    const report = new PerformanceModel().train([
      ...good,
      { ...good[0]!, batch_size: 0 },
      { ...good[0]!, database_type: 'dbase' },
    ]);
    expect(report.refused).toEqual([
      { index: 20, reason: 'records[20].batch_size is 0; expected an integer from 1 to 1048576.' },
      { index: 21, reason: expect.stringContaining('records[21].database_type is "dbase"; expected one of') },
    ]);
    expect(report.used).toBeGreaterThan(15);
  });

  it('throws when there is not one valid record among them', () => {
    expect(() => new PerformanceModel().train([{}, 5])).toThrow(
      expect.objectContaining({
        code: 'VBO_ERR_RECORD',
        message: expect.stringContaining('All 2 records were refused'),
      }),
    );
    expect(new PerformanceModel().train([]).used).toBe(0);
  });

  it('learns a byte limit from a request that was too large, for every dimension', () => {
    const model = new PerformanceModel();
    const { limits } = model.train([failure({ error: '413 Payload Too Large' })]);
    expect(limits).toEqual([{ database: 'qdrant', maxRequestBytes: requestBytes(qdrant, 768, 199) }]);
    expect(model.predict(qdrant, 1536).limits.maxRequestBytes).toBe(requestBytes(qdrant, 768, 199));
  });

  it('learns a row limit from a failed size that nothing larger contradicts', () => {
    const model = new PerformanceModel();
    model.train([failure({ error: 'batch size limit' })]);
    expect(model.predict(qdrant, 768).limits.maxRows).toBe(199);
    const contradicted = new PerformanceModel();
    contradicted.train([failure({}), failure({ batch_size: 400, success: true, throughput_vps: 1000 })]);
    expect(contradicted.predict(qdrant, 768).limits.maxRows).toBe(800);
  });

  it('learns no limit from overload', () => {
    const model = new PerformanceModel();
    expect(model.train([failure({ error: '429 Too Many Requests' })]).limits).toEqual([]);
  });

  it('answers the same after it was written down and read again', () => {
    const model = new PerformanceModel();
    model.train([...sweeps.values()].flat());
    model.train([failure({ error: '413 Payload Too Large' })]);
    const again = PerformanceModel.fromJSON(JSON.parse(JSON.stringify(model)));
    for (const [profile, dimension] of [
      [lancedb, 128],
      [lancedb, 300],
      [qdrant, 768],
    ] as const) {
      expect(again.predict(profile, dimension)).toEqual(model.predict(profile, dimension));
    }
    expect(again.toJSON()).toEqual(model.toJSON());
  });

  it('refuses a state that is damaged anywhere, and keeps what it knew', () => {
    const model = new PerformanceModel();
    model.train(sweeps.get('lancedb-128')!);
    const text = JSON.stringify(model);
    const before = model.predict(lancedb, 128);
    for (const damaged of [
      null,
      [],
      {},
      JSON.parse(text.replace('"version":1', '"version":999')),
      JSON.parse(text.replace(/"fixedMs":[^,]+/, '"fixedMs":null')),
      JSON.parse(text.replace('"dimension":128', '"dimension":-128')),
      JSON.parse(text.replace(/"limits":\{\}/, '"limits":{"maxRows":"many"}')),
    ]) {
      expect(() => model.load(damaged)).toThrow(expect.objectContaining({ code: 'VBO_ERR_MODEL' }));
    }
    expect(model.predict(lancedb, 128)).toEqual(before);
  });

  it('learns the law of very many settings, each of which was measured once', () => {
    const law = { fixedMs: 8, perVectorMs: 0.05, superLinearMs: 0, sigma: 0.2, kappa: 0.02 };
    const records = Array.from({ length: 5000 }, (_, i) => {
      const setting = { batchSize: 1 + i, concurrency: 1 + (i % 13) };
      return {
        ...{ database_type: 'qdrant', vector_dimension: 768, success: true },
        ...{ batch_size: setting.batchSize, concurrency: setting.concurrency, item_count: 1e6 },
        ...{ throughput_vps: vectorsPerSecond(law, setting), peak_rss_mb: 100 + (i % 97) },
      };
    });
    const model = new PerformanceModel();
    const [fit] = model.train(records, forestTrainer(Kernels.shared())).databases;
    expect(fit).toMatchObject({ records: 5000 });
    expect(fit!.settings).toBeLessThan(300);
    for (const setting of [
      { batchSize: 50, concurrency: 2 },
      { batchSize: 1000, concurrency: 4 },
    ]) {
      const expected = vectorsPerSecond(law, setting);
      expect(vectorsPerSecond(model.predict(qdrant, 768).cost, setting) / expected).toBeCloseTo(1, 1);
    }
    expect(model.sharesOfBest('qdrant', 768)!.every(Number.isFinite)).toBe(true);
  });

  it('sums up and learns 100,000 records in a small model', () => {
    const all = [...sweeps.values()].flat();
    const many = Array.from({ length: 100_000 }, (_, i) => ({
      ...all[i % all.length]!,
      throughput_vps: all[i % all.length]!.throughput_vps! * (1 + (i % 97) / 970),
    }));
    const model = new PerformanceModel();
    model.train(many);
    expect(JSON.stringify(model).length).toBeLessThan(1_000_000);
  });
});
