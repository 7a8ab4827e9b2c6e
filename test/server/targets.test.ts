import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readServerConfig } from '../../src/server/config.js';
import { targetsOf } from '../../src/server/runs/targets.js';
import { tempFolder } from './support.js';

const folder = tempFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what a run may be started with', () => {
  it('names the vector files of the allowed folders and the sinks, without what is secret', async () => {
    for (const name of ['b.npy', 'a.ndjson.gz', 'notes.txt']) writeFileSync(join(folder, name), '');
    mkdirSync(join(folder, 'deep.npy'));
    const config = readServerConfig({
      VBO_ALLOWED_SOURCES: `${folder},${join(folder, 'missing')}`,
      VBO_ALLOWED_SINKS: 'qdrant://key:sec@ret@localhost:6333/team?api_key_env=NAME,null://',
    });
    expect(await targetsOf(config)).toEqual({
      sources: ['a.ndjson.gz', 'b.npy'],
      sinks: ['qdrant://localhost:6333/team', 'null://'],
    });
    expect(await targetsOf(readServerConfig({}))).toEqual({ sources: [], sinks: [] });
  });
});
