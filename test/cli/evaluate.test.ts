import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vbo } from './vbo.js';

const SWEEPS = join(import.meta.dirname, '../data/sweeps');
const files = readdirSync(SWEEPS).map((file) => join(SWEEPS, file));

it('evaluate judges a policy beside the baselines, a case per pair and draw', async () => {
  const { code, stdout } = await vbo([
    'evaluate',
    '--train',
    ...files,
    '--test',
    ...files,
    '--draws',
    '2',
    '--policy',
    'legacy',
    '--json',
  ]);
  expect(code).toBe(0);
  const answer = JSON.parse(stdout);
  expect(answer.cases).toHaveLength(12);
  expect(answer.cases[0]).toMatchObject({
    name: 'chroma-128',
    draw: 0,
    recommended: { batchSize: 410, concurrency: 5 },
  });
  const by = Object.fromEntries(answer.table.map((row: { policy: string }) => [row.policy, row]));
  expect(by.usual.worstShareOfBest).toBeCloseTo(0.11, 2);
  expect(by.constant.accuracy10).toBeCloseTo(0.5, 6);
  expect(by.legacy.accuracy10).toBe(answer.accuracy10);
  expect(by.learned.medianShareOfBest).toBeGreaterThan(0.89);
});

it('evaluate refuses an unknown policy and missing files by name', async () => {
  const unknown = await vbo(['evaluate', '--test', files[0]!, '--policy', 'oracle']);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('learned, legacy');
  const missing = await vbo(['evaluate', '--test', 'nowhere.jsonl']);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain('VBO_ERR_FILE_NOT_FOUND');
});
