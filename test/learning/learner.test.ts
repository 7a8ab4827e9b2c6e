import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Learner } from '../../src/learning/learner.js';
import { fitRecords, type LearningProgress, slicesOf } from '../../src/learning/tasks.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { warningLogger } from '../history/support.js';
import { loadSweeps } from '../model/sweeps.js';

const records = [...loadSweeps().values()].flat();
const base = new PerformanceModel().toJSON();
const pages = () => slicesOf(records, 100);

let logger: ReturnType<typeof warningLogger>;
let learner: Learner;
beforeEach(() => {
  logger = warningLogger();
  learner = new Learner({ logger });
});
afterEach(() => learner.close());

describe('the learner', () => {
  it('learns in its worker what it would learn here, and tells how far it is', async () => {
    const progress: LearningProgress[] = [];
    const there = await learner.run('fitRecords', base, { pages, onProgress: (p) => progress.push(p) });
    const here = await fitRecords(base, { pages: pages(), onProgress: () => {} });
    expect(there).toEqual(here);
    expect(progress.at(-1)).toEqual({ stage: 'fitting', records: records.length });
    expect(progress[0]).toEqual({ stage: 'reading', records: 100 });
  });

  it('keeps its worker for the next task', async () => {
    await learner.run('fitRecords', base, { pages });
    const { worker } = learner;
    await learner.run('fitRecords', base, { pages });
    expect(worker).toBeDefined();
    expect(learner.worker).toBe(worker);
  });

  it('ends a worker that has nothing to do for a while, not one that works, and takes the next task', async () => {
    learner = new Learner({ logger, idleMs: 100 });
    const slow = () => ({ next: () => new Promise<undefined>((resolve) => setTimeout(resolve, 300)) });
    const first = learner.run('fitRecords', base, { pages });
    const second = learner.run('fitRecords', base, { pages: slow });
    await first;
    const worker = learner.worker!;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    expect((await second).report.used).toBe(0);
    expect(learner.worker).toBe(worker);
    await ended;
    expect(learner.worker).toBeUndefined();
    await learner.run('fitRecords', base, { pages });
    // Begins when the worker is about to be sent away, and when it just was.
    for (const pauseMs of [90, 100, 101, 110]) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await learner.run('fitRecords', base, { pages });
    }
    expect((await learner.run('fitRecords', base, { pages })).report.used).toBeGreaterThan(100);
    expect(learner.worker).not.toBe(worker);
    expect(logger.warnings).toEqual([]);
  });

  it('hands on what a task fails with, code and all, and goes on', async () => {
    const bad = learner.run('fitRecords', base, { pages: () => slicesOf([{ nonsense: true }], 1) });
    await expect(bad).rejects.toMatchObject({
      code: 'VBO_ERR_RECORD',
      message: /^All 1 records were refused/,
    });
    const damaged = learner.run('fitRecords', { ...base, version: 7 as never });
    await expect(damaged).rejects.toMatchObject({ code: 'VBO_ERR_MODEL' });
    expect((await learner.run('fitRecords', base, { pages })).report.used).toBeGreaterThan(100);
  });

  it('ends a task that is aborted at once, and takes the next one', async () => {
    const stop = new AbortController();
    const endless = learner.run('fitRecords', base, {
      pages: () => ({ next: async () => records }),
      onProgress: () => stop.abort(),
      signal: stop.signal,
    });
    await expect(endless).rejects.toMatchObject({ code: 'VBO_ERR_ABORTED' });
    await expect(learner.run('fitRecords', base, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'VBO_ERR_ABORTED',
    });
    expect((await learner.run('fitRecords', base, { pages })).report.used).toBeGreaterThan(100);
  });

  it('begins a task again, from its start, when its worker dies', async () => {
    let runs = 0;
    const mortal = () => {
      const all = pages();
      runs++;
      return {
        next: async () => {
          if (runs === 1) await learner.worker!.terminate();
          return all.next();
        },
      };
    };
    const here = await fitRecords(base, { pages: pages(), onProgress: () => {} });
    expect(await learner.run('fitRecords', base, { pages: mortal })).toEqual(here);
    expect(runs).toBe(2);
    expect(logger.warnings).toEqual([expect.stringContaining('worker died and is replaced')]);
  });

  it('gives a task up that costs its workers their lives', async () => {
    const deadly = () => ({
      next: async () => {
        await learner.worker!.terminate();
        return undefined;
      },
    });
    await expect(learner.run('fitRecords', base, { pages: deadly })).rejects.toMatchObject({
      ...{ code: 'VBO_ERR_LEARNER', message: expect.stringContaining('2 times in a row') },
    });
    expect((await learner.run('fitRecords', base, { pages })).report.used).toBeGreaterThan(100);
  });

  it('rejects what is under way and what waits when it is closed', async () => {
    const pending = [1, 2].map(() =>
      learner.run('fitRecords', base, { pages: () => ({ next: () => new Promise(() => {}) }) }),
    );
    const settled = Promise.allSettled(pending);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await learner.close();
    for (const one of await settled) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'VBO_ERR_CLOSED' } });
    }
    await expect(learner.run('fitRecords', base)).rejects.toMatchObject({ code: 'VBO_ERR_CLOSED' });
  });

  it('is not closed before a worker has ended that it sent away', async () => {
    learner = new Learner({ logger, idleMs: 1 });
    await learner.run('fitRecords', base, { pages });
    let isAlive = true;
    learner.worker!.once('exit', () => {
      isAlive = false;
    });
    while (learner.worker) await new Promise((resolve) => setTimeout(resolve, 1));
    await learner.close();
    expect(isAlive).toBe(false);
  });

  it('keeps no process alive that forgot to close it', () => {
    const built = (path: string) =>
      JSON.stringify(fileURLToPath(new URL(`../../dist/${path}`, import.meta.url)));
    const code = `
      import { Learner } from ${built('learning/learner.js')};
      import { PerformanceModel } from ${built('model/performance.js')};
      const { report } = await new Learner().run('fitRecords', new PerformanceModel().toJSON());
      console.log(report.used);`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      ...{ encoding: 'utf8', timeout: 20_000 },
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0\n' });
  });
});
