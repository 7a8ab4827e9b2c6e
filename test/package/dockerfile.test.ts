import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/** Instructions of a Dockerfile, continuation lines joined, comments dropped. */
function instructions(text: string): { name: string; words: string[] }[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name, ...words] = line.split(/\s+/);
      return { name: name!.toUpperCase(), words };
    });
}

/** What the build stage makes; everything else that a later stage copies must come from the repository. */
const BUILT = new Set(['node_modules', 'build', 'dist']);
/** Folders that a stage makes by `mkdir`. */
const madeFolders = (all: readonly { name: string; words: string[] }[]): string[] =>
  all.flatMap(({ name, words }) =>
    name === 'RUN' ? words.flatMap((word, i) => (words[i - 1] === 'mkdir' ? [word] : [])) : [],
  );
const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
const all = instructions(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
const stages = all.filter(({ name }) => name === 'FROM');
const last = all.slice(all.lastIndexOf(stages.at(-1)!));

describe('the Dockerfile', () => {
  it('is multi-stage, and its last stage is not the one that builds', () => {
    expect(stages.length).toBeGreaterThan(1);
    expect(last.some(({ name }) => name === 'RUN')).toBe(false);
  });

  it('copies only what exists in the repository or was built', () => {
    const missing: string[] = [];
    for (const { words } of all.filter(({ name }) => name === 'COPY')) {
      const fromStage = words.some((word) => word.startsWith('--from='));
      const paths = words.filter((word) => !word.startsWith('--')).slice(0, -1);
      for (const path of paths) {
        const inside = path.replace(/^\/app\//, '');
        const ok = fromStage
          ? BUILT.has(inside) || madeFolders(all).includes(path) || existsSync(join(ROOT, inside))
          : existsSync(join(ROOT, inside)) && !ignored.includes(inside);
        if (!ok) missing.push(path);
      }
    }
    expect(missing).toEqual([]);
  });

  it('brings along what the build’s commands name', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const copied = all.flatMap(({ name, words }) => (name === 'COPY' ? words.slice(0, -1) : []));
    const named = Object.entries(scripts)
      .filter(([name]) => name.startsWith('build:'))
      .flatMap(([, command]) => [...command.matchAll(/[\w./-]+\.(?:mjs|json|ts)\b/g)].map(([file]) => file));
    expect(named.length).toBeGreaterThan(2);
    expect(
      named.filter((file) => !copied.some((path) => file === path || file.startsWith(`${path}/`))),
    ).toEqual([]);
  });

  it('lets the user write to the one volume, and nowhere else', () => {
    const volumes = last.filter(({ name }) => name === 'VOLUME').flatMap(({ words }) => words);
    expect(volumes).toEqual(['/data']);
    const owned = last.filter(({ name, words }) => name === 'COPY' && words.includes('--chown=node:node'));
    expect(owned.map(({ words }) => words.at(-1))).toEqual(['/data']);
  });

  it('runs as a user without privileges and says how to tell its health', () => {
    expect(last.filter(({ name }) => name === 'USER').map(({ words }) => words[0])).toEqual(['node']);
    expect(last.some(({ name }) => name === 'HEALTHCHECK')).toBe(true);
  });

  it('starts the command line that the package ships', () => {
    const entry = last.find(({ name }) => name === 'ENTRYPOINT')!.words.join(' ');
    const bin = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: { vbo: string } }).bin
      .vbo;
    expect(entry).toContain(bin.replace('./', ''));
    expect(existsSync(join(ROOT, bin.replace('./dist', './src').replace(/\.js$/, '.ts')))).toBe(true);
  });
});
