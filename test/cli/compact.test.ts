import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { npyHeader, vbo } from './vbo.js';

const cwd = mkdtempSync(join(tmpdir(), 'vbo-compact-'));
const [ROWS, DIMENSION] = [300, 8];
const values = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => Math.sin(i + 1));
writeFileSync(join(cwd, 'rows.npy'), Buffer.concat([npyHeader(ROWS, DIMENSION), Buffer.from(values.buffer)]));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('vbo compact', () => {
  it('writes a compact file and says how large it is and what it recalls', async () => {
    const { code, stdout } = await vbo(
      ['compact', 'rows.npy', 'rows.vbo', '--encoding', 'float16', '--report', '--json'],
      { cwd },
    );
    const answer = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ rows: ROWS, dimension: DIMENSION, encoding: 'float16' });
    expect(answer.recall.recall).toBeGreaterThan(0.95);
    expect(existsSync(join(cwd, 'rows.vbo'))).toBe(true);
  });

  it.each([
    [['rows.npy', 'x.vbo'], 2, '--encoding is missing. Usage: vbo compact'],
    [['rows.npy', 'x.vbo', '--encoding', 'int9'], 2, '--encoding is "int9"; expected one of float16'],
    [['rows.npy', 'x.vbo', '--encoding', 'int8', '--memory', '1'], 2, '--memory is 1; expected'],
    [['none.npy', 'x.vbo', '--encoding', 'int8'], 1, 'VBO_ERR_FILE_NOT_FOUND: Cannot read "none.npy"'],
    [['rows.npy', 'none/x.vbo', '--encoding', 'int8'], 1, 'VBO_ERR_FILE_NOT_FOUND: Cannot write none/x.vbo'],
  ])('says in one line what is wrong, and leaves no file: %j', async (words, expected, message) => {
    const { code, stderr } = await vbo(['compact', ...words], { cwd });
    expect(code).toBe(expected);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(readdirSync(cwd).filter((name) => name.startsWith('x.vbo'))).toEqual([]);
  });
});
