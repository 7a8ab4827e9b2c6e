import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { FileLock } from '../../src/ingest/file-lock.js';
import { ingest } from '../../src/ingest/ingest.js';
import { accept, error, kernels, load, TestSink, TestSource } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'lock-'));
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
let files = 0;
const file = () => join(folder, `${files++}.ledger`);

const MODULE = new URL('../../dist/ingest/file-lock.js', import.meta.url).href;
/** Says whether it got the lock, and keeps it. */
const program = (path: string) => `
  const { FileLock } = await import(${JSON.stringify(MODULE)});
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('data', resolve));
  try {
    FileLock.take(${JSON.stringify(path)});
    console.log('taken');
  } catch (error) {
    console.log(error.code);
  }`;

/** A process that asks for the lock when it is told to. */
function contender(path: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(path)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  return {
    child,
    answer: once(child.stdout!, 'data').then(([data]) => String(data).trim()),
    go: () => child.stdin!.write('go\n'),
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      children.delete(child);
    },
  };
}

it('a lock is one process’s until it lets it go', () => {
  const path = file();
  const lock = FileLock.take(path);
  expect(() => FileLock.take(path)).toThrowError(
    expect.objectContaining({ code: 'VBO_ERR_IN_USE', details: { path, pid: process.pid } }),
  );
  lock.release();
  FileLock.take(path).release();
  expect(readdirSync(folder)).toEqual([]);
});

it('a lock holds while its process lives, and no longer, though it was killed', async () => {
  const path = file();
  const other = contender(path);
  other.go();
  expect(await other.answer).toBe('taken');
  expect(() => FileLock.take(path)).toThrowError(
    expect.objectContaining({ details: { path, pid: other.child.pid } }),
  );
  await other.kill();
  FileLock.take(path).release();
});

it('a lock of a process whose number another has now holds nobody off', () => {
  const path = file();
  symlinkSync(`${process.pid}.1.another-boot`, `${path}.lock`);
  FileLock.take(path).release();
});

it.runIf(process.platform === 'linux')(
  'a killed process that nobody has reaped holds nobody off',
  async () => {
    const path = file();
    const script = `${JSON.stringify(process.execPath)} --input-type=module -e "$PROGRAM" & echo $! && exec sleep 600`;
    const parent = spawn('sh', ['-c', `echo go | ${script}`], {
      env: { ...process.env, PROGRAM: `${program(path)}\nsetInterval(() => {}, 1000);` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(parent);
    let printed = '';
    for await (const data of parent.stdout!) {
      printed += data;
      if (printed.includes('taken')) break;
    }
    const pid = Number(/\d+/.exec(printed)![0]);
    expect(() => FileLock.take(path)).toThrowError(expect.objectContaining({ details: { path, pid } }));
    process.kill(pid, 'SIGKILL');
    for (let lock: FileLock | undefined; !lock; await new Promise(setImmediate)) {
      try {
        lock = FileLock.take(path);
        lock.release();
      } catch {}
    }
  },
);

it('of many that come upon a dead process’s lock at once one gets it', async () => {
  const path = file();
  symlinkSync('1.1.another-boot', `${path}.lock`);
  const many = Array.from({ length: 6 }, () => contender(path));
  await Promise.all(many.map(({ child }) => once(child, 'spawn')));
  for (const { go } of many) go();
  const answers = await Promise.all(many.map(({ answer }) => answer));
  expect(answers.filter((answer) => answer === 'taken')).toHaveLength(1);
  expect(new Set(answers)).toEqual(new Set(['taken', 'VBO_ERR_IN_USE']));
  await Promise.all(many.map(({ kill }) => kill()));
});

it('what is no lock but bears its name is left alone', () => {
  const path = file();
  writeFileSync(`${path}.lock`, 'mine');
  FileLock.take(path).release();
  expect(readdirSync(folder)).toContain(`${files - 1}.ledger.lock`);
});

it('a second load with the same ledger, or the same dead letters, is refused while the first goes on', async () => {
  const clock = new VirtualClock();
  const [ledger, deadLetters] = [file(), file()];
  const options = { ledger, deadLetters, resume: true };
  const source = () => new TestSource({ rows: 300, rejects: new Set([0]) });
  const second: { error?: unknown; stored: number }[] = [];
  const sink = new TestSink(clock, async (batch, _, request) => {
    if (request > 0) return accept(batch);
    while (!existsSync(deadLetters)) await new Promise(setImmediate);
    for (const own of [options, { ...options, ledger: file() }]) {
      const other = new TestSink(clock);
      const { error } = await load(new VirtualClock(), source(), other, own);
      second.push({ error, stored: other.stored.size });
    }
    return accept(batch);
  });
  const first = await ingest({ kernels }, source(), sink, options);
  expect(first).toMatchObject({ acknowledged: 299, rejected: 1 });
  expect(second[0]).toMatchObject({
    error: { code: 'VBO_ERR_IN_USE', details: { path: ledger } },
    stored: 0,
  });
  expect(second[1]).toMatchObject({ error: { code: 'VBO_ERR_IN_USE', details: { path: deadLetters } } });
  // Each lets go of what it has, also when it fails.
  const failing = new TestSink(clock, () => ({ kind: 'fatal', error: error('401') }));
  const again = { ledger: file(), deadLetters, resume: true };
  expect((await load(clock, source(), failing, again)).error?.message).toBe('401');
  expect((await load(clock, source(), new TestSink(clock), again)).error).toBeUndefined();
});
