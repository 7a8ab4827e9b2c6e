import { fdatasyncSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { load, TestSink, TestSource } from './support.js';

/** Appends a ledger may make before its disk is full. */
const disk = vi.hoisted(() => ({ appends: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const open = async (path: string, flags: string): Promise<FileHandle> => {
    const file = await real.open(path, flags);
    if (!path.endsWith('.ledger.partial')) return file;
    // At once, for the load's time is virtual: it would be over before a slow disk has answered.
    const append = (text: string) => void writeSync(file.fd, text);
    file.datasync = async () => fdatasyncSync(file.fd);
    file.appendFile = async (text) => {
      if (disk.appends-- > 0) return append(String(text));
      // What a full disk does: a part is written, the rest is not.
      append(String(text).slice(0, 10));
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    return file;
  };
  return { ...real, open };
});

const folder = mkdtempSync(join(tmpdir(), 'full-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([0, 1, 2, 3])(
  'a disk that is full at commit %i stops the load; what was acknowledged is in the ledger, and the rest is resumed',
  async (appends) => {
    const ledger = join(folder, `${appends}.ledger`);
    const clock = new VirtualClock();
    const sink = new TestSink(clock);
    const stored = sink.stored;
    const store = (ids: readonly (string | number)[], replace: boolean) => {
      for (const id of ids) stored.set(id, replace ? 1 : (stored.get(id) ?? 0) + 1);
    };
    sink.write = async (batch) => {
      await clock.sleep(60);
      store(batch.ids, batch.mayBeStored === true);
      return { kind: 'ok', bytesSent: 1 };
    };
    Object.assign(sink, { upserts: 'onRequest' });
    const options = { ledger, fixed: { batchSize: 100, concurrency: 2 } };
    disk.appends = appends;
    const failed = await load(clock, new TestSource({ rows: 5000 }), sink, options);
    expect(failed.error).toMatchObject({
      code: 'VBO_ERR_LEDGER_WRITE',
      message: expect.stringContaining('ENOSPC'),
    });
    expect(failed.report.acknowledged).toBeLessThanOrEqual(stored.size);
    expect(stored.size).toBeLessThan(5000);
    if (appends === 0) expect(stored.size).toBe(0);
    disk.appends = Number.POSITIVE_INFINITY;
    const resumed = await load(clock, new TestSource({ rows: 5000 }), sink, { ...options, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(resumed.report).toMatchObject({ resumedFrom: failed.report.acknowledged, reconciled: true });
    expect(stored.size).toBe(5000);
    expect([...stored.values()].every((times) => times === 1)).toBe(true);
  },
);
