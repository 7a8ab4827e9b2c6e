import { VectorBatchError } from './core/errors.js';
import { Kernels } from './kernels/kernels.js';
import { PerformanceModel } from './model/performance.js';
import { OptimalBatchSizeCalculator } from './optimizer/batch-size-calculator.js';
import { ConcurrentExecutionOptimizer } from './optimizer/concurrent-execution.js';
import { VectorDimensionAdapter } from './optimizer/dimension-adapter.js';
import { DynamicBatchStrategyOptimizer } from './optimizer/dynamic-strategy.js';
import { type CompactOptions, compact } from './vectors/compact.js';
import type { CompactBlock } from './vectors/compact-block.js';
import { type PackOptions, pack, type VectorContext, type Vectors } from './vectors/pack.js';
import type { VectorBlock } from './vectors/vector-block.js';

export { ERROR_CODES, type ErrorCode, VectorBatchError } from './core/errors.js';
export type { BatchExecutionRecord, Metric, Objective, Setting, SystemResources } from './core/types.js';
export { CompactBlock } from './vectors/compact-block.js';
export type { Encoding } from './vectors/encoding.js';
export type { SearchOptions, SearchResult } from './vectors/search.js';
export { VectorBlock } from './vectors/vector-block.js';
export type { CompactOptions, PackOptions, Vectors };

export interface BrowserOptions {
  /**
   * The unshared kernels (`vector-batch-optimizer/kernels.wasm`): their bytes, or where to fetch them. Default: beside
   * this module, where bundlers that know `new URL(..., import.meta.url)` put them. The first call in a page decides.
   */
  kernels?: BufferSource | string | URL;
  /** What a service has learnt, the `state` of its GET /api/v1/batch-optimization/model. Default: nothing. */
  model?: unknown;
}

/**
 * The library in a page or a Web Worker, without Node: recommendations, packing, quantization and search, on the same
 * kernels and model. It needs no cross-origin isolation. What it packs and compacts runs on the calling thread: call it
 * from a worker for more than a few thousand vectors.
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
  readonly #context: VectorContext;

  private constructor(kernels: Kernels, model: PerformanceModel) {
    const shared = { kernels, model };
    this.#context = { kernels, runner: kernels };
    this.batchSize = new OptimalBatchSizeCalculator(shared);
    this.strategy = new DynamicBatchStrategyOptimizer(shared);
    this.dimension = new VectorDimensionAdapter(this.#context);
    this.concurrency = new ConcurrentExecutionOptimizer(shared);
  }

  /** @throws VBO_ERR_KERNELS if the kernels cannot be fetched or compiled; VBO_ERR_MODEL for a damaged model. */
  static async create(options: BrowserOptions = {}): Promise<VectorBatchOptimizer> {
    const source = options.kernels ?? new URL('../build/kernels-unshared.wasm', import.meta.url);
    const model =
      options.model === undefined ? new PerformanceModel() : PerformanceModel.fromJSON(options.model);
    return new VectorBatchOptimizer(await Kernels.open(() => moduleBytes(source)), model);
  }

  /** Copies vectors into one aligned block in the kernels' memory. See {@link pack}. */
  async pack(vectors: Vectors, options?: PackOptions): Promise<VectorBlock> {
    return pack(this.#context, vectors, options);
  }

  /** Encodes a block's vectors; the answer's `search` scans the codes. See {@link compact}. */
  async compact(block: VectorBlock, options: CompactOptions): Promise<CompactBlock> {
    return compact(this.#context, block, options);
  }
}

async function moduleBytes(source: BufferSource | string | URL): Promise<BufferSource> {
  if (typeof source !== 'string' && !(source instanceof URL)) return source;
  const answer = await fetch(source);
  if (answer.ok) return answer.arrayBuffer();
  throw new VectorBatchError('VBO_ERR_KERNELS', `The kernels at ${source} answer ${answer.status}.`);
}
