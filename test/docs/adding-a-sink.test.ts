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
