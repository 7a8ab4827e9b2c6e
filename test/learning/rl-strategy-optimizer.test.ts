import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RLStrategyOptimizer } from '../../src/learning/rl-strategy-optimizer.js';

const FOLDER = mkdtempSync(join(tmpdir(), 'vbo-agent-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

describe('the RL strategy optimizer', () => {
  it('trains in the worker, the same from the same seed, and says how far it is', async () => {
    await using a = new RLStrategyOptimizer();
    await using b = new RLStrategyOptimizer();
    const before = a.agent.save();
    const shares: number[] = [];
    const options = { seed: 3, steps: 800, fromScratch: true };
    await a.train({ ...options, onProgress: ({ share }) => shares.push(share) });
    await b.train(options);
    expect(a.agent.save()).toEqual(b.agent.save());
    expect(a.agent.save()).not.toEqual(before);
    expect(shares.at(-1)).toBe(1);
  });

  it('writes an agent and reads it back; a damaged file is an error that says so', async () => {
    const path = join(FOLDER, 'agent.bin');
    await using kept = new RLStrategyOptimizer();
    await kept.save(path);
    await using read = await RLStrategyOptimizer.load(path);
    expect(read.agent.save()).toEqual(kept.agent.save());
    expect(read.controller({ maxBatchSize: 500 }).setting.batchSize).toBe(128);

    const bytes = readFileSync(path);
    bytes[100]! ^= 255;
    writeFileSync(path, bytes);
    await expect(RLStrategyOptimizer.load(path)).rejects.toMatchObject({ code: 'VBO_ERR_AGENT' });
    await expect(RLStrategyOptimizer.load(join(FOLDER, 'none'))).rejects.toMatchObject({
      code: 'VBO_ERR_FILE_NOT_FOUND',
    });
  });

  it('refuses records that are none', async () => {
    await using optimizer = new RLStrategyOptimizer();
    const records = [{ batch_size: 0 }] as never;
    await expect(optimizer.train({ steps: 10, records })).rejects.toMatchObject({
      code: expect.stringMatching(/^VBO_ERR_/),
    });
  });
});
