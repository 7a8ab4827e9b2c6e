import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyHeader, untilSettling, vbo } from './vbo.js';

let cwd: string;
const ROWS = 5000;
const DIMENSION = 16;

function npy(change: (bytes: Buffer) => Buffer = (bytes) => bytes): Buffer {
  const values = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => Math.sin(i + 1));
  return change(Buffer.concat([npyHeader(ROWS, DIMENSION), Buffer.from(values.buffer)]));
}

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'vbo-cli-'));
  writeFileSync(join(cwd, 'good.npy'), npy());
  writeFileSync(
    join(cwd, 'truncated.npy'),
    npy((bytes) => bytes.subarray(0, bytes.length - 21)),
  );
  writeFileSync(
    join(cwd, 'magic.npy'),
    npy((bytes) => bytes.fill(0x58, 1, 2)),
  );
  writeFileSync(
    join(cwd, 'nan.npy'),
    npy((bytes) => {
      bytes.writeFloatLE(Number.NaN, 128 + 4 * (DIMENSION * 4321 + 5));
      return bytes;
    }),
  );
  writeFileSync(join(cwd, 'empty.npy'), '');
  const lines = Array.from({ length: 20 }, (_, i) => {
    const vector = Array.from({ length: i === 7 ? 5 : 4 }, (_, d) => i + d);
    return JSON.stringify({ id: `v${i === 12 ? 3 : i}`, vector, colour: i % 2 ? 'red' : 'blue' });
  });
  writeFileSync(join(cwd, 'rows.ndjson'), `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const ingest = async (...words: string[]) => {
  const { code, stdout, stderr } = await vbo(['ingest', ...words, '--json'], { cwd });
  return { code, stderr: stderr.trim().split('\n').filter(Boolean), report: JSON.parse(stdout) };
};

const deadLetters = (name: string) =>
  readFileSync(join(cwd, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { position: number; code: string; id?: unknown });

describe('vbo ingest', () => {
  it('loads a file into a real database and reports in the contract’s shape', async () => {
    const { code, stderr, report } = await ingest('good.npy', '--to', 'lancedb://./data base?table=good');
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
    expect(report).toMatchObject({
      items: ROWS,
      acknowledged: ROWS,
      rejected: 0,
      resumedFrom: 0,
      seconds: expect.any(Number),
      vectorsPerSecond: expect.any(Number),
      best: { batchSize: expect.any(Number), concurrency: expect.any(Number) },
      latencyMs: { p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) },
      bytesSent: expect.any(Number),
      peakRssBytes: expect.any(Number),
      retries: 0,
      reconciled: true,
    });
    expect(report.settings[0]).toMatchObject({ atMs: expect.any(Number), reason: expect.any(String) });
    const { connect } = await import('@lancedb/lancedb');
    const table = await (await connect(join(cwd, 'data base'))).openTable('good');
    expect(await table.countRows()).toBe(ROWS);
    const [row] = await table.query().where('id = 4999').toArray();
    const expected = Float32Array.from({ length: DIMENSION }, (_, d) => Math.sin(4999 * DIMENSION + d + 1));
    expect(Float32Array.from(row.vector)).toEqual(expected);
  });

  it('loads what is good of a truncated file, then fails with the position', async () => {
    const { code, stderr, report } = await ingest('truncated.npy', '--to', 'lancedb://./db?table=truncated');
    expect(code).toBe(1);
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toMatch(/VBO_ERR_FILE_TRUNCATED: .*row 4999 of 5000/);
    expect(report).toMatchObject({ acknowledged: ROWS - 1, error: { code: 'VBO_ERR_FILE_TRUNCATED' } });
  });

  it.each([
    ['magic.npy', 'VBO_ERR_FILE_FORMAT'],
    ['empty.npy', 'VBO_ERR_FILE_EMPTY'],
    ['missing.npy', 'VBO_ERR_FILE_NOT_FOUND'],
  ])('refuses %s in one line with %s', async (file, expected) => {
    const { code, stderr, report } = await ingest(file, '--to', 'null://');
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`vbo: ${expected}: `)]);
    expect(report.error.code).toBe(expected);
  });

  it('puts a NaN vector into the dead letters and loads the rest', async () => {
    const { code, report } = await ingest('nan.npy', '--to', 'lancedb://./db?table=nan');
    expect(code).toBe(3);
    expect(report).toMatchObject({ items: ROWS, acknowledged: ROWS - 1, rejected: 1, reconciled: true });
    expect(deadLetters('nan.npy.dead-letters.ndjson')).toMatchObject([
      { position: 4321, code: 'VBO_ERR_NOT_FINITE' },
    ]);
  });

  it('puts a wrong dimension in row 7 and a duplicate id into the dead letters, each with its position', async () => {
    const { code, report } = await ingest(
      'rows.ndjson',
      '--to',
      'lancedb://./db?table=rows',
      '--dead-letters',
      'refused.ndjson',
    );
    expect(code).toBe(3);
    expect(report).toMatchObject({ items: 20, acknowledged: 18, rejected: 2, reconciled: true });
    expect(deadLetters('refused.ndjson')).toMatchObject([
      { position: 7, id: 'v7', code: 'VBO_ERR_DIMENSION' },
      { position: 12, id: 'v3', code: 'VBO_ERR_DUPLICATE_ID' },
    ]);
  });

  it('does not put a second file without ids in the place of the first', async () => {
    const to = ['--to', 'sqlite://./two.sqlite?table=t'];
    expect((await ingest('good.npy', ...to)).code).toBe(0);
    const second = await ingest('good.npy', ...to);
    expect(second).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_ID_OFFSET' } } });
    const beyond = await ingest('good.npy', ...to, '--id-offset', '5000');
    expect(beyond).toMatchObject({ code: 0, report: { acknowledged: ROWS, reconciled: true } });
    const again = await ingest('good.npy', ...to, '--id-offset', '0');
    expect(again.report.warnings[0]).toContain('5,000 of the acknowledged ones replaced');
  });

  it('keeps to a fixed setting', async () => {
    const { code, report } = await ingest('good.npy', '--to', 'null://', '--fixed', '64x1');
    expect(code).toBe(0);
    expect(report.settings).toHaveLength(1);
    expect(report.best).toEqual({ batchSize: 64, concurrency: 1 });
  });

  it('writes nothing on a dry run, not over the dead letters of the load either', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vbo-dry-'));
    writeFileSync(join(folder, 'nan.npy'), readFileSync(join(cwd, 'nan.npy')));
    writeFileSync(join(folder, 'nan.npy.dead-letters.ndjson'), 'of the load\n');
    const contents = () =>
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]);
    const before = contents();
    for (const more of [[], ['--dead-letters', 'nan.npy.dead-letters.ndjson']]) {
      const words = ['nan.npy', '--to', 'lancedb://./dry?table=t', '--dry-run', ...more];
      const { code, stdout } = await vbo(['ingest', ...words], { cwd: folder });
      expect(code).toBe(3);
      expect(stdout).toMatch(/4,999 of 5,000 records would be loaded/);
      expect(stdout).toMatch(/refused +1: 1 VBO_ERR_NOT_FINITE\n +record 4321: Component 5 is NaN/);
      expect(contents()).toEqual(before);
    }
    rmSync(folder, { recursive: true });
  });

  it.each([
    [['good.npy'], '--to is missing.'],
    [['good.npy', '--to', 'oracle://x'], 'known are chroma://'],
    [['good.npy', '--to', 'lancedb://./db?table=a b'], 'table is "a b"'],
    [['rows.ndjson', '--to', 'null://', '--id-offset', '7'], 'has ids of its own'],
    [['good.npy', '--to', 'null://', '--id-offset', '1.5'], 'idOffset is 1.5'],
    [['good.npy', '--to', 'null://', '--fixed', '64'], 'expected BATCHxCONCURRENCY'],
    [['good.npy', '--to', 'null://', '--memory', 'lots'], 'expected bytes such as 512MB'],
    [['good.npy', '--to', 'null://', '--memory', '10kB'], '--memory is 10000; expected'],
    [['good.npy', '--to', 'null://', '--metric', 'hamming'], 'metric is "hamming"'],
    [['good.npy', '--to', 'null://', '--policy', 'magic'], 'policy is "magic"'],
  ])('refuses wrong usage: %j', async (words, message) => {
    const { code, stderr } = await ingest(...words);
    expect(stderr[0]).toContain(message);
    expect(code).toBe(2);
  });

  it('finishes what is in flight on SIGINT, reports, and exits with 130', async () => {
    writeFileSync(
      join(cwd, 'slow.json'),
      readFileSync(join(import.meta.dirname, '../scenarios/chroma.json'), 'utf8'),
    );
    const { code, stdout, stderr } = await vbo(
      ['ingest', 'good.npy', '--to', 'sim://slow.json', '--fixed', '10x1', '--json'],
      { cwd, onStart: (kill) => untilSettling(join(cwd, 'good.npy.ledger')).then(() => kill('SIGINT')) },
    );
    expect(code).toBe(130);
    expect(stderr).toContain('VBO_ERR_ABORTED');
    const report = JSON.parse(stdout);
    expect(report.acknowledged).toBeGreaterThan(0);
    expect(report.acknowledged).toBeLessThan(ROWS);
    expect(report.acknowledged % 10).toBe(0);
  });
});

describe('vbo compact', () => {
  it('quantizes a file, streams it, and says what it costs in recall', async () => {
    const { code, stdout } = await vbo(
      ['compact', 'good.npy', 'good.vbo', '--encoding', 'int8', '--report', '--json'],
      { cwd },
    );
    expect(code).toBe(0);
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({
      encoding: 'int8',
      rows: ROWS,
      dimension: DIMENSION,
      // A byte a dimension, and each vector's interval.
      byteLength: 64 + ROWS * (DIMENSION + 8),
    });
    expect(answer.recall.recall).toBeGreaterThan(0.5);
    const { CompactBlock } = await import('../../src/vectors/compact-block.js');
    using block = CompactBlock.from(readFileSync(join(cwd, 'good.vbo')));
    expect(block.decode()[5]).toBeCloseTo(Math.sin(6), 1);
  });

  it('takes every encoding, and the calibration of int8', async () => {
    for (const settings of [
      ['int8', '--calibration', 'global'],
      ['int8', '--calibration', 'dimension'],
      ['bfloat16'],
      ['int4'],
      ['rabitq2'],
    ]) {
      const { code, stdout } = await vbo(
        ['compact', 'good.npy', 'all.vbo', '--encoding', ...settings, '--report', '--json'],
        { cwd },
      );
      expect(code).toBe(0);
      const { CompactBlock } = await import('../../src/vectors/compact-block.js');
      using block = CompactBlock.from(readFileSync(join(cwd, 'all.vbo')));
      expect(JSON.parse(stdout)).toMatchObject({ encoding: block.encoding, rows: block.rows });
      expect(block.calibration).toBe(settings[2] ?? 'vector');
    }
  });

  it('leaves no file behind when it fails', async () => {
    const { code, stderr } = await vbo(['compact', 'nan.npy', 'nan.vbo', '--encoding', 'int8'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain('VBO_ERR_NOT_FINITE: Vector 4321');
    for (const name of ['nan.vbo', 'nan.vbo.partial']) {
      expect(existsSync(join(cwd, name))).toBe(false);
    }
  });
});
