import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command line. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command line as a user would. `onStart` may send signals. */
export function vbo(
  words: string[],
  options: {
    cwd?: string;
    env?: Record<string, string>;
    onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd,
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
  options.onStart?.((signal) => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A .npy file (version 1.0, little-endian float32, C order): its header, padded to 128 bytes. */
export function npyHeader(rows: number, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const header = Buffer.alloc(128, ' ');
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  header.write(text, 10, 'latin1');
  header[127] = 0x0a;
  return header;
}
