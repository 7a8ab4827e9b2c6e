import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type KernelCall, Kernels } from '../../src/kernels/kernels.js';
import { allocateMatrix } from '../../src/kernels/matrix.js';
import { minMaxFloat32, minMaxScratchBytes } from '../../src/kernels/range.js';
import { runTask } from '../../src/kernels/task.js';
import { KernelPool } from '../../src/pool/pool.js';

const kernels = Kernels.load();
const pools: KernelPool[] = [];
function pool(threads: number): KernelPool {
  const made = new KernelPool(kernels, { threads });
  pools.push(made);
  return made;
}
afterEach(async () => {
  for (const made of pools.splice(0)) await made.close();
});

/** Large enough that it always goes to the workers. */
const ROWS = 40_000;
const DIMENSION = 128;
const matrix = allocateMatrix(kernels.arena, 'float32', ROWS, DIMENSION);
kernels.arena.float32(matrix.pointer, ROWS * DIMENSION).forEach((_, i, view) => {
  view[i] = Math.cos(i);
});
const scratch = kernels.arena.allocate(minMaxScratchBytes(16));

describe('the kernel pool', () => {
  it('gives the answers of the calling thread', async () => {
    const expected = await runTask(kernels, minMaxFloat32(kernels.arena, matrix, scratch));
    for (const threads of [0, 1, 2, 3]) {
      const answer = await runTask(pool(threads), minMaxFloat32(kernels.arena, matrix, scratch, 7));
      expect(answer).toEqual(expected);
    }
  });

  it('runs small work inline: no worker is started for it', async () => {
    const small = pool(2);
    await small.run(minMaxFloat32(kernels.arena, { ...matrix, rows: 10 }, scratch).calls);
    expect(small.workers()).toHaveLength(0);
    expect(await small.partsFor(1000)).toBe(1);
    expect(await small.partsFor(1e9)).toBe(2);
    expect(await small.breakEvenBytes()).toBeGreaterThan(0);
    expect(small.workers()).toHaveLength(2);
  });

  it('replaces workers that die and completes their tasks elsewhere', async () => {
    const expected = await runTask(kernels, minMaxFloat32(kernels.arena, matrix, scratch));
    const mortal = pool(2);
    await mortal.breakEvenBytes();
    for (let round = 0; round < 10; round++) {
      const running = runTask(mortal, minMaxFloat32(kernels.arena, matrix, scratch, 8));
      for (const worker of mortal.workers().slice(0, 1 + (round % 2))) void worker.terminate();
      expect(await running).toEqual(expected);
    }
  });

  it('fails a task with a code when every worker it is given dies, and never hangs', async () => {
    const doomed = pool(2);
    await doomed.breakEvenBytes();
    const calls = minMaxFloat32(kernels.arena, matrix, scratch, 16).calls;
    const running = doomed.run(Array.from({ length: 40 }, () => calls).flat());
    const settled = running.then(
      () => 'completed',
      (error: { code: string }) => error.code,
    );
    let over = false;
    void settled.then(() => {
      over = true;
    });
    while (!over) {
      for (const worker of doomed.workers()) void worker.terminate();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await settled).toBe('VBO_ERR_POOL');
  });

  it('reports a trap as a defect, and the worker lives on', async () => {
    const trapping = pool(1);
    const wild: KernelCall = {
      name: 'minMaxFloat32',
      args: [0xffff_ff00, 256, 1000, 64, 0xffff_ff00],
      workBytes: 1e9,
    };
    await expect(trapping.run([wild])).rejects.toMatchObject({ code: 'VBO_ERR_INTERNAL' });
    await expect(runTask(trapping, minMaxFloat32(kernels.arena, matrix, scratch))).resolves.toBeDefined();
  });

  it('refuses work after close', async () => {
    const closed = pool(1);
    await closed.close();
    await expect(closed.run([])).rejects.toMatchObject({ code: 'VBO_ERR_CLOSED' });
  });

  it('leaves nothing behind that keeps a process alive, closed or not', async () => {
    const script = (last: string) => `
      import { Kernels } from './dist/kernels/kernels.js';
      import { KernelPool } from './dist/pool/pool.js';
      const pool = new KernelPool(Kernels.load(), { threads: 2 });
      await pool.breakEvenBytes();
      ${last}
      console.log(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort' || name === 'Worker').length);`;
    const run = promisify(execFile);
    for (const last of ['await pool.close();', '']) {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script(last)], {
        timeout: 20_000,
      });
      if (last !== '') expect(stdout.trim()).toBe('0');
    }
  });
});
