import { describe, expect, it } from 'vitest';
import { vbo } from './vbo.js';

const QDRANT = [
  'recommend',
  '--items',
  '1000000',
  '--dim',
  '1536',
  '--database',
  'qdrant',
  '--memory',
  '16000',
];

const recommend = async (...words: string[]) => JSON.parse((await vbo([...words, '--json'])).stdout);

describe('vbo recommend', () => {
  it('prints one JSON document in the contract’s shape, the same each time', async () => {
    const first = await vbo([...QDRANT, '--json']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(await vbo([...QDRANT, '--json'])).toEqual(first);
    expect(Object.keys(JSON.parse(first.stdout))).toEqual(
      expect.arrayContaining([
        'recommended_batch_size',
        'recommended_concurrency',
        'predicted',
        'confidence',
        'interval',
        'binding_constraint',
        'alternatives',
        'explanation',
        'model',
      ]),
    );
  });

  it('gives a smaller batch for a larger dimension and for less memory, and names what bound it', async () => {
    const usual = await recommend(...QDRANT);
    const wide = await recommend(...QDRANT.with(4, '4096'));
    const small = await recommend(...QDRANT.with(8, '512'));
    expect(wide.recommended_batch_size).toBeLessThan(usual.recommended_batch_size);
    expect(wide.binding_constraint).toBe('request_bytes');
    expect(small.recommended_batch_size).toBeLessThan(usual.recommended_batch_size);
    expect(small.binding_constraint).toBe('memory');
    expect(await recommend(...QDRANT.with(8, '0.512GB'))).toEqual(small);
  });

  it('says it in words without --json', async () => {
    const { code, stdout } = await vbo(QDRANT);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+ vectors per request, \d+ in flight/);
    expect(stdout).toContain('bound by');
  });

  it.each([
    [['recommend', '--items', '10', '--dim', '8'], 'VBO_ERR_USAGE: --database is missing.'],
    [
      ['recommend', '--items', 'many', '--dim', '8', '--database', 'qdrant'],
      '--items is "many"; expected a number.',
    ],
    [['recommend', '--items', '0', '--dim', '8', '--database', 'qdrant'], 'itemCount is 0'],
    [['recommend', '--items', '10', '--dim', '8', '--database', 'dbase'], 'expected one of lancedb'],
    [['recommend', '--itmes', '10'], 'See vbo recommend --help.'],
    [['recommned'], 'Unknown command "recommned"; expected one of recommend'],
  ])('refuses wrong usage in one line with exit code 2: %j', async (words, message) => {
    const { code, stdout, stderr } = await vbo(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('puts a failure on stdout too under --json', async () => {
    const { code, stdout } = await vbo(['recommend', '--items', '10', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error.code).toBe('VBO_ERR_USAGE');
  });
});

const COMMANDS = [
  ...['recommend', 'tune', 'ingest', 'evaluate', 'compact', 'train', 'history', 'serve', 'monitor', 'audit'],
];

describe('vbo', () => {
  it('describes itself and every command', async () => {
    const overview = await vbo(['--help']);
    expect(overview.code).toBe(0);
    for (const name of COMMANDS) {
      expect(overview.stdout).toContain(name);
      const help = await vbo([name, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain(`Usage: vbo ${name}`);
      expect(help.stdout).toContain('--json');
    }
    expect((await vbo(['help', 'tune'])).stdout).toBe((await vbo(['tune', '-h'])).stdout);
    expect((await vbo(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await vbo([])).code).toBe(2);
  });
});
