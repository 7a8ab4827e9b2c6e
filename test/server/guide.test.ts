import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { HTTP_CODES } from '../../src/server/http-error.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { tempFolder, writeNpy } from './support.js';

const guide = readFileSync(resolve(import.meta.dirname, '../../docs/http-api.md'), 'utf8');
const folder = tempFolder();
const sources = join(folder, 'sources');
mkdirSync(sources);
writeNpy(join(sources, 'embeddings.npy'), 1000, 8);
const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(
  optimizer,
  readServerConfig({
    VBO_ALLOWED_SOURCES: sources,
    VBO_ALLOWED_SINKS: 'null://',
    VBO_RUN_DIRECTORY: join(folder, 'runs'),
  }),
);
const origin = await app.listen({ host: '127.0.0.1', port: 0 });
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

function shell(script: string): Promise<{ code: number | null; stdout: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data;
  });
  return new Promise((done) => child.on('close', (code) => done({ code, stdout })));
}

describe('the guide to the service', () => {
  const scripts = [...guide.matchAll(/```sh\n(.*?)```/gs)].map(([, script]) => script!);

  it('has scripts', () => expect(scripts.length).toBeGreaterThan(7));

  it.each(scripts)('has lines that work: %s', async (script) => {
    const { code, stdout } = await shell(script.replaceAll('http://127.0.0.1:8001', origin));
    expect(code).toBe(0);
    if (!script.includes('-o block.vbo')) expect(stdout.trim()).not.toBe('');
  });

  it('lists every code of the service with its status', () => {
    const rows = [...guide.matchAll(/^\| `(VBO_HTTP_\w+)` \| (\d+) \|/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).toEqual(HTTP_CODES);
  });
});
