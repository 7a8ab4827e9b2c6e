import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAIN, npyHeader } from '../cli/vbo.js';
import { codeBlocks } from './code-blocks.js';
import { Service } from './service.js';

/** The pages' code, run as it stands in a folder of its own, against the package as it is built. */
const ROOT = resolve(import.meta.dirname, '../..');
const PACKAGE = pathToFileURL(join(ROOT, 'dist/index.js')).href;
const folder = mkdtempSync(join(tmpdir(), 'vbo-guides-'));
const run = promisify(execFile);
let service: Service;

beforeAll(async () => {
  service = await Service.start();
  const npy = Buffer.concat([
    npyHeader(300, 768),
    Buffer.from(Float32Array.from({ length: 300 * 768 }, (_, i) => Math.sin(i + 1)).buffer),
  ]);
  for (const name of ['vectors.npy', 'embeddings.npy']) writeFileSync(join(folder, name), npy);
  copyFileSync(join(ROOT, 'test/data/tables/list-zstd.parquet'), join(folder, 'vectors.parquet'));
  mkdirSync(join(folder, 'shards'));
  for (const shard of [1, 2, 10]) writeFileSync(join(folder, 'shards', `part-${shard}.npy`), npy);
});
afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

/** All TypeScript of a page as one program; `before` gives it what is the reader's own, `after` shows what came out. */
async function runPage(page: string, { before = '', after = '' } = {}): Promise<string> {
  const code = codeBlocks(page, 'ts')
    .join('\n')
    .replaceAll("'vector-batch-optimizer'", JSON.stringify(PACKAGE))
    .replaceAll(/localhost:\d+/g, service.address);
  const text = `${before}\n${code}\n${after}`;
  const program = await transform(text, { loader: 'ts', format: 'esm', target: 'node20' });
  const file = join(folder, 'page.mjs');
  writeFileSync(file, program.code);
  const { stdout } = await run(process.execPath, [file], { cwd: folder });
  return stdout;
}

const lastLine = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!);

describe('docs/guides/embedding.md', () => {
  test('embeds with a weight per text, heeds push-back, isolates a refusal, and loads', async () => {
    const stdout = await runPage('docs/guides/embedding.md', {
      before: `const texts = Array.from({ length: 900 }, (_, i) => i === 617 ? 'refuse me' : 'word '.repeat(1 + (i * 37) % 400));
        const documents = Array.from({ length: 450 }, (_, i) => ({ id: 'd' + i, text: 'document ' + i }));`,
      after: `console.log(JSON.stringify({
        vectors: results.map((vector) => vector?.[0] ?? null), lengths: texts.map((text) => text.length),
        failed: failures.map(({ index }) => index), acknowledged: report.acknowledged, reconciled: report.reconciled,
      }));`,
    });
    const { vectors, lengths, failed, acknowledged, reconciled } = lastLine(stdout);
    // The service's vector of a text begins with its length: none was exchanged for another's.
    expect(vectors).toEqual(lengths.map((length: number, i: number) => (i === 617 ? null : length)));
    expect({ failed, acknowledged, reconciled }).toEqual({
      failed: [617],
      acknowledged: 450,
      reconciled: true,
    });
    expect(stdout).toContain('450 texts stored');
    const { heaviestTokens, pushedBack } = service.embeddings;
    expect(pushedBack).toBeGreaterThan(0);
    expect(heaviestTokens).toBeGreaterThan(2000);
    expect(heaviestTokens).toBeLessThanOrEqual(8000);
  });
});

describe('docs/guides/searching.md', () => {
  test('searches, deletes, and takes an error for what the caller says it is', async () => {
    const stdout = await runPage('docs/guides/searching.md', {
      before: `const queries = Array.from({ length: 700 }, (_, i) => [i, 1]);
        const ids = Array.from({ length: 500 }, (_, i) => i);`,
      after: `console.log(JSON.stringify({
        found: results.map((one) => one.points[0].id), failed: strict.failures.map(({ index }) => index),
      }));`,
    });
    const { found, failed } = lastLine(stdout);
    expect(found).toEqual(Array.from({ length: 700 }, (_, i) => i));
    expect(failed).toEqual([13]);
    expect(stdout).toMatch(/^\d+ queries per call, \d+ calls at once; 0 failed$/m);
    expect(stdout).toContain('query 13 is malformed');
    expect([...service.deleted].sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});

describe('docs/guides/inserting.md', () => {
  test('its commands do what it says', async () => {
    const outputs: string[] = [];
    for (const block of codeBlocks('docs/guides/inserting.md', 'sh')) {
      for (const line of block.trim().split('\n')) {
        const command = line.replace(/^vbo /, `"${process.execPath}" "${MAIN}" `);
        expect(command).not.toBe(line);
        outputs.push((await run('sh', ['-c', command], { cwd: folder })).stdout);
      }
    }
    expect(outputs[0]).toContain('300 of 300 vectors');
    const [resumed] = codeBlocks('docs/guides/inserting.md', 'sh');
    const again = resumed!.replace(/^vbo /, `"${process.execPath}" "${MAIN}" `);
    expect((await run('sh', ['-c', again], { cwd: folder })).stdout).toContain('nothing was sent');
    expect(outputs.join('\n')).toMatch(
      /300 of 300 records would be loaded: vectors\.parquet, vectors of dimension 4 from vector, ids from id, payloads from title/,
    );
    expect(outputs.join('\n')).toContain('900 of 900 vectors');
    expect(readFileSync(join(folder, 'tuned.env'), 'utf8')).toMatch(
      /^VBO_BATCH_SIZE=\d+\nVBO_CONCURRENCY=\d+\n$/,
    );
    expect(readFileSync(join(folder, 'surface.svg'), 'utf8')).toContain('</svg>');
    expect(existsSync(join(folder, 'vectors.npy.ledger'))).toBe(true);
  });

  test('its program loads and tunes', async () => {
    rmSync(join(folder, 'data'), { recursive: true, force: true });
    const stdout = await runPage('docs/guides/inserting.md');
    expect(stdout).toMatch(/^300 stored now, 0 settled before, reconciled: true$/m);
    expect(stdout).toMatch(/vectors per request|nothing to gain/);
  });
});

describe('docs/guides/history.md', () => {
  test('its program records a load, keeps what it is trained with, and imports', async () => {
    const stdout = await runPage('docs/guides/history.md', {
      before: `import { openSink, openSource } from ${JSON.stringify(PACKAGE)};
        const source = await openSource('vectors.npy');
        const sink = await openSink('sqlite://./history-data.sqlite?table=items');
        const recordOf = (n) => ({ database_type: 'qdrant', vector_dimension: 768, batch_size: 64, concurrency: 1,
          throughput_vps: 1000 + n, success: true, ts: Date.now() - n });
        const records = [recordOf(1), recordOf(2)];
        {
          await using other = await History.open(':memory:');
          await other.append([recordOf(3)]);
          await other.exportFile('sweep.parquet');
        }`,
      after: `console.log(JSON.stringify(await history.records()));`,
    });
    const kept = lastLine(stdout) as { database_type: string; origin?: string }[];
    expect(kept.filter(({ database_type }) => database_type === 'qdrant')).toHaveLength(4);
    expect(kept.some(({ origin }) => origin === 'ingest')).toBe(true);
  });
});

describe('README.md', () => {
  test('its program advises, loads and packs', async () => {
    rmSync(join(folder, 'data'), { recursive: true, force: true });
    const stdout = await runPage('README.md', { after: `console.log(JSON.stringify(report));` });
    expect(lastLine(stdout)).toMatchObject({ acknowledged: 300, rejected: 0, reconciled: true });
    expect(stdout).toMatch(/^\d+ \d+ /);
  });

  test('its recommendation is what the command prints', async () => {
    const [block] = codeBlocks('README.md', 'console');
    const [line, ...printed] = block!.trimEnd().split('\n');
    const words = line!.replace('$ npx vbo ', '').split(' ');
    const { stdout } = await run(process.execPath, [MAIN, ...words]);
    const shown = printed.filter((text) => text !== '...');
    expect(shown.length).toBeGreaterThan(5);
    expect(stdout.split('\n').slice(0, shown.length)).toEqual(shown);
  });
});
