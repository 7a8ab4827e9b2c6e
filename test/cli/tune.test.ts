import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRecord } from '../../src/model/records.js';
import { withCollection } from '../../src/sinks/index.js';
import { npyHeader, until, vbo } from './vbo.js';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'vbo-tune-'));
  const values = Float32Array.from({ length: 100 * 8 }, (_, i) => Math.sin(i + 1));
  writeFileSync(join(cwd, 'sample.npy'), Buffer.concat([npyHeader(100, 8), Buffer.from(values.buffer)]));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const tables = () => (existsSync(join(cwd, 'db')) ? readdirSync(join(cwd, 'db')) : []);

describe('vbo tune', () => {
  it('measures a real database, writes what it found, and leaves nothing in it', async () => {
    const words = ['--budget', '3s', '--env', 'out.env', '--records', 'out.ndjson', '--plot', 'out.svg'];
    const to = ['--to', 'lancedb://./db?table=items', '--dim', '32'];
    const { code, stdout, stderr } = await vbo(['tune', ...to, ...words, '--json'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      database: 'lancedb',
      dimension: 32,
      best: { batchSize: expect.any(Number), concurrency: expect.any(Number) },
      baseline: { batchSize: 128, concurrency: 1 },
    });
    expect(report.shareOfGrid).toBeLessThanOrEqual(0.1);
    expect(report.gain).toBeGreaterThan(1);
    const { batchSize, concurrency } = report.best;
    expect(readFileSync(join(cwd, 'out.env'), 'utf8')).toBe(
      `VBO_BATCH_SIZE=${batchSize}\nVBO_CONCURRENCY=${concurrency}\n`,
    );
    const records = readFileSync(join(cwd, 'out.ndjson'), 'utf8').trim().split('\n');
    for (const line of records) expect(checkRecord(JSON.parse(line), 'record').ts).toBeGreaterThan(1e12);
    const svg = readFileSync(join(cwd, 'out.svg'), 'utf8');
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
    expect(svg.match(/<g>/g)).toHaveLength(48);
    expect(tables()).toEqual([]);
  });

  it('draws the surface for a person, with the vectors of a file', async () => {
    const { code, stdout } = await vbo(
      ['tune', '--to', 'null://', '--source', 'sample.npy', '--budget', '1s'],
      { cwd },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('in flight');
    expect(stdout).toMatch(/batch size +8 +16 +32/);
    for (const line of stdout.split('\n').slice(2, 8)) expect(line.length).toBeLessThanOrEqual(85);
  });

  it('on Ctrl-C removes its scratch collection and exits with 130', async () => {
    const { code, stderr } = await vbo(
      ['tune', '--to', 'lancedb://./db?table=items', '--dim', '32', '--budget', '60s'],
      { cwd, onStart: (kill) => until(() => tables().length > 0).then(() => kill('SIGINT')) },
    );
    expect(code).toBe(130);
    expect(stderr).toContain('VBO_ERR_ABORTED');
    expect(tables()).toEqual([]);
  });

  it.each(['records', 'env', 'plot'])('does not measure what --%s could not take', async (option) => {
    const words = ['--to', 'lancedb://./db?table=items', '--dim', '8', `--${option}`, 'no/folder/out'];
    const { code, stdout, stderr } = await vbo(['tune', ...words, '--json'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain('Cannot write no/folder/out');
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'VBO_ERR_FILE_NOT_FOUND' } });
    expect(JSON.parse(stdout)).not.toHaveProperty('best');
  });

  // A directory can be written, but not as a file; a full disk takes no byte.
  it.each(
    [
      ['plot', '.'],
      ['records', '/dev/full'],
    ].filter(([, path]) => existsSync(path!)),
  )('shows what it measured in one document though --%s fails', async (option, path) => {
    const words = ['--to', 'null://', '--dim', '8', '--budget', '200ms', `--${option}`, path];
    const { code, stdout, stderr } = await vbo(['tune', ...words, '--env', 'kept.env', '--json'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(`Cannot write ${path}`);
    expect(JSON.parse(stdout)).toMatchObject({
      best: { batchSize: expect.any(Number) },
      error: { code: 'VBO_ERR_FILE_NOT_FOUND' },
    });
    expect(readFileSync(join(cwd, 'kept.env'), 'utf8')).toMatch(/^VBO_BATCH_SIZE=/);
  });

  it.each([
    [['--dim', '8'], '--to is missing.'],
    [['--to', 'null://'], '--dim is missing.'],
    [['--to', 'null://', '--dim', '8', '--budget', 'long'], 'expected a duration such as 30s'],
    [['--to', 'null://', '--dim', '8.5'], 'dimension is 8.5'],
    [['--to', 'null://', '--dim', '8', '--metric', 'hamming'], 'metric is "hamming"'],
  ])('refuses wrong usage: %j', async (words, message) => {
    const { code, stderr } = await vbo(['tune', ...words], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

it('a scratch collection is another one in the same database', () => {
  expect(withCollection('lancedb://./my data?table=a&mode=upsert', 's')).toBe(
    'lancedb://./my data?mode=upsert&table=s',
  );
  expect(withCollection('qdrant://h:6333/items?api_key_env=K', 's')).toBe('qdrant://h:6333/s?api_key_env=K');
  expect(withCollection('chroma://h:8000/items', 's')).toBe('chroma://h:8000/s');
  expect(withCollection('postgres://u@h:5432/db', 's')).toBe('postgres://u@h:5432/db?table=s');
  expect(withCollection('nebula://u:p@h:9669/space?tag=t', 's')).toBe('nebula://u:p@h:9669/space?tag=s');
  expect(withCollection('sim://x.json?seed=3', 's')).toBe('sim://x.json?seed=3');
  expect(() => withCollection('oracle://x', 's')).toThrowError(/oracle/);
});
