import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** The floors from the ground up: a file imports its own floor or a lower one. */
const FLOORS = [
  'core',
  'kernels',
  'pool',
  'vectors',
  'model',
  'optimizer',
  'control',
  'history',
  'learning',
  'ingest',
  'sources',
  'sinks',
  'server',
  'dashboard',
  'client',
  'cli',
];

/** The public faces stand above everything but the command line and the server, which use them. */
const floorOf = (path: string): string => (path.includes('/') ? path.split('/')[0]! : 'face');
const heightOf = (floor: string): number =>
  floor === 'face' ? FLOORS.indexOf('sinks') + 0.5 : FLOORS.indexOf(floor);

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, target]) =>
    relative(SRC, resolve(SRC, file, '..', target!)).replace(/\.js$/, '.ts'),
  );
}

describe('the house', () => {
  it('has only the floors that the design names', () => {
    const floors = new Set(files.map(floorOf));
    floors.delete('face');
    expect([...floors].filter((floor) => !FLOORS.includes(floor))).toEqual([]);
  });

  it('imports only downwards, types included', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => heightOf(floorOf(target)) > heightOf(floorOf(file)))
        .map((target) => `${file} -> ${target}`),
    );
    expect(upward).toEqual([]);
  });

  it('takes TypeBox at run time from the schemas alone, where it is bundled: whole it slows every start down', () => {
    const users = files.filter((file) =>
      /import (?!type )[^;]*? from 'typebox/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((file) => !file.startsWith('server/schemas/'))).toEqual([]);
  });

  it('lets the client know the schemas’ types and the core, nothing of the server at run time', () => {
    const foreign = files
      .filter((file) => file.startsWith('client/'))
      .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
      .filter(({ target }) => !/^(client|core|server\/schemas)\//.test(target))
      .map(({ file, target }) => `${file} -> ${target}`);
    expect(foreign).toEqual([]);
    const values = files
      .filter((file) => file.startsWith('client/'))
      .filter((file) =>
        /^(import|export) (?!type )[^;]*'\.\.\/server\//m.test(readFileSync(join(SRC, file), 'utf8')),
      );
    expect(values).toEqual([]);
  });

  it('keeps each file one noun: none is longer than 400 lines', () => {
    const long = files
      .map((file) => ({ file, lines: readFileSync(join(SRC, file), 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });

  it('reads the machine’s clock and chance only where they are handed in', () => {
    const allowed = new Set(['core/clock.ts']);
    const offenders = files.filter(
      (file) =>
        !allowed.has(file) &&
        !/^(server|dashboard|client|cli)\//.test(file) &&
        /\b(Date\.now|performance\.now|Math\.random)\(/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(offenders).toEqual([]);
  });
});
