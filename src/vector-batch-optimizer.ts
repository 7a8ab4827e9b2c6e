import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { checkNumber, describe } from './core/check.js';
import { systemClock } from './core/clock.js';
import { VectorBatchError } from './core/errors.js';
import { type Logger, silentLogger } from './core/logger.js';
import type { BatchExecutionRecord } from './core/types.js';
import { History } from './history/history.js';
import { Recorder } from './history/recorder.js';
import { checkEnds } from './ingest/check-ends.js';
import type { ExecuteOptions, ExecuteResult, Operation } from './ingest/execute.js';
import type { IngestOptions } from './ingest/options.js';
import type { Sink, Source } from './ingest/ports.js';
import type { IngestReport } from './ingest/report.js';
import type { TuneOptions } from './ingest/tune.js';
import type { TuneReport } from './ingest/tune-report.js';
import type { ScratchFactory } from './ingest/tune-rounds.js';
import { Kernels } from './kernels/kernels.js';
import { Learner } from './learning/learner.js';
import { type LearnOptions, ModelKeeper } from './learning/model-keeper.js';
import type { CostModel } from './model/cost.js';
import { PerformanceModel, type TrainingReport } from './model/performance.js';
import { findProfile } from './model/profiles.js';
import { OptimalBatchSizeCalculator } from './optimizer/batch-size-calculator.js';
import { ConcurrentExecutionOptimizer } from './optimizer/concurrent-execution.js';
import { VectorDimensionAdapter } from './optimizer/dimension-adapter.js';
import { DynamicBatchStrategyOptimizer } from './optimizer/dynamic-strategy.js';
import { KernelPool, type PoolStatistics } from './pool/pool.js';
import { openSink, scratchSinks, urlOf } from './sinks/index.js';
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
  /**
   * Where loads and tunings are recorded, and what recommendations rest on: a file's path, which is created if there is
   * none, or a {@link History} of the caller's, who closes it. The model that was learnt from a file is kept beside it.
   * Default false: nothing is recorded, for a library writes no file that nobody asked for.
   */
  history?: string | false | History;
  logger?: Logger;
}

type ResolvedOptions = Required<Omit<OptimizerOptions, 'threads' | 'history'>>;

/** What the optimizer remembers, and how it learns from it. */
interface Memory {
  readonly model: PerformanceModel;
  readonly learner: Learner;
  readonly keeper: ModelKeeper;
  readonly history: History | undefined;
  readonly recorder: Recorder | undefined;
  /** The history is the caller's to close. */
  readonly isBorrowed: boolean;
}

export interface OptimizerStatistics {
  readonly pool: PoolStatistics;
  /** Bytes of the kernels' memory: handed out now, at most ever, and reserved. */
  readonly memory: { readonly usedBytes: number; readonly peakBytes: number; readonly byteLength: number };
}

const DEFAULT_MEMORY_BUDGET_BYTES = 512e6;
/** A handful of settings was measured. Of less, what is known of the sink beforehand is the better beginning. */
const CONFIDENT = 0.6;

/**
 * The library's door: recommendations, packing and quantization, and the adaptive load, on one set of kernels and one
 * worker pool. Close it when done (or `await using`). What only a load needs is imported by the first one: a service starts
 * without it.
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
  readonly #options: ResolvedOptions;
  readonly #memory: Memory;
  #closed = false;

  private constructor(
    context: VectorContext & { readonly runner: KernelPool },
    options: ResolvedOptions,
    memory: Memory,
  ) {
    this.#context = context;
    this.#options = options;
    this.#memory = memory;
    const shared = {
      ...{ kernels: context.kernels, model: memory.model, machineMemoryBytes: totalmem() },
      train: (records: readonly unknown[]) => memory.keeper.train(records),
    };
    this.batchSize = new OptimalBatchSizeCalculator(shared);
    this.strategy = new DynamicBatchStrategyOptimizer(shared);
    this.dimension = new VectorDimensionAdapter(context);
    this.concurrency = new ConcurrentExecutionOptimizer(shared);
  }

  /**
   * With a history that has changed since it was last learnt from, it learns first: about a second for 20,000 records.
   * @throws VBO_ERR_ARGUMENT; VBO_ERR_HISTORY if the history cannot be opened
   */
  static async create(options: OptimizerOptions = {}): Promise<VectorBatchOptimizer> {
    const {
      threads,
      memoryBudgetBytes = DEFAULT_MEMORY_BUDGET_BYTES,
      seed = 1,
      history = false,
      logger = silentLogger,
    } = options;
    if (threads !== undefined) checkNumber(threads, 'threads', { min: 0, max: 256, integer: true });
    checkNumber(memoryBudgetBytes, 'memoryBudgetBytes', { min: 1e6, max: 4e9 });
    checkNumber(seed, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
    const memory = await remember(history, logger);
    const kernels = Kernels.shared();
    const runner = new KernelPool(kernels, threads === undefined ? {} : { threads });
    return new VectorBatchOptimizer({ kernels, runner }, { memoryBudgetBytes, seed, logger }, memory);
  }

  /** Where loads and tunings are recorded, if they are. */
  get history(): History | undefined {
    return this.#memory.history;
  }

  /**
   * Fits the model to all that the history holds now. Loads, tunings and `trainPerformanceModel` see to that themselves;
   * this is for records that were appended or imported beside.
   * @throws VBO_ERR_ARGUMENT without a history; VBO_ERR_HISTORY, VBO_ERR_LEARNER, VBO_ERR_ABORTED
   */
  async learn(options: LearnOptions = {}): Promise<TrainingReport> {
    this.#checkOpen();
    return this.#memory.keeper.learn(options);
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

  /**
   * Loads a source into a sink, adapting batch size and concurrency while it goes. See {@link ingest}. It begins with
   * what the history says of this database, and is recorded there.
   * @throws VBO_ERR_ARGUMENT for what is no source or no sink, and what {@link ingest} throws
   */
  async ingest(source: Source, sink: Sink, options: IngestOptions = {}): Promise<IngestReport> {
    this.#checkOpen();
    checkEnds(source, sink);
    const { ingest } = await import('./ingest/ingest.js');
    const { memoryBudgetBytes, seed, logger } = this.#options;
    const prior = this.#learntCost(sink.database, source.dimension);
    const { report, failure } = await this.#recorded(options, (own) =>
      ingest(this.#context, source, sink, {
        ...{ memoryBudgetBytes, seed, logger },
        ...(prior ? { prior } : {}),
        ...own,
      }),
    );
    if (!failure) return report;
    return { ...report, warnings: [...report.warnings, `It is not recorded: ${failure.message}`] };
  }

  /**
   * Measures a database and names the smallest batch size and concurrency that cannot be told from the fastest.
   * See {@link tune}. The database is not changed: trials run in scratch collections that are removed. It begins with
   * what the history says of this database, and the trials are recorded there.
   * @param sink a sink of {@link openSink} or its URL, or a function that makes a sink for a collection's name
   * @throws VBO_ERR_ARGUMENT for a sink that was made otherwise
   */
  async tune(sink: Sink | string | ScratchFactory, options: TuneOptions): Promise<TuneReport> {
    this.#checkOpen();
    const { tune } = await import('./ingest/tune.js');
    const { seed } = this.#options;
    const target = typeof sink === 'string' ? await openSink(sink) : sink;
    const { report } = await this.#recorded(options, (own) =>
      tune(scratchFactoryOf(target), {
        ...{ seed, scratchName: `vbo_tune_${randomUUID().slice(-12)}` },
        prior: (database) => this.#learntCost(database, options.dimension),
        ...own,
      }),
    );
    // The trials ran in collections that are gone; the report is of the one that was asked about.
    return typeof target === 'function' ? report : { ...report, sink: target.name };
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
    const { execute } = await import('./ingest/execute.js');
    const { seed, logger } = this.#options;
    return execute(items, operation, { seed, logger, ...options });
  }

  /** The pool and the kernels' memory, for monitoring. */
  statistics(): OptimizerStatistics {
    const { kernels, runner } = this.#context;
    const { usedBytes, peakBytes, memory } = kernels.arena;
    return {
      pool: runner.statistics(),
      memory: { usedBytes, peakBytes, byteLength: memory.buffer.byteLength },
    };
  }

  /** Waits for what is being learnt, and ends the worker threads. Blocks made before stay readable. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { keeper, learner, history, recorder, isBorrowed } = this.#memory;
    await recorder?.flush();
    await keeper.settle();
    await learner.close();
    if (!isBorrowed) await history?.close();
    await this.#context.runner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Runs what tells of itself in records, and has them noted and learnt from; or says why they are not. */
  async #recorded<O extends { onRecord?: (record: BatchExecutionRecord) => void }, R>(
    options: O,
    work: (options: O) => Promise<R>,
  ): Promise<{ report: R; failure?: VectorBatchError | undefined }> {
    const { recorder, keeper } = this.#memory;
    if (!recorder) return { report: await work(options) };
    const onRecord = (record: BatchExecutionRecord) => {
      recorder.record(record);
      options.onRecord?.(record);
    };
    let failure: VectorBatchError | undefined;
    const report = await work({ ...options, onRecord }).finally(async () => {
      failure = await recorder.flush();
      if (!failure) void keeper.refresh();
    });
    return { report, failure };
  }

  /** What was learnt, from records, of a database's cost. */
  #learntCost(database: string, dimension: number): CostModel | undefined {
    const profile = findProfile(database);
    const prediction = profile && this.#memory.model.predict(profile, dimension);
    const isEnough = prediction && prediction.records > 0 && prediction.confidence >= CONFIDENT;
    return isEnough ? prediction.cost : undefined;
  }

  #checkOpen(): void {
    if (this.#closed) throw new VectorBatchError('VBO_ERR_CLOSED', 'The optimizer is closed.');
  }
}

function scratchFactoryOf(sink: Sink | ScratchFactory): ScratchFactory {
  if (typeof sink === 'function') return sink;
  const url = urlOf(sink);
  if (url !== undefined) return scratchSinks(url);
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `The sink is ${describe(sink)}; expected one that openSink made, a URL, or a function that makes a sink for the name of a scratch collection.`,
  );
}

/** @throws VBO_ERR_ARGUMENT, VBO_ERR_HISTORY */
async function remember(given: string | false | History, logger: Logger): Promise<Memory> {
  const isBorrowed = given instanceof History;
  if (!isBorrowed && given !== false && (typeof given !== 'string' || given === '')) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `history is ${describe(given)}; expected a path, a History, or false.`,
    );
  }
  const history = isBorrowed ? given : given === false ? undefined : await History.open(given, { logger });
  const model = new PerformanceModel();
  const learner = new Learner({ logger });
  const keeper = new ModelKeeper({ model, learner, history, logger, clock: systemClock });
  const recorder = history && new Recorder(history, { clock: systemClock, logger });
  await keeper.start();
  return { model, learner, keeper, history, recorder, isBorrowed };
}
