import { describe, expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { checkRecord, sizeLesson, toSample } from '../../src/model/records.js';

const record = (over: Partial<Record<string, unknown>> = {}): BatchExecutionRecord =>
  ({
    database_type: 'lancedb',
    vector_dimension: 128,
    batch_size: 100,
    concurrency: 2,
    item_count: 1000,
    throughput_vps: 10_000,
    success: true,
    ...over,
  }) as BatchExecutionRecord;

describe('checkRecord', () => {
  it('accepts missing optional fields, nulls and unknown further ones', () => {
    const sparse = {
      database_type: 'x',
      vector_dimension: 1,
      batch_size: 1,
      concurrency: 1,
      success: false,
      note: 'kept',
    };
    expect(checkRecord(sparse, 'record')).toBe(sparse);
    expect(() => checkRecord(record({ throughput_vps: null, batch_p50_ms: null }), 'record')).not.toThrow();
  });

  it.each([
    ['vector_dimension', 0],
    ['vector_dimension', 1.5],
    ['batch_size', Number.NaN],
    ['batch_size', '100'],
    ['concurrency', -1],
    ['concurrency', undefined],
    ['item_count', Number.POSITIVE_INFINITY],
    ['throughput_vps', -5],
    ['execution_time_ms', Number.NaN],
    ['peak_rss_mb', Number.POSITIVE_INFINITY],
    ['collection_rows', -1],
    ['batch_p95_ms', '7'],
    ['error', { code: 413 }],
    ['deployment', 5],
    ['success', 'true'],
    ['database_type', 5],
  ])('refuses %s = %j and names it', (field, value) => {
    expect(() => checkRecord(record({ [field]: value }), 'records[3]')).toThrow(
      expect.objectContaining({
        code: 'VBO_ERR_ARGUMENT',
        message: expect.stringContaining(`records[3].${field} is `),
      }),
    );
  });

  it.each([[null], [[]], ['text'], [undefined]])('refuses %j, which is no object', (value) => {
    expect(() => checkRecord(value, 'records[0]')).toThrow(
      /records\[0\] is .*; expected an execution record/,
    );
  });
});

describe('toSample', () => {
  it.each([[1e-300], [9e15]])('believes no rate of %s vectors per second', (throughput_vps) => {
    const unmeasured = expect.stringMatching(/^it says that a request took .* ms; between/);
    expect(toSample(record({ throughput_vps }))).toEqual({ unmeasured });
  });

  it('takes the effective latency from the rate, then from the time, then from the median batch', () => {
    expect(toSample(record())).toEqual({ batchSize: 100, concurrency: 2, latencyMs: 20 });
    expect(toSample(record({ throughput_vps: null, execution_time_ms: 150 }))).toMatchObject({
      latencyMs: 30,
    });
    expect(toSample(record({ throughput_vps: undefined, batch_p50_ms: 7 }))).toMatchObject({ latencyMs: 7 });
  });

  it('calls a cell with more in flight than items unmeasured, not slow', () => {
    expect(toSample(record({ item_count: 199 }))).toEqual({
      unmeasured: 'batch_size x concurrency is 200, more than its 199 items: never all in flight',
    });
    expect(toSample(record({ item_count: 200 }))).toMatchObject({ latencyMs: 20 });
  });

  it('learns nothing about speed from a failure or from an empty record', () => {
    expect(toSample(record({ success: false }))).toEqual({ unmeasured: 'it failed' });
    expect(toSample(record({ throughput_vps: null }))).toEqual({
      unmeasured: 'it holds neither rate nor time',
    });
  });
});

describe('sizeLesson', () => {
  it.each([
    ['HTTP 413 Payload Too Large', 'bytes'],
    ['RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)', 'bytes'],
    ['Cannot submit more than 5,461 embeddings: max_batch_size', 'rows'],
    ['bind message has 3 parameter formats but 70000 parameters', 'rows'],
    ['429 Too Many Requests', 'overload'],
    ['request timed out after 60000 ms', 'overload'],
    ['disk on fire', 'unknown'],
  ])('reads %j as a lesson about %s', (message, lesson) => {
    expect(sizeLesson(message)).toBe(lesson);
  });
});
