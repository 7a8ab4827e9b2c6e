import { spawn } from 'node:child_process';
import { MAIN } from '../cli/vbo.js';

/**
 * The built service as a process of its own, on a port of its own.
 * @param fileBlocks no file may grow beyond so many blocks of 512 bytes: what is written past it fails, as on a full disk
 */
export async function startService(
  env: Record<string, string>,
  { fileBlocks }: { fileBlocks?: number } = {},
) {
  const serve = [process.execPath, MAIN, 'serve', '--port', '0', '--json'];
  const limited = ['sh', '-c', `ulimit -f ${fileBlocks}; exec "$0" "$@"`, ...serve];
  const [command, ...words] = fileBlocks === undefined ? serve : limited;
  const child = spawn(command!, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let stdout = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      stdout += data;
      const found = /"url":\s*"([^"]+)"/.exec(stdout)?.[1];
      if (found) resolve(found);
    });
    void exit.then((code) => reject(new Error(`vbo serve ended with ${code}.`)));
  });
  return {
    url,
    pid: child.pid!,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    /** Resolves with the exit code. */
    stop: () => {
      child.kill('SIGTERM');
      return exit;
    },
  };
}
