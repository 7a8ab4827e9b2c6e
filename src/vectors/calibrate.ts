import type { Span } from '../kernels/arena.js';
import { minMaxColumns, sumColumns } from '../kernels/columns.js';
import { columnStep } from '../kernels/int8-rows.js';
import type { Matrix } from '../kernels/matrix.js';
import { minMaxFloat32, minMaxScratchBytes, type ValueRange } from '../kernels/range.js';
import { runTask } from '../kernels/task.js';
import type { Format } from './encoding.js';
import type { VectorContext } from './pack.js';

/** What an encoding learns from all vectors before it encodes the first. */
export interface Calibrated {
  /** Of all elements, where the header holds it; else both 0. */
  readonly range: ValueRange;
  /** What all vectors share: the bytes between header and records. */
  readonly shared: Float32Array;
}

type Kind = 'none' | 'range' | 'columns' | 'mean';

/** What a format has to know of the data. */
function calibrationKind({ encoding, calibration }: Pick<Format, 'encoding' | 'calibration'>): Kind {
  if (encoding === 'int8') {
    return calibration === 'global' ? 'range' : calibration === 'dimension' ? 'columns' : 'none';
  }
  return encoding === 'int4' || encoding.startsWith('rabitq') ? 'mean' : 'none';
}

/** The header's range of what has none: no values at all, or another kind of calibration. */
const NO_RANGE: ValueRange = { min: 0, max: 0 };

/**
 * Sees all vectors once, piece by piece in order. What it learns is the same, bit for bit, whatever the pieces and the
 * number of threads.
 */
export class Calibrator {
  readonly #context: VectorContext;
  readonly #kind: Kind;
  readonly #dimension: number;
  readonly #parts: number;
  readonly #span: Span;
  #rows = 0;
  #range: ValueRange = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
  readonly #mins: Float32Array;
  readonly #maxs: Float32Array;

  /** `parts`: the most parts that {@link add} is called with. */
  constructor(
    context: VectorContext,
    format: Pick<Format, 'encoding' | 'calibration' | 'dimension'>,
    parts: number,
  ) {
    const { dimension } = format;
    this.#context = context;
    this.#kind = calibrationKind(format);
    this.#dimension = dimension;
    this.#parts = parts;
    this.#mins = new Float32Array(dimension).fill(Number.POSITIVE_INFINITY);
    this.#maxs = new Float32Array(dimension).fill(Number.NEGATIVE_INFINITY);
    this.#span = context.kernels.arena.allocate(Math.max(16 * dimension, minMaxScratchBytes(parts)));
    context.kernels.arena.float64(this.#span.pointer, 2 * dimension).fill(0);
  }

  /** Does the format learn anything at all? */
  get isNeeded(): boolean {
    return this.#kind !== 'none';
  }

  /** The next rows. */
  async add(matrix: Matrix<'float32'>): Promise<void> {
    const { kernels, runner } = this.#context;
    const { arena } = kernels;
    const { pointer } = this.#span;
    const dimension = this.#dimension;
    this.#rows += matrix.rows;
    if (this.#kind === 'range') {
      const range = await runTask(runner, minMaxFloat32(arena, matrix, this.#span, this.#parts));
      this.#range = {
        min: Math.min(this.#range.min, range.min),
        max: Math.max(this.#range.max, range.max),
      };
    } else if (this.#kind === 'columns') {
      const maxs = { pointer: pointer + 4 * dimension };
      await runner.run(minMaxColumns(matrix, this.#span, maxs, this.#parts));
      const found = arena.float32(pointer, 2 * dimension);
      for (let d = 0; d < dimension; d++) {
        this.#mins[d] = Math.min(this.#mins[d]!, found[d]!);
        this.#maxs[d] = Math.max(this.#maxs[d]!, found[dimension + d]!);
      }
    } else if (this.#kind === 'mean') {
      const sums = { pointer: pointer + 8 * dimension };
      await runner.run(sumColumns(matrix, this.#span, sums, this.#parts));
      arena.float64(pointer, dimension).set(arena.float64(sums.pointer, dimension));
    }
  }

  /** What was learned of the vectors so far. */
  finish(): Calibrated {
    const dimension = this.#dimension;
    if (this.#kind === 'range') {
      const range = this.#range.min <= this.#range.max ? this.#range : NO_RANGE;
      return { range, shared: new Float32Array(0) };
    }
    if (this.#kind === 'columns') {
      const shared = new Float32Array(2 * dimension);
      for (let d = 0; d < dimension; d++) {
        const [min, max] = [this.#mins[d]!, this.#maxs[d]!];
        shared[d] = min <= max ? min : 0;
        shared[dimension + d] = columnStep(min, max).step;
      }
      return { range: NO_RANGE, shared };
    }
    if (this.#kind === 'mean') {
      const sums = this.#context.kernels.arena.float64(this.#span.pointer, dimension);
      return { range: NO_RANGE, shared: Float32Array.from(sums, (sum) => sum / Math.max(1, this.#rows)) };
    }
    return { range: NO_RANGE, shared: new Float32Array(0) };
  }

  dispose(): void {
    this.#context.kernels.arena.free(this.#span);
  }
}
