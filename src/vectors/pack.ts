import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { systemClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import { allocateBlocks, rowsToBlocks } from '../kernels/blocks.js';
import { type KernelRunner, Kernels } from '../kernels/kernels.js';
import { allocateMatrix, type OwnedMatrix } from '../kernels/matrix.js';
import { LAYOUTS, type Layout, VectorBlock } from './vector-block.js';

/** What is copied without a look at the clock; into memory that is new to the process it can take fifteen times as long. */
const SLICE_BYTES = 262_144;
/** Copied without a pause. */
const TURN_MS = 2;

/** What packing and compacting run on. */
export interface VectorContext {
  readonly kernels: Kernels;
  /** Where large work runs: a pool, or the kernels themselves on the calling thread. */
  readonly runner: KernelRunner;
}

/** The process's own kernels, everything on the calling thread. */
export function inlineContext(): VectorContext {
  const kernels = Kernels.shared();
  return { kernels, runner: kernels };
}

/** Vectors as callers have them: arrays of numbers, float32 arrays, or all rows in one float32 array. */
export type Vectors = readonly (readonly number[])[] | readonly Float32Array[] | Float32Array;

export interface PackOptions {
  /** Default `rows`. */
  layout?: Layout;
  /** Dimension of the vectors. Needed for one Float32Array that holds all rows; else taken from the first. */
  dimension?: number;
}

/**
 * Copies vectors into one aligned block.
 * @throws VBO_ERR_ARGUMENT, VBO_ERR_DIMENSION with the position of the first vector that does not fit,
 * VBO_ERR_MEMORY
 */
export async function pack(
  { kernels, runner }: VectorContext,
  vectors: Vectors,
  options: PackOptions = {},
): Promise<VectorBlock> {
  const layout = checkOneOf(options.layout ?? 'rows', 'layout', LAYOUTS);
  const { rows, dimension } = shapeOf(vectors, options.dimension);
  const matrix = allocateMatrix(kernels.arena, 'float32', rows, dimension);
  try {
    await fill(kernels, matrix, vectors);
    if (layout === 'rows') return new VectorBlock(kernels, { layout, matrix, span: matrix.span });
  } catch (error) {
    kernels.arena.free(matrix.span);
    throw error;
  }
  try {
    const blocks = allocateBlocks(kernels.arena, rows, dimension);
    await runner.run(rowsToBlocks(matrix, blocks, await runner.partsFor(matrix.span.byteLength)));
    return new VectorBlock(kernels, { layout: 'blocks', blocks, span: blocks.span });
  } finally {
    kernels.arena.free(matrix.span);
  }
}

function shapeOf(vectors: Vectors, given: number | undefined): { rows: number; dimension: number } {
  const bounds = { min: 1, max: MAX_DIMENSION, integer: true };
  if (vectors instanceof Float32Array) {
    const dimension = checkNumber(given, 'dimension', bounds);
    if (vectors.length % dimension !== 0) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${vectors.length} numbers are not a whole number of vectors of dimension ${dimension}.`,
        { details: { length: vectors.length, dimension } },
      );
    }
    return { rows: vectors.length / dimension, dimension };
  }
  if (!Array.isArray(vectors)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `vectors is ${describe(vectors)}; expected an array of vectors or a Float32Array.`,
    );
  }
  return { rows: vectors.length, dimension: checkNumber(given ?? vectors[0]?.length, 'dimension', bounds) };
}

/** Copies slice by slice and lets others have their turn in between. */
async function fill(kernels: Kernels, matrix: OwnedMatrix<'float32'>, vectors: Vectors): Promise<void> {
  const sliceRows = Math.max(1, Math.floor(SLICE_BYTES / matrix.strideBytes));
  let startMs = systemClock.now();
  for (let first = 0; first < matrix.rows; first += sliceRows) {
    if (systemClock.now() - startMs > TURN_MS) {
      await systemClock.sleep(0);
      startMs = systemClock.now();
    }
    fillRows(kernels, matrix, vectors, first, Math.min(matrix.rows, first + sliceRows));
  }
}

function fillRows(
  kernels: Kernels,
  matrix: OwnedMatrix<'float32'>,
  vectors: Vectors,
  first: number,
  end: number,
): void {
  const { rows, dimension } = matrix;
  const stride = matrix.strideBytes / 4;
  const target = kernels.arena.float32(matrix.pointer, rows * stride);
  const flat = vectors instanceof Float32Array;
  if (flat && stride === dimension) {
    target.set(vectors.subarray(first * dimension, end * dimension), first * dimension);
    return;
  }
  for (let row = first; row < end; row++) {
    const start = row * stride;
    if (flat) target.set(vectors.subarray(row * dimension, (row + 1) * dimension), start);
    else copyVector(vectors[row], row, target, start, dimension);
    for (let i = start + dimension; i < start + stride; i++) target[i] = 0;
  }
}

function copyVector(
  vector: unknown,
  row: number,
  target: Float32Array,
  start: number,
  dimension: number,
): void {
  if (!(vector instanceof Float32Array) && !Array.isArray(vector)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `Vector ${row} is ${describe(vector)}; expected an array of numbers or a Float32Array.`,
      { details: { position: row } },
    );
  }
  if (vector.length !== dimension) {
    throw new VectorBatchError(
      'VBO_ERR_DIMENSION',
      `Vector ${row} has dimension ${vector.length}; expected ${dimension}.`,
      { details: { position: row, dimension: vector.length, expected: dimension } },
    );
  }
  if (vector instanceof Float32Array) {
    target.set(vector, start);
    return;
  }
  for (let d = 0; d < dimension; d++) {
    const element: unknown = vector[d];
    if (typeof element !== 'number') {
      throw new VectorBatchError(
        'VBO_ERR_ARGUMENT',
        `Element ${d} of vector ${row} is ${describe(element)}; expected a number.`,
        { details: { position: row, element: d } },
      );
    }
    target[start + d] = element;
  }
}
