import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { VectorBatchError } from '../../core/errors.js';
import type { ServerConfig } from '../config.js';
import { Gate } from '../gate.js';
import { HttpError } from '../http-error.js';
import { type DecodedLayout, decodeLayout, type LayoutFormat } from './decode.js';

/** A worker always runs the built file; see `pool/pool.ts`. */
const WORKER = fileURLToPath(new URL('../../../dist/server/layout/decode-worker.js', import.meta.url));
/** Smaller bodies are decoded at once: about a millisecond. */
const INLINE_BYTES = 65_536;
const THREADS = 2;
const IDLE_MS = 30_000;
/** A number of JSON takes two bytes at least, and a hundred times that is more than any parser needs. */
const HEAP_MB_PER_BODY_MB = 50;
const LEAST_HEAP_MB = 256;

/** Decodes bodies of vectors, large ones on worker threads that are there while there is work for them. */
export class LayoutDecoder {
  readonly #heapMb: number;
  readonly #gate: Gate;
  #pool: Promise<Piscina> | undefined;

  constructor({ bodyLimitBytes, queueLimit, requestTimeoutMs: timeoutMs }: ServerConfig) {
    this.#heapMb = Math.max(LEAST_HEAP_MB, (HEAP_MB_PER_BODY_MB * bodyLimitBytes) / 1e6);
    this.#gate = new Gate({ running: THREADS, queueLimit, timeoutMs });
  }

  /** @throws HttpError 400, 503 when too many wait; VBO_ERR_POOL, VBO_ERR_TIMEOUT */
  async decode(bytes: Uint8Array, format: LayoutFormat): Promise<unknown> {
    const decoded =
      bytes.byteLength <= INLINE_BYTES
        ? decodeLayout(bytes, format)
        : await this.#gate.run(() => this.#onWorker(bytes, format));
    if ('body' in decoded) return decoded.body;
    const { message, ...problem } = decoded.problem;
    if (message !== undefined) throw new HttpError('VBO_HTTP_BAD_REQUEST', message);
    throw new HttpError('VBO_HTTP_BAD_REQUEST', `${problem.path}: expected ${problem.expected}.`, {
      details: [problem],
    });
  }

  async close(): Promise<void> {
    await (await this.#pool)?.close();
  }

  async #onWorker(bytes: Uint8Array, format: LayoutFormat): Promise<DecodedLayout> {
    this.#pool ??= this.#start();
    try {
      return (await (await this.#pool).run({ bytes, format })) as DecodedLayout;
    } catch (cause) {
      throw new VectorBatchError('VBO_ERR_POOL', 'The worker that decoded the body died.', { cause });
    }
  }

  async #start(): Promise<Piscina> {
    const { Piscina } = await import('piscina');
    const pool = new Piscina({
      filename: WORKER,
      minThreads: 0,
      maxThreads: THREADS,
      idleTimeout: IDLE_MS,
      resourceLimits: { maxOldGenerationSizeMb: this.#heapMb },
    });
    pool.on('error', () => {});
    return pool;
  }
}
