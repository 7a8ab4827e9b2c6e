import { rename, stat } from 'node:fs/promises';

/** What SQLite keeps beside a file belongs to it. */
const COMPANIONS = ['-wal', '-shm'];

/**
 * Renames a damaged file and what belongs to it, and returns its new name; undefined if it is gone, or another process
 * has put a new one in its place already.
 * @param fileId inode of the file that was found to be damaged, where known
 */
export async function setAside(
  path: string,
  fileId: number | undefined,
  nowMs: number,
): Promise<string | undefined> {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]/g, '').replace('.', '_');
  const target = `${path}.damaged-${stamp}`;
  const found = await stat(path).catch(() => undefined);
  if (!found || (fileId !== undefined && found.ino !== fileId)) return undefined;
  await rename(path, target);
  for (const suffix of COMPANIONS) await rename(path + suffix, target + suffix).catch(() => {});
  return target;
}
