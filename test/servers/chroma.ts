import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Where `install-chroma.sh` puts it. */
const CLI = fileURLToPath(new URL('../../.cache/chroma/node_modules/chromadb/dist/cli.mjs', import.meta.url));
const START_PATIENCE_MS = 30_000;

/** `CHROMA_URL=http://HOST:PORT` names a server to use instead of one of our own. */
const given = process.env.CHROMA_URL;

/** Whether {@link startChroma} can start a server, or is given one. */
export const hasChroma = given !== undefined || existsSync(CLI);
/** Whether servers can be started that may be killed. */
export const canStartChroma = existsSync(CLI);

/** A Chroma server to talk to. */
export interface Chroma {
  /** `HOST:PORT` */
  readonly address: string;
  /** Ends the server, if it is our own, and removes what it stored. */
  close(): Promise<void>;
}

/** The server that `CHROMA_URL` names, or one of our own with an empty folder. */
export async function startChroma(): Promise<Chroma> {
  if (given === undefined) return ChromaServer.start();
  return { address: new URL(given).host, close: async () => {} };
}

/** A real Chroma server in a process of its own, on a free port of the loopback. */
export class ChromaServer implements Chroma {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'chroma-'));
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<ChromaServer> {
    const server = new ChromaServer(await freePort());
    await server.resume();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts the server again, with what it had stored, at the same address; returns when it answers. */
  async resume(): Promise<void> {
    const words = ['run', '--path', this.#folder, '--host', '127.0.0.1', '--port', String(this.port)];
    const child = spawn(process.execPath, [CLI, ...words], {
      stdio: 'ignore',
      env: { ...process.env, ANONYMIZED_TELEMETRY: 'false' },
    });
    this.#process = child;
    for (let waitedMs = 0; waitedMs < START_PATIENCE_MS; waitedMs += 50) {
      if (child.exitCode !== null) break;
      const answers = await fetch(`http://${this.address}/api/v2/heartbeat`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (answers) return;
      await sleep(50);
    }
    await this.kill();
    throw new Error(`No Chroma server answers at ${this.address}.`);
  }

  /** Is killed and, after a while, started again with what it had stored. */
  async restart(downMs: number): Promise<void> {
    await this.kill();
    await sleep(downMs);
    await this.resume();
  }

  /** Ends the server as a power cut would; what it acknowledged stays in its folder. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
