import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyHeader, vbo } from './vbo.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'vbo-unreachable-'));
  const values = Float32Array.from({ length: 40 }, (_, i) => i + 1);
  writeFileSync(join(cwd, 'rows.npy'), Buffer.concat([npyHeader(10, 4), Buffer.from(values.buffer)]));
  writeFileSync(join(cwd, 'file'), 'not a folder');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const ingest = (url: string, env: Record<string, string> = {}) =>
  vbo(['ingest', 'rows.npy', '--to', url], { cwd, env });

describe('a database that cannot be reached', () => {
  it.each([
    ['chroma://127.0.0.1:1/items', 'ECONNREFUSED 127.0.0.1:1'],
    ['qdrant://127.0.0.1:1/items', 'ECONNREFUSED 127.0.0.1:1'],
    ['qdrant://127.0.0.1:1/items?transport=grpc', 'ECONNREFUSED 127.0.0.1:1'],
    ['nebula://root:s3cret@127.0.0.1:1/space?tag=t', 'ECONNREFUSED 127.0.0.1:1'],
    ['postgres://me:s3cret@127.0.0.1:1/db?table=t', 'ECONNREFUSED 127.0.0.1:1'],
    ['lancedb://file/db?table=t', 'Not a directory'],
    ['pglite://file/db?table=t', 'not a directory'],
    ['sqlite://nowhere/db.sqlite?table=t', 'Unable to open'],
  ])('%s: one line that says so and what to do, exit 1', async (url, why) => {
    const { code, stdout, stderr } = await ingest(url);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^vbo: VBO_ERR_SINK_UNREACHABLE: [^\n]+\n$/);
    expect(stderr).toContain(why);
    expect(stderr).toContain('Check that the database is running and that the URL is right.');
    expect(stderr).not.toContain('s3cret');
  });
});

/** Node's options for a process in which a package is not installed. */
function without(packageName: string): Record<string, string> {
  const hooks = `export async function resolve(name, context, next) {
    if (name === ${JSON.stringify(packageName)} || name.startsWith(${JSON.stringify(`${packageName}/`)}))
      throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  }`;
  const register = `import { register } from 'node:module';
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(register)}` };
}

describe('a database whose package is not installed', () => {
  it.each([
    ['lancedb://./db?table=t', '@lancedb/lancedb'],
    ['pglite://./pg?table=t', '@electric-sql/pglite'],
    ['postgres://me@127.0.0.1:1/db?table=t', 'pg'],
    ['nebula://root:nebula@127.0.0.1:1/space?tag=t', '@nebula-contrib/nebula-nodejs'],
  ])('%s without %s: one line with the command that installs it, exit 1', async (url, packageName) => {
    const { code, stdout, stderr } = await ingest(url, without(packageName));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^vbo: VBO_ERR_MISSING_PACKAGE: [^\n]+\n$/);
    expect(stderr).toMatch(new RegExp(`npm install [^\\n]*${packageName}`));
  });
});
