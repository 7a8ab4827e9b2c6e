import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The built command line. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command line as a user would. `onStart` may send signals, and look at what was printed so far. */
export function vbo(
  words: string[],
  options: {
    cwd?: string;
    env?: Record<string, string>;
    uid?: number;
    onStart?: (kill: (signal: NodeJS.Signals) => void, printed: () => string) => unknown;
  } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data;
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data;
  });
  options.onStart?.(
    (signal) => child.kill(signal),
    () => stdout,
  );
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Looks every few milliseconds. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setTimeout(5);
}

/** Until a load has noted its first acknowledged records. */
export const untilSettling = (ledger: string): Promise<void> =>
  until(() => existsSync(ledger) && readFileSync(ledger, 'utf8').includes('"stored"'));

/** A .npy file (version 1.0, little-endian float32, C order): its header, padded to 128 bytes. */
export function npyHeader(rows: number, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const header = Buffer.alloc(128, ' ');
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  header.write(text, 10, 'latin1');
  header[127] = 0x0a;
  return header;
}
