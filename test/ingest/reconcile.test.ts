import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import type { Sink } from '../../src/ingest/ports.js';
import { type Counts, reconcile } from '../../src/ingest/reconcile.js';
import { TestSink } from './support.js';

const sink = (upserts: Sink['upserts']) =>
  Object.assign(new TestSink(new VirtualClock()), { upserts }) as Sink;
const verdict = (upserts: Sink['upserts'], counts: Partial<Counts>) =>
  reconcile(sink(upserts), { before: 0, after: 0, acknowledged: 0, mayReplace: 0, ...counts });
const refuses = (upserts: Sink['upserts'], counts: Partial<Counts>) =>
  expect(() => verdict(upserts, counts)).toThrowError(expect.objectContaining({ code: 'VBO_ERR_RECONCILE' }));

describe('the sink’s count held against what it acknowledged', () => {
  it('agrees when it grew by exactly that', () => {
    for (const upserts of [true, false, 'onRequest', undefined] as const) {
      expect(verdict(upserts, { before: 7, after: 107, acknowledged: 100 })).toEqual({ reconciled: true });
    }
  });

  it('cannot be told where the sink does not count', () => {
    expect(verdict(false, { after: undefined, acknowledged: 5 })).toEqual({ reconciled: null });
  });

  it('differs when it grew by more, whatever the sink does', () => {
    for (const upserts of [true, false, 'onRequest'] as const)
      refuses(upserts, { before: 5, after: 16, acknowledged: 10 });
  });

  it('may have grown by less where records were replaced, by no more than there were', () => {
    expect(verdict(true, { before: 50, after: 120, acknowledged: 100 })).toMatchObject({
      reconciled: null,
      warning: expect.stringMatching(/30 of the acknowledged ones replaced/),
    });
    refuses(true, { before: 0, after: 99, acknowledged: 100 });
    refuses(true, { before: 5, after: 90, acknowledged: 100 });
    refuses('onRequest', { before: 50, after: 120, acknowledged: 100 });
    refuses(false, { before: 50, after: 120, acknowledged: 100 });
  });

  it('may have grown by less where not every id was looked at for an earlier one like it', () => {
    const counts = { before: 0, after: 95, acknowledged: 100, isUnchecked: true };
    for (const upserts of [true, 'onRequest'] as const) {
      expect(verdict(upserts, counts)).toMatchObject({
        reconciled: null,
        warning: expect.stringMatching(/grew by 5 records less/),
      });
    }
    refuses(false, counts);
    refuses(true, { ...counts, after: 101 });
    refuses(true, { ...counts, before: 100 });
  });

  it('may have grown by less by what was in doubt when a load was resumed', () => {
    const counts = { before: 500, after: 590, acknowledged: 100 };
    expect(verdict('onRequest', { ...counts, mayReplace: 10 }).reconciled).toBeNull();
    refuses('onRequest', { ...counts, mayReplace: 9 });
  });
});
