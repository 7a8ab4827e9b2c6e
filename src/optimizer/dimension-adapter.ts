import { checkNumber } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_DIMENSION } from '../core/limits.js';
import { Random } from '../core/random.js';
import { formatBytes, formatCount } from '../core/units.js';
import { type CostModel, serviceMs } from '../model/cost.js';
import { costAt } from '../model/law.js';
import {
  blockBytesPerVector,
  type EncodingSize,
  encodingSizes,
  inFlightBytesPerVector,
} from '../model/memory.js';
import { profileOf } from '../model/profiles.js';
import { ENCODING_NAMES } from '../vectors/encoding.js';
import { inlineContext, pack, type VectorContext, type Vectors } from '../vectors/pack.js';
import { recallOnSample } from '../vectors/recall.js';
import { fieldsOf } from './arguments.js';
import { formatVectors } from './explanation.js';
import { layOut, type MemoryLayout, type MemoryLayoutOptions } from './memory-layout.js';

export interface DimensionRequest {
  /** Components of a vector, 1 .. 65,536. */
  vectorDimension: number;
  /** The batch size that is right for vectors of 768 dimensions, 1 .. 1,048,576. */
  baseBatchSize: number;
  /** Memory that one batch may take on its way, MB. */
  memoryConstraintMb: number;
  /** Some of the vectors themselves, at least 2: then each encoding's recall is measured on them. */
  sample?: Vectors;
}

export interface DimensionAdaptation {
  readonly adaptedBatchSize: number;
  /** One float32 row as the block stores it, padding included. */
  readonly bytesPerVector: number;
  /** How rows should lie in memory. */
  readonly layout: {
    readonly order: 'row-major';
    /** From one row to the next, a multiple of the cache line of 64 bytes. */
    readonly strideBytes: number;
    readonly paddingBytes: number;
  };
  /** How the vectors could be encoded, and how many of each would fit the memory. */
  readonly encodings: readonly (EncodingSize & {
    readonly vectorsInMemory: number;
    /** recall@10 on the sample, plain and with the best 100 re-scored; absent without one. */
    readonly recall?: number;
    readonly recallRescored?: number;
  })[];
  readonly explanation: string;
}

/** Dimension that `baseBatchSize` is for: the middle one of the usual 384, 768 and 1536. */
const BASE_DIMENSION = 768;

/** Carries a batch size from one dimension to another, and lays vectors out for it. */
export class VectorDimensionAdapter {
  readonly #context: VectorContext;

  /** Default: the process's own kernels, on the calling thread. */
  constructor(context?: VectorContext) {
    this.#context = context ?? inlineContext();
  }

  /**
   * The batch size that spends the same share of its time on the request itself (and not on vectors) as
   * `baseBatchSize` does at 768 dimensions, within the memory. The share depends on fixed and per-vector
   * cost only; their dimension law is the generic profile's (`model/law.ts`). Vectors in memory count with
   * all their copies on the way.
   * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds.
   * With a `sample`, each encoding's recall is measured on it.
   * @throws VBO_ERR_MEMORY if the memory does not hold one vector on its way.
   * @throws VBO_ERR_DIMENSION, VBO_ERR_NOT_FINITE on a sample that does not fit.
   */
  async adaptBatchSizeForDimension(request: DimensionRequest): Promise<DimensionAdaptation> {
    fieldsOf(request, 'request');
    const dimension = checkNumber(request.vectorDimension, 'vectorDimension', {
      min: 1,
      max: MAX_DIMENSION,
      integer: true,
    });
    const base = checkNumber(request.baseBatchSize, 'baseBatchSize', {
      min: 1,
      max: MAX_BATCH_SIZE,
      integer: true,
    });
    const memoryMb = checkNumber(request.memoryConstraintMb, 'memoryConstraintMb', { min: 1e-3, max: 1e9 });
    const measured = await this.#recallOf(request.sample, dimension);
    const generic = profileOf('generic');
    const vectorMs = (model: CostModel) => serviceMs(model, 1) - model.fixedMs;
    const factor = vectorMs(costAt(generic.law, BASE_DIMENSION)) / vectorMs(costAt(generic.law, dimension));
    const wanted = Math.min(MAX_BATCH_SIZE, Math.max(1, Math.round(base * factor)));
    const inFlight = inFlightBytesPerVector(generic, dimension);
    const fitting = Math.floor((memoryMb * 1e6) / inFlight);
    if (fitting < 1) {
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `One vector of ${dimension} dimensions takes ${formatBytes(inFlight)} on its way; ${formatBytes(memoryMb * 1e6)} may be used.`,
        { details: { neededBytes: inFlight, allowedBytes: memoryMb * 1e6 } },
      );
    }
    const adaptedBatchSize = Math.min(wanted, fitting);
    const strideBytes = blockBytesPerVector(dimension);
    const carried =
      dimension === BASE_DIMENSION
        ? `${formatVectors(base)} are meant for ${BASE_DIMENSION} dimensions and stay.`
        : `${formatVectors(wanted)} of ${dimension} dimensions spend the same share of their time on the request as ${formatCount(base)} of ${BASE_DIMENSION}.`;
    const bound =
      fitting < wanted
        ? ` Memory bound it: ${formatBytes(memoryMb * 1e6)} hold ${formatVectors(fitting)} on their way, at ${formatBytes(inFlight)} each.`
        : '';
    return {
      adaptedBatchSize,
      bytesPerVector: strideBytes,
      layout: { order: 'row-major', strideBytes, paddingBytes: strideBytes - 4 * dimension },
      encodings: encodingSizes(dimension).map((size) => ({
        ...size,
        vectorsInMemory: Math.floor((memoryMb * 1e6) / size.bytesPerVector),
        ...measured.get(size.encoding),
      })),
      explanation: carried + bound,
    };
  }

  /** What each encoding costs in recall on the user's own vectors; empty without a sample. */
  async #recallOf(
    sample: Vectors | undefined,
    dimension: number,
  ): Promise<Map<string, { recall: number; recallRescored: number }>> {
    if (sample === undefined) return new Map();
    using block = await pack(this.#context, sample, { dimension });
    const flat = block.toFloat32Array();
    const rows = Array.from({ length: block.rows }, (_, row) =>
      flat.subarray(row * dimension, (row + 1) * dimension),
    );
    const formats = ENCODING_NAMES.map((encoding) => ({ encoding }));
    const { encodings } = await recallOnSample(this.#context, rows, formats, new Random(1));
    return new Map(
      encodings.map(({ encoding, recall, recallRescored }) => [encoding, { recall, recallRescored }]),
    );
  }

  /**
   * Lays vectors out once, encoded or not, so that each batch is one contiguous range of bytes; see {@link layOut}.
   * @throws VBO_ERR_ARGUMENT, VBO_ERR_DIMENSION, VBO_ERR_NOT_FINITE, VBO_ERR_MEMORY
   */
  optimizeMemoryLayout(vectors: Vectors, options: MemoryLayoutOptions): Promise<MemoryLayout> {
    return layOut(this.#context, vectors, options);
  }
}
