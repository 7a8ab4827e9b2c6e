import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { describe } from '../../core/check.js';
import { VectorBatchError } from '../../core/errors.js';
import { HttpError } from '../http-error.js';

/**
 * The real path of a file that a run may read: a regular file that lies, every link followed, below one of `roots`.
 * Outside of them nothing is told apart, so that nobody can ask what exists.
 * @throws HttpError 403, VBO_ERR_FILE_NOT_FOUND for a file that is missing below a root
 */
export async function allowedSource(text: string, roots: readonly string[]): Promise<string> {
  if (roots.length === 0) throw forbidden('No sources are allowed: VBO_ALLOWED_SOURCES is not set.');
  if (!text.includes('\0')) {
    let isInside = false;
    for (const root of roots) {
      const path = isAbsolute(text) ? resolve(text) : resolve(root, text);
      if (!isBelow(path, resolve(root))) continue;
      isInside = true;
      const [real, realRoot] = await Promise.all([realPathOrNone(path), realPathOrNone(root)]);
      if (real === undefined || realRoot === undefined) continue;
      if (!isBelow(real, realRoot)) throw outside(text);
      if ((await stat(real)).isFile()) return real;
    }
    if (isInside) {
      throw new VectorBatchError('VBO_ERR_FILE_NOT_FOUND', `There is no file ${describe(text)}.`, {
        details: { argument: 'source', value: text },
      });
    }
  }
  throw outside(text);
}

/**
 * A path that need not exist yet, with every link in the part that does followed; undefined where a link leads nowhere,
 * for whatever is created would follow it.
 */
export async function realPathOf(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  let existing = resolve(path);
  for (;;) {
    const real = await realPathOrNone(existing);
    if (real !== undefined) return join(real, ...missing);
    const isLink = await lstat(existing).then(
      (entry) => entry.isSymbolicLink(),
      () => false,
    );
    if (isLink || dirname(existing) === existing) return undefined;
    missing.unshift(basename(existing));
    existing = dirname(existing);
  }
}

/** Is `path` the folder itself or in it? Both absolute and without `..`. */
export function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

async function realPathOrNone(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch {
    return undefined;
  }
}

const outside = (text: string): HttpError =>
  forbidden(`The source ${describe(text)} is not below a folder of VBO_ALLOWED_SOURCES.`);

export const forbidden = (message: string): HttpError => new HttpError('VBO_HTTP_FORBIDDEN', message);
