import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { systemClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import { median } from '../core/statistics.js';
import type { KernelCall, KernelRunner, Kernels } from '../kernels/kernels.js';
import { allocateMatrix, sliceRows } from '../kernels/matrix.js';
import { minMaxFloat32, minMaxScratchBytes } from '../kernels/range.js';
import type { PoolAnswer, PoolTask, WorkerData } from './worker.js';

export interface PoolOptions {
  /** Worker threads. 0 runs everything inline. Default: the machine's cores, at most 8. */
  threads?: number;
}

/** How busy a pool is. All 0 before the first large call starts it. */
export interface PoolStatistics {
  readonly threads: number;
  /** Tasks that wait for a thread. */
  readonly queued: number;
  readonly completed: number;
  /** Share of the threads' time since the start that tasks took, 0..1. */
  readonly utilization: number;
}

/** Below this the pool is not even started, bytes. */
const START_BYTES = 256 * 1024;
/** A call longer than this leaves the event loop, even where a second thread would not make it faster, ms. */
const LONGEST_INLINE_MS = 0.5;
/** How often a task is given to another worker after its worker died. */
const RETRIES = 2;
const CALIBRATION_BYTES = 256 * 1024;
const CALIBRATION_ROUNDS = 9;

// Workers bypass a test runner's transform, so they always run the built file; it stands in the same
// place relative to src/pool and dist/pool.
const WORKER_PATH = fileURLToPath(new URL('../../dist/pool/worker.js', import.meta.url));

/**
 * Runs kernel calls on worker threads that share the kernels' memory, or inline where a round trip would cost
 * more than it gains. The first large call starts the workers and measures where that break-even lies.
 *
 * A worker that dies is replaced and its task given to another; kernels only write results they derive from
 * inputs they leave alone, so a second run is safe. After {@link RETRIES} deaths of the same task it fails
 * with VBO_ERR_POOL.
 */
export class KernelPool implements KernelRunner {
  readonly threads: number;
  readonly #kernels: Kernels;
  #piscina: Piscina<PoolTask, PoolAnswer> | undefined;
  #started: Promise<{ piscina: Piscina<PoolTask, PoolAnswer>; breakEvenBytes: number }> | undefined;
  #lastWorkerGone = createAbort();
  #closed = false;

  constructor(kernels: Kernels, options: PoolOptions = {}) {
    this.#kernels = kernels;
    this.threads = options.threads ?? Math.min(8, availableParallelism());
  }

  /** Bytes of work from which a call goes to the workers; Infinity without workers. Starts the pool. */
  async breakEvenBytes(): Promise<number> {
    return this.threads === 0 ? Number.POSITIVE_INFINITY : (await this.#start()).breakEvenBytes;
  }

  /**
   * Into how many calls work of `workBytes` is best split: 1 below the break-even, else one per thread.
   * Starts the pool when the work is large.
   */
  async partsFor(workBytes: number): Promise<number> {
    if (this.threads < 2 || workBytes < START_BYTES) return 1;
    return workBytes < (await this.breakEvenBytes()) ? 1 : this.threads;
  }

  /**
   * Runs the calls; results come in their order.
   * @throws VBO_ERR_POOL after repeated deaths of workers, VBO_ERR_INTERNAL on a trap, VBO_ERR_CLOSED.
   */
  async run(calls: readonly KernelCall[]): Promise<number[]> {
    if (this.#closed) throw new VectorBatchError('VBO_ERR_CLOSED', 'The kernel pool is closed.');
    const workBytes = calls.reduce((sum, call) => sum + call.workBytes, 0);
    if (this.threads === 0 || workBytes < START_BYTES) return this.#kernels.run(calls);
    const { piscina, breakEvenBytes } = await this.#start();
    if (workBytes < breakEvenBytes) return this.#kernels.run(calls);
    return Promise.all(calls.map((call) => this.#runOnWorker(piscina, call)));
  }

  /** The threads that are alive now: none before the first large call. */
  workers(): readonly Worker[] {
    return this.#piscina?.threads ?? [];
  }

  statistics(): PoolStatistics {
    const { threads = [], queueSize = 0, completed = 0, utilization = 0 } = this.#piscina ?? {};
    return { threads: threads.length, queued: queueSize, completed, utilization };
  }

  /** Waits for running tasks, then ends every worker. The pool cannot be used afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    const started = this.#started;
    this.#started = undefined;
    if (!started) return;
    const { piscina } = await started;
    await piscina.close();
  }

  async #runOnWorker(piscina: Piscina<PoolTask, PoolAnswer>, call: KernelCall): Promise<number> {
    let death: unknown;
    for (let attempt = 0; attempt <= RETRIES; attempt++) {
      let answer: PoolAnswer;
      try {
        const signal = this.#lastWorkerGone.signal;
        answer = await piscina.run({ name: call.name, args: call.args }, { signal });
      } catch (error) {
        if (this.#closed)
          throw new VectorBatchError('VBO_ERR_CLOSED', 'The kernel pool was closed during a task.');
        death = error;
        continue;
      }
      if ('trap' in answer)
        throw new VectorBatchError('VBO_ERR_INTERNAL', `A kernel trapped: ${answer.trap}.`);
      return answer.value;
    }
    throw new VectorBatchError(
      'VBO_ERR_POOL',
      `The kernel ${call.name} lost its worker ${RETRIES + 1} times in a row.`,
      { cause: death },
    );
  }

  #start(): Promise<{ piscina: Piscina<PoolTask, PoolAnswer>; breakEvenBytes: number }> {
    this.#started ??= this.#launch();
    return this.#started;
  }

  async #launch(): Promise<{ piscina: Piscina<PoolTask, PoolAnswer>; breakEvenBytes: number }> {
    const workerData: WorkerData = { module: this.#kernels.module, memory: this.#kernels.arena.memory };
    const piscina = new Piscina<PoolTask, PoolAnswer>({
      filename: WORKER_PATH,
      minThreads: this.threads,
      maxThreads: this.threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      workerData,
    });
    this.#piscina = piscina;
    // An idle worker's death harms no task. Piscina replaces the worker, unless its successor failed to
    // start; tasks still queued would then wait for ever, so they are aborted.
    piscina.on('error', () => {});
    piscina.on('workerDestroy', () =>
      setImmediate(() => {
        if (piscina.threads.length > 0) return;
        this.#lastWorkerGone.abort();
        this.#lastWorkerGone = createAbort();
      }),
    );
    return { piscina, breakEvenBytes: await this.#measureBreakEven(piscina) };
  }

  /**
   * The work W at which n threads win: W / r > roundTrip + W / (n r), with the inline rate r and the round trip
   * both measured now. Work above {@link LONGEST_INLINE_MS} goes to the workers in any case.
   */
  async #measureBreakEven(piscina: Piscina<PoolTask, PoolAnswer>): Promise<number> {
    const { arena } = this.#kernels;
    const matrix = allocateMatrix(arena, 'float32', CALIBRATION_BYTES / 256, 64);
    const scratch = arena.allocate(minMaxScratchBytes(1));
    try {
      const [call] = minMaxFloat32(arena, matrix, scratch).calls as [KernelCall];
      const [tiny] = minMaxFloat32(arena, sliceRows(matrix, 0, 1), scratch).calls as [KernelCall];
      // The first answers include the workers' start.
      await Promise.all(Array.from({ length: this.threads }, () => this.#runOnWorker(piscina, tiny)));
      const inline: number[] = [];
      const roundTrip: number[] = [];
      for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
        const start = systemClock.now();
        this.#kernels.call(call);
        const middle = systemClock.now();
        await this.#runOnWorker(piscina, tiny);
        inline.push(middle - start);
        roundTrip.push(systemClock.now() - middle);
      }
      const bytesPerMs = CALIBRATION_BYTES / Math.max(median(inline), 1e-4);
      const gainMs =
        this.threads > 1 ? (median(roundTrip) * this.threads) / (this.threads - 1) : Number.POSITIVE_INFINITY;
      return bytesPerMs * Math.min(gainMs, LONGEST_INLINE_MS);
    } finally {
      arena.free(matrix.span);
      arena.free(scratch);
    }
  }
}

/** Every task in flight listens to the one signal, so there is no sensible limit to its listeners. */
function createAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
