import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { METRICS, type Metric } from '../core/types.js';
import type { Span } from '../kernels/arena.js';
import type { Kernels } from '../kernels/kernels.js';
import { allocateMatrix } from '../kernels/matrix.js';
import { type Records, sliceRecords } from '../kernels/records.js';
import { unpackRows } from '../kernels/rows.js';
import { cosineScores, l2Scores, type Ranking, topK, topKBytes } from '../kernels/scores.js';
import { callTask } from '../kernels/task.js';
import { type Codec, type CodecFormat, openCodec } from './codec.js';
import { HEADER_BYTES, recordsOffset } from './compact-header.js';
import { encodedRowBytes } from './encoding.js';
import { lengthOf, nearestRows, squaredLengths } from './exact.js';
import { VectorBlock } from './vector-block.js';

export interface SearchOptions {
  /** Default `cosine`. */
  metric?: Metric;
  /** Scores the best rows again from their float32 vectors and ranks them by that. Default: not. */
  rescore?: {
    /** The vectors that were encoded, in the same order; rows x dimension if in one array. */
    vectors: VectorBlock | Float32Array;
    /** How many of the best rows to score again, at least k. Default 10 k. */
    candidates?: number;
  };
}

export interface SearchResult {
  /** Row numbers, best first. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** Cosine or dot product, the greater the nearer; for l2 the squared distance, the smaller the nearer. */
  readonly scores: Float32Array<ArrayBuffer>;
}

const CANDIDATES_PER_RESULT = 10;
/** Rows decoded at once to measure their lengths. */
const PIECE_ROWS = 256;
const MOST_RESULTS = 0xffffffff;

/** Searches one block's records: the opened codec and, once a metric needs them, the squared lengths of all rows. */
export class BlockSearch {
  readonly #kernels: Kernels;
  readonly #format: CodecFormat;
  readonly #records: Records;
  readonly #codec: Codec;
  #squares: Span | undefined;

  /** `block` holds the block's bytes and must outlive the search. */
  constructor(kernels: Kernels, format: CodecFormat, block: Span) {
    const { encoding, dimension, calibration, rows } = format;
    this.#kernels = kernels;
    this.#format = format;
    const strideBytes = encodedRowBytes(encoding, dimension, calibration);
    this.#records = { pointer: block.pointer + recordsOffset(format), rows, strideBytes };
    this.#codec = openCodec({ kernels, format, shared: { pointer: block.pointer + HEADER_BYTES }, parts: 1 });
  }

  /** See `CompactBlock.search`. */
  run(given: Float32Array | readonly number[], k: number, options: SearchOptions): SearchResult {
    const { rows, dimension } = this.#format;
    const metric = checkOneOf(options.metric ?? 'cosine', 'metric', METRICS);
    checkNumber(k, 'k', { min: 1, max: MOST_RESULTS, integer: true });
    const query = checkQuery(given, dimension, metric);
    const { rescore } = options;
    const wanted = Math.min(k, rows);
    if (wanted === 0) return { ids: new Uint32Array(0), scores: new Float32Array(0) };
    if (!rescore) return asResult(this.#scan(query, wanted, metric), metric);
    const candidates = checkNumber(rescore.candidates ?? CANDIDATES_PER_RESULT * k, 'rescore.candidates', {
      min: k,
      max: MOST_RESULTS,
      integer: true,
    });
    checkVectors(rescore.vectors, rows, dimension);
    const best = this.#scan(query, Math.min(candidates, rows), metric);
    return asResult(this.#rescore(query, best.rows, wanted, metric, rescore.vectors), metric);
  }

  dispose(): void {
    this.#codec.close();
    if (this.#squares) this.#kernels.arena.free(this.#squares);
  }

  #scan(query: Float32Array, k: number, metric: Metric): Ranking {
    const { arena } = this.#kernels;
    const { rows } = this.#records;
    if (metric !== 'dot') this.#squares ??= this.#measure();
    const scores = arena.allocate(4 * rows);
    const heap = arena.allocate(topKBytes(k));
    try {
      for (const call of this.#codec.scan(query, this.#records, scores)) this.#kernels.call(call);
      const length = lengthOf(query);
      if (metric === 'cosine') this.#kernels.call(cosineScores(scores, this.#squares!, rows, 1 / length));
      if (metric === 'l2') this.#kernels.call(l2Scores(scores, this.#squares!, rows, length * length));
      return callTask(this.#kernels, topK(arena, scores, rows, k, heap));
    } finally {
      arena.free(scores);
      arena.free(heap);
    }
  }

  /** The exact scores of `candidates`, the `k` best of them. */
  #rescore(
    query: Float32Array,
    candidates: Uint32Array,
    k: number,
    metric: Metric,
    vectors: VectorBlock | Float32Array,
  ): Ranking {
    const { arena } = this.#kernels;
    const { dimension } = this.#format;
    const matrix = allocateMatrix(arena, 'float32', candidates.length, dimension, 'contiguous');
    try {
      const target = arena.float32(matrix.pointer, candidates.length * dimension);
      for (const [i, row] of candidates.entries()) {
        const place = target.subarray(i * dimension, (i + 1) * dimension);
        if (vectors instanceof VectorBlock) vectors.copyRow(row, place);
        else place.set(vectors.subarray(row * dimension, (row + 1) * dimension));
      }
      const best = nearestRows(this.#kernels, matrix, query, k, metric);
      return { rows: best.rows.map((i) => candidates[i]!), scores: best.scores };
    } finally {
      arena.free(matrix.span);
    }
  }

  /** Squared lengths of all rows: from the records that hold them, else of what the codes stand for. */
  #measure(): Span {
    const kernels = this.#kernels;
    const { arena } = kernels;
    const { dimension } = this.#format;
    const { pointer, rows, strideBytes } = this.#records;
    const squares = arena.allocate(4 * rows);
    const offset = this.#codec.squareOffset;
    if (offset !== undefined) {
      const column = { element: 'float32', rows, dimension: 1 } as const;
      const from = { ...column, pointer: pointer + offset, strideBytes };
      for (const call of unpackRows(from, { ...column, pointer: squares.pointer, strideBytes: 4 })) {
        kernels.call(call);
      }
      return squares;
    }
    const piece = allocateMatrix(arena, 'float32', PIECE_ROWS, dimension);
    try {
      for (let first = 0; first < rows; first += PIECE_ROWS) {
        const records = sliceRecords(this.#records, first, Math.min(PIECE_ROWS, rows - first));
        const decoded = { ...piece, rows: records.rows };
        for (const call of this.#codec.decode(records, decoded)) kernels.call(call);
        squaredLengths(kernels, decoded, { pointer: squares.pointer + 4 * first });
      }
      return squares;
    } catch (error) {
      arena.free(squares);
      throw error;
    } finally {
      arena.free(piece.span);
    }
  }
}

function asResult({ rows, scores }: Ranking, metric: Metric): SearchResult {
  return { ids: rows, scores: metric === 'l2' ? scores.map((score) => Math.abs(score)) : scores };
}

function checkQuery(query: unknown, dimension: number, metric: Metric): Float32Array {
  if (!(query instanceof Float32Array) && !Array.isArray(query)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `The query is ${describe(query)}; expected an array of numbers or a Float32Array.`,
    );
  }
  if (query.length !== dimension) {
    throw new VectorBatchError(
      'VBO_ERR_DIMENSION',
      `The query has dimension ${query.length}; expected ${dimension}.`,
      { details: { dimension: query.length, expected: dimension } },
    );
  }
  const values = Float32Array.from(query as ArrayLike<number>);
  const broken = values.findIndex((x) => !Number.isFinite(x));
  if (broken >= 0) {
    throw new VectorBatchError('VBO_ERR_NOT_FINITE', `Element ${broken} of the query is ${values[broken]}.`, {
      details: { element: broken },
    });
  }
  if (metric === 'cosine' && lengthOf(values) === 0) {
    throw new VectorBatchError('VBO_ERR_ZERO_VECTOR', 'A zero query has no direction, so no cosine.');
  }
  return values;
}

function checkVectors(vectors: VectorBlock | Float32Array, rows: number, dimension: number): void {
  const given =
    vectors instanceof VectorBlock
      ? `${vectors.rows} x ${vectors.dimension}`
      : vectors instanceof Float32Array
        ? `${vectors.length / dimension} x ${dimension}`
        : describe(vectors);
  const expected = `${rows} x ${dimension}`;
  if (given === expected) return;
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `rescore.vectors is ${given}; expected the vectors that were encoded, ${expected}.`,
  );
}
