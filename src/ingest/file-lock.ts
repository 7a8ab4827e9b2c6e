import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

/**
 * Says that a file has a writer, for as long as that process lives: beside it lies `FILE.lock`, a link whose target
 * names the process, by its number, when it began, and the machine's boot. It is made in one step, so it is never
 * there without its owner's name; and what `kill -9` leaves behind names nobody any more.
 *
 * It tells processes of one machine and one container apart. Where links cannot be made there is no lock.
 */
export class FileLock {
  readonly #path: string | undefined;

  private constructor(path: string | undefined) {
    this.#path = path;
  }

  /** @throws VBO_ERR_IN_USE if a living process has it, this one included */
  static take(file: string): FileLock {
    const path = `${file}.lock`;
    const me = ownerOf(process.pid);
    if (me === undefined) return new FileLock(undefined);
    for (;;) {
      try {
        symlinkSync(me, path);
        return new FileLock(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return new FileLock(undefined);
      }
      const owner = targetOf(path);
      // It has just gone.
      if (owner === undefined) continue;
      // Something else bears the name of the lock, and is nobody's to remove.
      if (owner === '') return new FileLock(undefined);
      if (isAlive(owner)) throw inUse(file, owner);
      removeDead(path, owner);
    }
  }

  release(): void {
    if (this.#path !== undefined) remove(this.#path);
  }
}

/**
 * Only one process at a time may remove what a dead one left: two could each find it, and the second remove the lock
 * that the first has taken meanwhile.
 */
function removeDead(path: string, owner: string): void {
  const lock = FileLock.take(path);
  try {
    if (targetOf(path) === owner) remove(path);
  } finally {
    lock.release();
  }
}

/** What a link says; undefined if there is nothing, empty if it is no link. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : '';
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // Somebody has removed it by hand.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const isAlive = (owner: string): boolean => ownerOf(Number.parseInt(owner, 10)) === owner;

/** A process by its number and when it began: numbers are used again. Undefined if there is none, or it is only left to be reaped. */
function ownerOf(pid: number): string | undefined {
  try {
    const began = process.platform === 'linux' ? beganOnLinux(pid) : beganByPs(pid);
    return began && `${pid}.${began}`;
  } catch {
    return undefined;
  }
}

/** In clock ticks since the boot, which has an id. */
function beganOnLinux(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field is the command in parentheses, and may hold some itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${fields[18]}.${boot}`;
}

function beganByPs(pid: number): string | undefined {
  const options = { encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' }, stdio: 'pipe' } as const;
  const [state, ...began] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], options)
    .trim()
    .split(/\s+/);
  return state === undefined || state.startsWith('Z') ? undefined : began.join('-');
}

function inUse(file: string, owner: string): VectorBatchError {
  const pid = Number.parseInt(owner, 10);
  return new VectorBatchError(
    'VBO_ERR_IN_USE',
    `${describe(file)} is in use by another load, of process ${pid}: wait for its end, or name another file.`,
    { details: { path: file, pid } },
  );
}
