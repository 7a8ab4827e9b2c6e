import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recordAt, recordsAt, scratchFolder } from '../history/support.js';
import { type Outcome, vbo } from './vbo.js';

const folder = scratchFolder();
/** A user whose data live in the test's folder. */
const user = () => ({ VBO_HISTORY: '', XDG_DATA_HOME: folder.path, HOME: folder.path });
const own = () => folder.file('vector-batch-optimizer/history.db');
const json = ({ stdout }: Outcome) => JSON.parse(stdout);

const RECOMMEND = ['recommend', '--items', '1000000', '--dim', '128', '--database', 'qdrant', '--json'];
const lines = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record)).join('\n');

function vectorsFile(rows: number): string {
  const path = folder.file('vectors.ndjson');
  writeFileSync(path, lines(Array.from({ length: rows }, (_, id) => ({ id, vector: [id, 1, 2, 3] }))));
  return path;
}

describe('vbo train', () => {
  it('adds records to the user’s history; recommendations rest on them from then on, and say so', async () => {
    expect(json(await vbo(RECOMMEND, { env: user() })).model.records).toBe(0);
    expect(existsSync(own())).toBe(false);

    const file = folder.file('records.ndjson');
    const now = Date.now();
    const records = recordsAt(300).map((record, n) => ({ ...record, ts: now - n }));
    writeFileSync(
      file,
      lines([...records, recordAt(0, { ts: now, success: false, error: '413' }), { odd: 1 }]),
    );
    const trained = await vbo(['train', file, '--json'], { env: user() });
    expect(trained).toMatchObject({ code: 0, stderr: '' });
    expect(json(trained)).toMatchObject({
      ...{ history: own(), records: 301, used: 300 },
      files: [
        {
          ...{ path: file, read: 302, added: 301, known: 0, refusedCount: 1, skippedCount: 1 },
          refused: [{ position: 302, reason: expect.stringContaining('database_type') }],
          skipped: [{ position: 301, reason: 'it failed' }],
        },
      ],
      databases: [{ database: 'qdrant', dimension: 128, records: 300, settings: 1 }],
    });
    expect(json(await vbo(RECOMMEND, { env: user() })).model).toMatchObject({ records: 300 });
    const text = await vbo(RECOMMEND.slice(0, -1), { env: user() });
    expect(text.stdout).toMatch(/rests on +.*300 records of qdrant/);

    expect(json(await vbo(['train', file, '--json'], { env: user() }))).toMatchObject({
      ...{ records: 301, files: [{ added: 0, known: 301 }] },
    });
    expect(json(await vbo([...RECOMMEND, '--history', 'none'], { env: user() })).model.records).toBe(0);
  });

  it('says in words how good the fit is, and where what was refused stands', async () => {
    const file = folder.file('records.jsonl');
    writeFileSync(file, `${lines(recordsAt(20))}\nno json\n`);
    const { code, stdout } = await vbo(['train', file], { cwd: folder.path });
    expect(code).toBe(0);
    expect(stdout).toContain('21 records, 20 new, 0 known, 0 without a rate, 1 refused');
    expect(stdout).toContain('refused 21: not JSON');
    expect(stdout).toMatch(
      /qdrant +128 dimensions +20 records of +1 settings {2}off by \d+\.\d % in the median/,
    );
    // --history none: nothing was kept.
    expect(readdirSync(folder.path)).toEqual(['records.jsonl']);
  });

  it('fails where there is no record at all, and where there is no file', async () => {
    const file = folder.file('records.ndjson');
    writeFileSync(file, 'a\nb\n');
    expect((await vbo(['train', file])).code).toBe(1);
    expect(await vbo(['train', folder.file('none.ndjson')])).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('VBO_ERR_FILE_NOT_FOUND') },
    });
    expect((await vbo(['train'])).code).toBe(2);
  });
});

describe('vbo ingest and vbo tune', () => {
  it('record what they measure where --history says, and vbo history shows and exports it', async () => {
    const history = folder.file('h.db');
    const to = `sqlite://${folder.file('data.sqlite')}?table=t`;
    const words = [
      'ingest',
      vectorsFile(5000),
      '--to',
      to,
      '--fixed',
      '500x1',
      '--history',
      history,
      '--json',
    ];
    const loaded = await vbo(words, { cwd: folder.path });
    expect(loaded).toMatchObject({ code: 0, stderr: '' });
    const tuned = await vbo(
      ['tune', '--to', to, '--dim', '4', '--budget', '500ms', '--history', history, '--json'],
      { cwd: folder.path },
    );
    expect(tuned).toMatchObject({ code: 0, stderr: '' });

    const out = folder.file('out.ndjson');
    const exported = json(await vbo(['history', 'export', out, '--history', history, '--json']));
    const records = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(exported).toMatchObject({ path: out, records: records.length });
    expect(new Set(records.map(({ origin }) => origin))).toEqual(new Set(['ingest', 'tune']));
    expect(records.every(({ database_type, ts }) => database_type === 'sqlite' && ts > 1.7e12)).toBe(true);

    const stats = json(await vbo(['history', '--history', history, '--database', 'sqlite', '--json']));
    expect(stats.records).toBe(records.length);
    expect(stats.settings.length).toBeGreaterThan(2);
    const copy = folder.file('copy.db');
    await vbo(['history', 'import', out, '--history', copy]);
    expect(json(await vbo(['history', 'stats', '--history', copy, '--json'])).records).toBe(records.length);
    expect(readdirSync(folder.path).some((name) => name.endsWith('.model.json'))).toBe(true);
  });

  it('record nothing for a dry run, nor where the user wants nothing', async () => {
    const file = vectorsFile(100);
    await vbo(['ingest', file, '--dry-run'], { cwd: folder.path, env: user() });
    await vbo(['ingest', file, '--to', 'null://', '--history', 'none'], { cwd: folder.path, env: user() });
    expect(existsSync(own())).toBe(false);
  });

  it('go on with a warning where the user’s own history cannot be, and fail where the one named cannot', async () => {
    mkdirSync(dirname(own()));
    mkdirSync(own());
    const words = ['ingest', vectorsFile(100), '--to', 'null://', '--json'];
    const loaded = await vbo(words, { cwd: folder.path, env: user() });
    expect(loaded.code).toBe(0);
    expect(loaded.stderr).toContain('vbo: warning: The history');
    expect(json(loaded).acknowledged).toBe(100);
    const named = await vbo([...words, '--history', own()], { cwd: folder.path });
    expect(named).toMatchObject({ code: 1, stderr: expect.stringContaining('VBO_ERR_HISTORY') });
  });
});

describe('a damaged history', () => {
  it('is set aside with a warning on stderr, and the recommendation rests on the prior', async () => {
    const history = folder.file('h.db');
    writeFileSync(history, 'damaged'.repeat(2000));
    const { code, stdout, stderr } = await vbo([...RECOMMEND, '--history', history]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).model).toMatchObject({ records: 0 });
    expect(stderr).toContain(`vbo: warning: The history ${history} is damaged`);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('h.db.damaged-'))).toHaveLength(1);
    expect((await vbo([...RECOMMEND, '--history', history])).stderr).toBe('');
  });
});

it('vbo recommend says which history is not there', async () => {
  const outcome = await vbo([...RECOMMEND, '--history', folder.file('typo.db')]);
  expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no history') });
});
