import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lancedb from '@lancedb/lancedb';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { type Chroma, hasChroma, startChroma } from '../servers/chroma.js';
import { getAll } from '../servers/chroma-records.js';
import { QdrantServer } from '../servers/qdrant.js';
import { MAIN, npyHeader, untilSettling, vbo } from './vbo.js';

const ROWS = 20_000;
const DIMENSION = 16;
/** Files of a folder that holds the same rows. */
const SHARDS = 5;
/** Rows of the NDJSON file that cannot be loaded. */
const BROKEN = new Set([3, 777, 7_778, 12_345, 19_998]);
/** Its rows that bear the id of an earlier one. */
const COPIES = new Map([
  [9_000, 2],
  [15_000, 8_000],
  [19_000, 16_000],
]);

/** Loads that are killed, shared out among the databases; `KILLS=300 npx vitest run test/cli/resume.test.ts` for more. */
const KILLS = Number(process.env.KILLS ?? 30);
const KILLS_PER_LOAD = 2;

let cwd: string;
let qdrant: QdrantServer;
let chroma: Chroma | undefined;

beforeAll(async () => {
  qdrant = await QdrantServer.start();
  if (hasChroma) chroma = await startChroma();
  cwd = mkdtempSync(join(tmpdir(), 'vbo-resume-'));
  const values = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => Math.sin(i + 1));
  const npy = Buffer.concat([npyHeader(ROWS, DIMENSION), Buffer.from(values.buffer)]);
  writeFileSync(join(cwd, 'rows.npy'), npy);
  mkdirSync(join(cwd, 'rows.shards'));
  for (let shard = 0; shard < SHARDS; shard++) {
    const rows = ROWS / SHARDS;
    const own = values.subarray(shard * rows * DIMENSION, (shard + 1) * rows * DIMENSION);
    const bytes = Buffer.concat([npyHeader(rows, DIMENSION), Buffer.from(own.slice().buffer)]);
    writeFileSync(join(cwd, 'rows.shards', `${shard}.npy`), bytes);
  }
  const records = Buffer.alloc(ROWS * (4 + 4 * DIMENSION));
  const lines: string[] = [];
  for (let row = 0; row < ROWS; row++) {
    const vector = values.subarray(row * DIMENSION, (row + 1) * DIMENSION);
    const at = row * (4 + 4 * DIMENSION);
    records.writeInt32LE(DIMENSION, at);
    records.set(Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength), at + 4);
    const id = `r${COPIES.get(row) ?? row}`;
    lines.push(BROKEN.has(row) ? '{"id": ' : JSON.stringify({ id, vector: [...vector] }));
  }
  writeFileSync(join(cwd, 'rows.fvecs'), records);
  writeFileSync(join(cwd, 'rows.ndjson'), `${lines.join('\n')}\n`);
});
afterAll(async () => {
  await qdrant.close();
  await chroma?.close();
  expect(qdrant.violations).toEqual([]);
  rmSync(cwd, { recursive: true, force: true });
});

/** Starts a load and kills it `delayMs` after its ledger appears; says whether it was still at it. */
async function killed(words: string[], ledger: string, delayMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [MAIN, 'ingest', ...words, '--json'], { cwd, stdio: 'ignore' });
  const gone = new Promise<boolean>((resolve) => child.on('exit', (code) => resolve(code === null)));
  let isOver = false;
  gone.then(() => {
    isOver = true;
  });
  while (!isOver && !existsSync(join(cwd, ledger))) await new Promise((resolve) => setTimeout(resolve, 2));
  setTimeout(() => child.kill('SIGKILL'), delayMs);
  return gone;
}

const report = (stdout: string) => JSON.parse(stdout);

type Id = string | number;

/** A database to load into, and the ids of all it holds. */
interface Target {
  readonly url: (table: string) => string;
  readonly ids: (table: string) => Promise<Id[]>;
}

const lance: Target = {
  url: (table) => `lancedb://./db?table=${table}`,
  ids: async (table) => {
    const connection = await lancedb.connect(join(cwd, 'db'));
    const rows = await (await connection.openTable(table)).query().select(['id']).toArray();
    return rows.map(({ id }) => (typeof id === 'bigint' ? Number(id) : id));
  },
};
const sqlite: Target = {
  url: (table) => `sqlite://./${table}.sqlite?table=${table}`,
  ids: async (table) => {
    const rows = new Database(join(cwd, `${table}.sqlite`)).prepare(`SELECT id FROM ${table}`).all();
    return (rows as { id: Id }[]).map(({ id }) => id);
  },
};
const points: Target = {
  url: (table) => `qdrant://${qdrant.address}/${table}`,
  ids: async (table) => {
    const stored = qdrant.collections.get(table)!.points.values();
    return [...stored].map(({ id, payload }) => (payload?._id ?? id) as Id);
  },
};
const records: Target = {
  url: (table) => `chroma://${chroma!.address}/${table}-${process.pid}`,
  ids: async (table) => {
    const stored = await getAll(chroma!.address, `${table}-${process.pid}`);
    return stored.map(({ id }) => (/^\d+$/.test(id) ? Number(id) : id));
  },
};

const positions = Array.from({ length: ROWS }, (_, row) => row);
const EXPECTED = {
  npy: positions,
  fvecs: positions,
  shards: positions,
  ndjson: positions.filter((row) => !BROKEN.has(row) && !COPIES.has(row)).map((row) => `r${row}`),
};

describe('a load that is killed', () => {
  it(
    'at random moments and resumed, thirty times over the databases, stores every record once, and writes every dead letter once',
    async () => {
      const random = new Random(7);
      let kills = 0;
      const targets = [lance, points, lance, hasChroma ? records : points, sqlite];
      const cases = Array.from({ length: Math.ceil(KILLS / KILLS_PER_LOAD) }, (_, index) => ({
        index,
        target: targets[index % targets.length]!,
        format: (['npy', 'ndjson', 'fvecs', 'shards'] as const)[index % 4]!,
        delays: Array.from({ length: KILLS_PER_LOAD }, () => random.next() * 250),
        setting: ['128x2', '512x1', '64x3'][random.integer(3)]!,
      }));
      const run = async ({ index, target, format, delays, setting }: (typeof cases)[number]) => {
        const ledger = `load${index}.ledger`;
        const table = `load${index}`;
        const words = [
          ...[`rows.${format}`, '--to', target.url(table), '--fixed', setting],
          ...['--ledger', ledger, '--resume', '--dead-letters', `load${index}.dead.ndjson`],
        ];
        for (const delayMs of delays) if (await killed(words, ledger, delayMs)) kills++;
        const { code, stdout, stderr } = await vbo(['ingest', ...words, '--json'], { cwd });
        expect(stderr).toBe('');
        expect(code).toBe(format === 'ndjson' ? 3 : 0);
        const done = report(stdout);
        const refused = format === 'ndjson' ? BROKEN.size + COPIES.size : 0;
        expect(done.resumedFrom + done.acknowledged + done.rejected).toBe(ROWS);
        expect(done.before.rejected + done.rejected).toBe(refused);
        const ids = await target.ids(table);
        expect(ids.length).toBe(EXPECTED[format].length);
        expect(new Set(ids)).toEqual(new Set<string | number>(EXPECTED[format]));
        if (refused > 0) {
          const letters = readFileSync(join(cwd, `load${index}.dead.ndjson`), 'utf8')
            .trim()
            .split('\n');
          const refusedRows = letters.map((line) => JSON.parse(line).position).sort((a, b) => a - b);
          expect(refusedRows).toEqual([...BROKEN, ...COPIES.keys()].sort((a, b) => a - b));
        }
      };
      await Promise.all(
        [0, 1, 2].map(async (lane) => {
          for (const one of cases.filter(({ index }) => index % 3 === lane)) await run(one);
        }),
      );
      // A kill that comes after the end is none; most must have struck.
      expect(kills).toBeGreaterThan((2 / 3) * KILLS);
    },
    8_000 * KILLS,
  );
});

describe('vbo ingest', () => {
  const ingest = async (words: string[], onStart?: (kill: (signal: NodeJS.Signals) => void) => unknown) => {
    const outcome = await vbo(['ingest', ...words, '--json'], { cwd, ...(onStart ? { onStart } : {}) });
    return { ...outcome, report: report(outcome.stdout) };
  };

  it('on Ctrl-C finishes what is in flight, says how to go on, exits with 130, and goes on', async () => {
    const words = ['rows.npy', '--to', 'lancedb://./db?table=interrupted', '--fixed', '8x2'];
    const ledger = join(cwd, 'rows.npy.ledger');
    const first = await ingest(words, (kill) => untilSettling(ledger).then(() => kill('SIGINT')));
    expect(first.code).toBe(130);
    const settled = first.report.acknowledged;
    expect(settled).toBeGreaterThan(0);
    expect(settled % 8).toBe(0);
    expect(first.stderr).toMatch(
      /VBO_ERR_ABORTED.* settled in rows\.npy\.ledger; --resume goes on from there\./,
    );
    expect((await lance.ids('interrupted')).length).toBe(settled);

    const careless = await ingest(words);
    expect(careless).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_LEDGER_EXISTS' } } });

    const resume = [...words.slice(0, 3), '--fixed', '1000x2', '--resume'];
    const second = await ingest(resume);
    expect(second).toMatchObject({
      ...{ code: 0, stderr: '' },
      report: { resumedFrom: settled, acknowledged: ROWS - settled, reconciled: true },
    });
    expect(new Set(await lance.ids('interrupted')).size).toBe(ROWS);

    const third = await ingest(resume);
    expect(third).toMatchObject({ code: 0, report: { resumedFrom: ROWS, acknowledged: 0 } });
    expect((await lance.ids('interrupted')).length).toBe(ROWS);
    rmSync(ledger);
  });

  it('leaves no ledger after success, unless one was asked for', async () => {
    const words = ['rows.fvecs', '--to', 'null://'];
    expect((await ingest(words)).report).toMatchObject({ acknowledged: ROWS, ledger: null });
    expect(existsSync(join(cwd, 'rows.fvecs.ledger'))).toBe(false);
    const named = await ingest([...words, '--ledger', 'kept.ledger']);
    expect(named.report.ledger).toBe('kept.ledger');
    expect(readFileSync(join(cwd, 'kept.ledger'), 'utf8')).toContain('"complete":true');
  });

  it('keeps the ledger beside the file, wherever the command runs', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'vbo-elsewhere-'));
    const to = ['--to', `lancedb://${join(cwd, 'db')}?table=moved`, '--fixed', '8x2'];
    const ledger = join(cwd, 'rows.npy.ledger');
    const file = join(cwd, 'rows.npy');
    const first = await vbo(['ingest', file, ...to, '--json'], {
      cwd: elsewhere,
      onStart: (kill) => untilSettling(ledger).then(() => kill('SIGINT')),
    });
    expect(first.code).toBe(130);
    const second = await ingest(['rows.npy', ...to.slice(0, 2), '--resume']);
    expect(second).toMatchObject({ code: 0, report: { reconciled: true } });
    expect(second.report.resumedFrom).toBe(report(first.stdout).acknowledged);
    expect((await lance.ids('moved')).length).toBe(ROWS);
    expect(readdirSync(elsewhere)).toEqual([]);
    rmSync(ledger);
  });

  it('does not store a file twice that is resumed after its ledger went with its success', async () => {
    const words = ['rows.npy', '--to', 'lancedb://./db?table=done'];
    expect((await ingest(words)).code).toBe(0);
    const again = await ingest([...words, '--resume']);
    expect(again).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_RESUME' } } });
    expect((await lance.ids('done')).length).toBe(ROWS);
  });

  // Root writes every folder. Another user has to be able to read the program.
  const user = process.getuid?.() === 0 ? { uid: 65_534 } : {};
  it.runIf(spawnSync(process.execPath, [MAIN, '--version'], { ...user, env: {} }).status === 0)(
    'goes to the current folder where that of the file takes nothing',
    async () => {
      const folders = [mkdtempSync(join(tmpdir(), 'vbo-closed-')), mkdtempSync(join(tmpdir(), 'vbo-open-'))];
      const [closed, open] = folders as [string, string];
      writeFileSync(join(closed, 'rows.npy'), readFileSync(join(cwd, 'rows.npy')));
      chmodSync(closed, 0o555);
      chmodSync(open, 0o777);
      const words = ['ingest', join(closed, 'rows.npy'), '--to', 'null://', '--resume', '--history', 'none'];
      const { code, stderr } = await vbo(words, { cwd: open, ...user });
      expect({ code, stderr }).toEqual({
        code: 0,
        stderr: expect.stringContaining('go to the current folder'),
      });
      expect(readdirSync(open)).toEqual(['rows.npy.ledger']);
    },
  );

  it('refuses a second load of the same file while the first lives, and not after it was killed', async () => {
    const words = ['rows.npy', '--to', 'lancedb://./db?table=locked', '--resume', '--fixed'];
    const ledger = join(cwd, 'rows.npy.ledger');
    const first = spawn(process.execPath, [MAIN, 'ingest', ...words, '8x2'], { cwd, stdio: 'ignore' });
    await untilSettling(ledger);
    for (const second of [
      [...words, '8x2'],
      ['rows.npy', '--to', 'null://'],
    ]) {
      expect(await ingest(second)).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_IN_USE' } } });
    }
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(await ingest([...words, '1000x2'])).toMatchObject({ code: 0, report: { reconciled: true } });
    expect((await lance.ids('locked')).length).toBe(ROWS);
    rmSync(ledger);
  });

  it('refuses a ledger of another file, a damaged one, and one it cannot write', async () => {
    const to = ['--to', 'null://', '--ledger', 'kept.ledger', '--resume'];
    const other = await ingest(['rows.npy', ...to]);
    expect(other).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_LEDGER_MISMATCH' } } });
    writeFileSync(join(cwd, 'kept.ledger'), 'not a ledger\n');
    const damaged = await ingest(['rows.fvecs', ...to]);
    expect(damaged).toMatchObject({ code: 1, report: { error: { code: 'VBO_ERR_LEDGER_DAMAGED' } } });
    expect(readFileSync(join(cwd, 'kept.ledger'), 'utf8')).toBe('not a ledger\n');
    const nowhere = await ingest(['rows.fvecs', '--to', 'null://', '--ledger', 'no/such/folder.ledger']);
    expect(nowhere).toMatchObject({
      code: 1,
      report: { acknowledged: 0, error: { code: 'VBO_ERR_LEDGER_WRITE' } },
    });
  });
});
