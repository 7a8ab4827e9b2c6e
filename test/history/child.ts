import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const built = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../dist/${path}`, import.meta.url)));

/** A module's text that has the built `History`, and its arguments. */
const PRELUDE = `
import { History } from ${built('history/history.js')};
const [path, ...words] = process.argv.slice(1);
const record = (writer, n) => ({ database_type: 'qdrant', vector_dimension: 128, batch_size: 256, concurrency: 4,
  throughput_vps: 1000, success: true, ts: Date.now(), writer, n });
`;

/** A process of its own that runs `code` after {@link PRELUDE}; its first argument is `path`. */
export function startChild(code: string, path: string, ...words: string[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', PRELUDE + code, path, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs such a process to its end; returns what it printed. Rejects if it fails. */
export function runChild(code: string, path: string, ...words: string[]): Promise<string> {
  const child = startChild(code, path, ...words);
  let output = '';
  let errors = '';
  child.stdout!.on('data', (data) => {
    output += data;
  });
  child.stderr!.on('data', (data) => {
    errors += data;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) =>
      status === 0 ? resolve(output) : reject(new Error(`ended with ${status ?? signal}: ${errors}`)),
    );
  });
}
