import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Id } from '../../src/ingest/ports.js';
import type { StoredRecord } from '../sinks/conformance.js';
import { codeBlocks } from './code-blocks.js';

/**
 * The house as it would be with the example of docs/adding-a-sink.md in it: a copy of the sources, the file and the
 * line of that page. It lies within the project, so that packages are found.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.cache');
mkdirSync(CACHE, { recursive: true });
const house = mkdtempSync(join(CACHE, 'adding-a-sink-'));
const files = mkdtempSync(join(tmpdir(), 'vbo-jsonl-'));
afterAll(() => {
  for (const folder of [house, files]) rmSync(folder, { recursive: true, force: true });
});

const [file, line] = codeBlocks('docs/adding-a-sink.md', 'ts');
for (const path of ['src', 'build/kernels.wasm', 'package.json', 'test/sinks', 'test/ingest/support.ts']) {
  cpSync(join(ROOT, path), join(house, path), { recursive: true });
}
writeFileSync(join(house, 'src/sinks/jsonl.ts'), file!);
const index = join(house, 'src/sinks/index.ts');
const START = 'const SINKS: Readonly<Record<string, Entry>> = {\n';
const before = readFileSync(index, 'utf8');
writeFileSync(index, before.replace(START, `${START}${line}`));

test('the page has the file and one line', () => {
  expect(before).toContain(START);
  expect(file).toMatch(/^import .*export function openJsonlSink/s);
  expect(line!.trim().split('\n').length).toBe(1);
});

let made = 0;
const pathOf = (url: string) => url.replace(/^jsonl:\/\//, '');
const { describeConformance } = (await import(
  join(house, 'test/sinks/conformance.ts')
)) as typeof import('../sinks/conformance.js');

describeConformance('the example', {
  url: () => `jsonl://${join(files, `${made++}.jsonl`)}`,
  async stored(url) {
    const [, ...lines] = readFileSync(pathOf(url), 'utf8').trim().split('\n');
    const records = new Map<Id, StoredRecord>();
    for (const text of lines) {
      const { id, vector, payload = null } = JSON.parse(text);
      const bytes = Uint8Array.from(Buffer.from(vector, 'base64'));
      records.set(id, { vector: new Uint32Array(bytes.buffer), payload });
    }
    return records;
  },
});

test('the example opens a file whose last line a killed process has torn, and goes on after the one before', async () => {
  const path = join(files, 'torn.jsonl');
  const { JsonlSink } = await import(join(house, 'src/sinks/jsonl.ts'));
  const loaded = async (id: number) => {
    const sink = new JsonlSink(path);
    await sink.open({ dimension: 1, metric: 'cosine', idType: 'number', hasPayloads: false });
    const batch = { sequence: 0, rows: 1, dimension: 1, ids: [id], vectors: Float32Array.of(id) };
    expect(await sink.write(batch, new AbortController().signal)).toMatchObject({ kind: 'ok' });
    const count = await sink.count();
    await sink.close();
    return count;
  };
  writeFileSync(path, '{"dimen');
  expect(await loaded(1)).toBe(1);
  writeFileSync(path, '{"id":2,"vec', { flag: 'a' });
  expect(await loaded(3)).toBe(2);
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).id)).toEqual([undefined, 1, 3]);
});
