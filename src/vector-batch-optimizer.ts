import { totalmem } from 'node:os';
import { checkNumber, describe } from './core/check.js';
import { VectorBatchError } from './core/errors.js';
import { type Logger, silentLogger } from './core/logger.js';
import { type ExecuteOptions, type ExecuteResult, execute, type Operation } from './ingest/execute.js';
import { ingest } from './ingest/ingest.js';
import type { IngestOptions } from './ingest/options.js';
import type { Sink, Source } from './ingest/ports.js';
import type { IngestReport } from './ingest/report.js';
import { type TuneOptions, tune } from './ingest/tune.js';
import type { TuneReport } from './ingest/tune-report.js';
import type { ScratchFactory } from './ingest/tune-rounds.js';
import { Kernels } from './kernels/kernels.js';
import { PerformanceModel } from './model/performance.js';
import { OptimalBatchSizeCalculator } from './optimizer/batch-size-calculator.js';
import { ConcurrentExecutionOptimizer } from './optimizer/concurrent-execution.js';
import { VectorDimensionAdapter } from './optimizer/dimension-adapter.js';
import { DynamicBatchStrategyOptimizer } from './optimizer/dynamic-strategy.js';
import { KernelPool } from './pool/pool.js';
import { urlOf } from './sinks/index.js';
import { scratchSinks } from './sinks/scratch.js';
import { type CompactOptions, compact } from './vectors/compact.js';
import type { CompactBlock } from './vectors/compact-block.js';
import { type PackOptions, pack, type VectorContext, type Vectors } from './vectors/pack.js';
import type { VectorBlock } from './vectors/vector-block.js';

export interface OptimizerOptions {
  /** Worker threads for kernel work; 0 keeps everything on the calling thread. Default: the machine's cores, at most 8. */
  threads?: number;
  /** Most bytes that a load holds at once, unless it says otherwise. Default 512 MB. */
  memoryBudgetBytes?: number;
  /** Seed of everything that draws at random (retry jitter). Default 1. */
  seed?: number;
  logger?: Logger;
}

const DEFAULT_MEMORY_BUDGET_BYTES = 512e6;

/**
 * The library's door: recommendations, packing and quantization, and the adaptive load, on one set of kernels and one
 * worker pool. Close it when done (or `await using`).
 */
export class VectorBatchOptimizer {
  /** How many vectors per request, how many requests in flight. */
  readonly batchSize: OptimalBatchSizeCalculator;
  /** What to change in a load that runs. */
  readonly strategy: DynamicBatchStrategyOptimizer;
  /** What a dimension means for batch size, memory layout and encoding. */
  readonly dimension: VectorDimensionAdapter;
  /** How many requests in flight for a given batch size. */
  readonly concurrency: ConcurrentExecutionOptimizer;
  readonly #context: VectorContext & { readonly runner: KernelPool };
  readonly #options: Required<Omit<OptimizerOptions, 'threads'>>;
  #closed = false;

  private constructor(
    context: VectorContext & { readonly runner: KernelPool },
    options: Required<Omit<OptimizerOptions, 'threads'>>,
  ) {
    this.#context = context;
    this.#options = options;
    const shared = {
      kernels: context.kernels,
      model: new PerformanceModel(),
      machineMemoryBytes: totalmem(),
    };
    this.batchSize = new OptimalBatchSizeCalculator(shared);
    this.strategy = new DynamicBatchStrategyOptimizer(shared);
    this.dimension = new VectorDimensionAdapter(context);
    this.concurrency = new ConcurrentExecutionOptimizer(shared);
  }

  /** @throws VBO_ERR_ARGUMENT */
  static async create(options: OptimizerOptions = {}): Promise<VectorBatchOptimizer> {
    const {
      threads,
      memoryBudgetBytes = DEFAULT_MEMORY_BUDGET_BYTES,
      seed = 1,
      logger = silentLogger,
    } = options;
    if (threads !== undefined) checkNumber(threads, 'threads', { min: 0, max: 256, integer: true });
    checkNumber(memoryBudgetBytes, 'memoryBudgetBytes', { min: 1e6, max: 4e9 });
    checkNumber(seed, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
    const kernels = Kernels.shared();
    const runner = new KernelPool(kernels, threads === undefined ? {} : { threads });
    return new VectorBatchOptimizer({ kernels, runner }, { memoryBudgetBytes, seed, logger });
  }

  /** Copies vectors into one aligned block in the kernels' memory. See {@link pack}. */
  async pack(vectors: Vectors, options?: PackOptions): Promise<VectorBlock> {
    this.#checkOpen();
    return pack(this.#context, vectors, options);
  }

  /** Encodes a block's vectors. See {@link compact}. */
  async compact(block: VectorBlock, options: CompactOptions): Promise<CompactBlock> {
    this.#checkOpen();
    return compact(this.#context, block, options);
  }

  /** Loads a source into a sink, adapting batch size and concurrency while it goes. See {@link ingest}. */
  async ingest(source: Source, sink: Sink, options: IngestOptions = {}): Promise<IngestReport> {
    this.#checkOpen();
    const { memoryBudgetBytes, seed, logger } = this.#options;
    return ingest(this.#context, source, sink, { memoryBudgetBytes, seed, logger, ...options });
  }

  /**
   * Measures a database and names the smallest batch size and concurrency that cannot be told from the fastest.
   * See {@link tune}. The database is not changed: trials run in scratch collections that are removed.
   * @param sink a sink of {@link openSink} or its URL, or a function that makes a sink for a collection's name
   * @throws VBO_ERR_ARGUMENT for a sink that was made otherwise
   */
  async tune(sink: Sink | string | ScratchFactory, options: TuneOptions): Promise<TuneReport> {
    this.#checkOpen();
    const { seed } = this.#options;
    return tune(scratchFactoryOf(sink), { seed, scratchName: `vbo_tune_${process.pid}`, ...options });
  }

  /**
   * Runs any operation over many items in batches that adapt: embedding, searching, deleting, inserting with a client
   * of your own. Results come back in the items' order. See {@link execute}.
   */
  async execute<T, R = void>(
    items: Iterable<T>,
    operation: Operation<T, R>,
    options: ExecuteOptions<T> = {},
  ): Promise<ExecuteResult<T, R>> {
    this.#checkOpen();
    const { seed, logger } = this.#options;
    return execute(items, operation, { seed, logger, ...options });
  }

  /** Ends the worker threads. Blocks made before stay readable. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#context.runner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new VectorBatchError('VBO_ERR_CLOSED', 'The optimizer is closed.');
  }
}

function scratchFactoryOf(sink: Sink | string | ScratchFactory): ScratchFactory {
  if (typeof sink === 'function') return sink;
  const url = typeof sink === 'string' ? sink : urlOf(sink);
  if (url !== undefined) return scratchSinks(url);
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `The sink is ${describe(sink)}; expected one that openSink made, a URL, or a function that makes a sink for the name of a scratch collection.`,
  );
}
