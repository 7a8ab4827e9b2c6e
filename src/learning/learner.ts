import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { proxy, type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { VectorBatchError } from '../core/errors.js';
import { type Logger, silentLogger } from '../core/logger.js';
import type { LearningProgress, RecordPages } from './tasks.js';
import type { RemoteLearner, TaskAnswer, TaskInput, TaskName, TaskResult } from './worker.js';

export interface RunOptions {
  /** Makes what the task reads, anew if it has to be run again. Default: nothing. */
  pages?: () => RecordPages;
  onProgress?: (progress: LearningProgress) => void;
  /** Ends the task: its worker is stopped, and it rejects with VBO_ERR_ABORTED. */
  signal?: AbortSignal;
}

const NO_PAGES: RecordPages = { next: async () => undefined };
/** How often a task is given to another worker after its worker died. */
const RETRIES = 1;
/** A thread that has learnt from many records holds their memory (90 MB after 5,000); it is given back. */
const IDLE_MS = 30_000;

// The worker bypasses a test runner's transform, so it always runs the built file; it stands in the same place
// relative to src/learning and dist/learning.
const WORKER_PATH = fileURLToPath(new URL('../../dist/learning/worker.js', import.meta.url));

/**
 * A worker thread that learns, off the event loop, one task at a time. It starts with the first task, and ends when it
 * has had nothing to do for a while; meanwhile it keeps no process alive. One that dies is replaced and its task begun
 * again, once.
 */
export class Learner {
  readonly #logger: Logger;
  readonly #idleMs: number;
  #employed: Employed | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Under way or waiting. */
  #tasks = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Settles when the last worker that was sent away has ended. */
  #dismissed: Promise<unknown> | undefined;
  #isClosed = false;

  /** @param options.idleMs how long a worker with nothing to do stays */
  constructor({ logger = silentLogger, idleMs = IDLE_MS }: { logger?: Logger; idleMs?: number } = {}) {
    this.#logger = logger;
    this.#idleMs = idleMs;
  }

  /** The thread that is alive now; none before the first task, and after a while without any. */
  get worker(): Worker | undefined {
    return this.#employed?.worker;
  }

  /**
   * Runs a task after those before it.
   * @throws what the task throws; VBO_ERR_LEARNER if its workers die; VBO_ERR_ABORTED; VBO_ERR_CLOSED
   */
  run<K extends TaskName>(name: K, input: TaskInput<K>, options: RunOptions = {}): Promise<TaskResult<K>> {
    clearTimeout(this.#idle);
    this.#tasks++;
    const result = this.#queue.then(() => this.#runWithRetries(name, input, options));
    this.#queue = result
      .catch(() => {})
      .then(() => {
        if (--this.#tasks > 0) return;
        this.#idle = setTimeout(() => void this.#dismiss(), this.#idleMs).unref();
      });
    return result;
  }

  /** Stops the worker; a task under way rejects with VBO_ERR_CLOSED, and so do those that wait. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#dismiss();
    await this.#queue;
    clearTimeout(this.#idle);
  }

  async #runWithRetries<K extends TaskName>(
    name: K,
    input: TaskInput<K>,
    options: RunOptions,
  ): Promise<TaskResult<K>> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#attempt(name, input, options);
      if ('value' in answer) return answer.value;
      if ('error' in answer) {
        const { code, message, details } = answer.error;
        throw new VectorBatchError(code, message, { details });
      }
      const { death } = answer;
      if (this.#isClosed) throw new VectorBatchError('VBO_ERR_CLOSED', 'The learner was closed.');
      if (options.signal?.aborted) {
        throw new VectorBatchError('VBO_ERR_ABORTED', 'Learning was aborted.', {
          cause: options.signal.reason,
        });
      }
      if (attempt === RETRIES) {
        throw new VectorBatchError(
          'VBO_ERR_LEARNER',
          `The learner lost its worker ${RETRIES + 1} times in a row: ${death.message}`,
          { cause: death },
        );
      }
      this.#logger.warn({ task: name }, `The learner's worker died and is replaced: ${death.message}`);
    }
  }

  /** The worker's answer, or why it died. */
  async #attempt<K extends TaskName>(
    name: K,
    input: TaskInput<K>,
    { pages, onProgress = () => {}, signal }: RunOptions,
  ): Promise<TaskAnswer<K> | { readonly death: Error }> {
    if (this.#isClosed || signal?.aborted) return { death: new Error('not begun') };
    const { worker, remote, death } = this.#employ();
    const stop = () => void this.#dismiss();
    signal?.addEventListener('abort', stop, { once: true });
    worker.ref();
    try {
      const listener = proxy((progress: LearningProgress) => onProgress(progress));
      const answer = remote.run(name, input, proxy(pages?.() ?? NO_PAGES), listener);
      return await Promise.race([
        answer as Promise<TaskAnswer<K>>,
        death.then((error) => ({ death: error })),
      ]);
    } finally {
      signal?.removeEventListener('abort', stop);
      worker.unref();
    }
  }

  #employ(): Employed {
    if (this.#employed) return this.#employed;
    const employed = employ();
    this.#employed = employed;
    void employed.death.then(() => {
      if (this.#employed === employed) this.#employed = undefined;
    });
    return employed;
  }

  async #dismiss(): Promise<void> {
    const employed = this.#employed;
    this.#employed = undefined;
    this.#dismissed = employed?.worker.terminate() ?? this.#dismissed;
    await this.#dismissed;
  }
}

interface Employed {
  readonly worker: Worker;
  readonly remote: Remote<RemoteLearner>;
  /** Resolves when the worker has ended. */
  readonly death: Promise<Error>;
}

function employ(): Employed {
  // What this process was started with, a loader or `-e`, is not for the built file.
  const worker = new Worker(WORKER_PATH, { execArgv: [] });
  const death = new Promise<Error>((resolve) => {
    let cause: Error | undefined;
    worker.once('error', (error: Error) => {
      cause = error;
    });
    worker.once('exit', (code) => {
      resolve(cause ?? new Error(`it ended with code ${code}`));
    });
  });
  return { worker, remote: wrap<RemoteLearner>(nodeEndpoint(worker)), death };
}
