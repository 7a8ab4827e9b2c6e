import { checkNumber } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import { formatBytes } from '../core/units.js';
import type { KernelCall, Kernels } from '../kernels/kernels.js';
import { allocateMatrix, type Matrix, matrixBytes, sliceRows } from '../kernels/matrix.js';
import type { ElementPosition } from '../kernels/text.js';
import type { VectorContext } from './pack.js';
import type { VectorBlock } from './vector-block.js';

/** The kernels see so many elements at a time, so that the memory they need does not grow with the input. */
const SLAB_ELEMENTS = 512 * 1024;
/** The longest array of Node, less one, so that 32 bits hold every offset. */
const MAX_OUTPUT_BYTES = 2 ** 32 - 1;

/** Some consecutive vectors in the kernels' memory. */
export interface Slab {
  /** The position of its first row among all. */
  readonly first: number;
  readonly matrix: Matrix<'float32'>;
}

/** Runs the calls that turn a slab into rows of the same length at a target, slab by slab. */
export async function convertSlabs(
  { kernels, runner }: VectorContext,
  vectors: Float32Array | VectorBlock,
  shape: { rows: number; dimension: number; rowByteLength: number; into: Uint8Array | undefined },
  callsFor: (
    slab: Slab,
    target: { readonly pointer: number },
    parts: number,
  ) => Promise<readonly KernelCall[]> | readonly KernelCall[],
): Promise<Uint8Array> {
  const { rows, dimension, rowByteLength, into } = shape;
  const output = new Output(into);
  output.reserve(rows * rowByteLength);
  const slabRows = slabRowsOf(rows, dimension);
  const parts = await runner.partsFor(slabRows * (4 * dimension + rowByteLength));
  const target = kernels.arena.allocate(slabRows * rowByteLength);
  try {
    for (const slab of slabs(kernels, vectors, rows, dimension)) {
      await runner.run(await callsFor(slab, target, parts));
      output.append(kernels.arena.bytes(target.pointer, slab.matrix.rows * rowByteLength));
    }
  } finally {
    kernels.arena.free(target);
  }
  return output.bytes();
}

/** Rows of a slab: all of them if they are few. */
export function slabRowsOf(rows: number, dimension: number): number {
  return Math.min(rows, Math.max(1, Math.floor(SLAB_ELEMENTS / dimension)));
}

/** The vectors, so many rows at a time, in the kernels' memory: a view of a block, a copy of an array's rows. */
export function* slabs(
  kernels: Kernels,
  vectors: Float32Array | VectorBlock,
  rows: number,
  dimension: number,
): Generator<Slab> {
  const slabRows = slabRowsOf(rows, dimension);
  const flat = vectors instanceof Float32Array;
  const { matrix, release } = flat ? emptySlab(kernels, slabRows, dimension) : vectors.rowMatrix();
  try {
    for (let first = 0; first < rows; first += slabRows) {
      const count = Math.min(slabRows, rows - first);
      const slab = sliceRows(matrix, flat ? 0 : first, count);
      if (flat) {
        const part = vectors.subarray(first * dimension, (first + count) * dimension);
        const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
        matrixBytes(kernels.arena, slab).set(bytes);
      }
      yield { first, matrix: slab };
    }
  } finally {
    release();
  }
}

function emptySlab(
  kernels: Kernels,
  rows: number,
  dimension: number,
): { matrix: Matrix<'float32'>; release: () => void } {
  const matrix = allocateMatrix(kernels.arena, 'float32', rows, dimension, 'contiguous');
  return { matrix, release: () => kernels.arena.free(matrix.span) };
}

/** Rows and dimension of vectors. @throws VBO_ERR_ARGUMENT, VBO_ERR_DIMENSION */
export function shapeOf(
  vectors: Float32Array | VectorBlock,
  given: number | undefined,
  maxDimension = MAX_DIMENSION,
): { rows: number; dimension: number } {
  const flat = vectors instanceof Float32Array;
  const bounds = { min: 1, max: maxDimension, integer: true };
  const dimension = checkNumber(given ?? (flat ? undefined : vectors.dimension), 'dimension', bounds);
  if (flat ? vectors.length % dimension === 0 : vectors.dimension === dimension) {
    return { rows: flat ? vectors.length / dimension : vectors.rows, dimension };
  }
  const message = flat
    ? `${vectors.length} numbers are not a whole number of vectors of dimension ${dimension}.`
    : `The block has dimension ${vectors.dimension}; expected ${dimension}.`;
  throw new VectorBatchError('VBO_ERR_DIMENSION', message, { details: { dimension } });
}

/** The error for an element that is NaN or infinite in a slab whose first row has position `first`. */
export function nonFinite(first: number, { row, component }: ElementPosition): VectorBatchError {
  const position = first + row;
  return new VectorBatchError(
    'VBO_ERR_NOT_FINITE',
    `Component ${component} of vector ${position} is NaN or infinite, which the wire format cannot hold.`,
    { details: { position, component } },
  );
}

/** Bytes that come piece by piece, in the caller's array or in one of their own that grows. */
export class Output {
  readonly #fixed: boolean;
  #target: Uint8Array;
  #byteLength = 0;

  constructor(into?: Uint8Array) {
    this.#fixed = into !== undefined;
    this.#target = into ?? new Uint8Array(0);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /**
   * Makes room for so many bytes more; an array that must grow for it is given room for the `likely` rest.
   * @throws VBO_ERR_ARGUMENT when they do not fit the caller's array, VBO_ERR_MEMORY
   */
  reserve(byteLength: number, likely = byteLength): void {
    const end = this.#byteLength + byteLength;
    if (end > MAX_OUTPUT_BYTES) {
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `The output takes ${formatBytes(end)} or more; one array holds ${formatBytes(MAX_OUTPUT_BYTES)}.`,
        { details: { neededBytes: end, limitBytes: MAX_OUTPUT_BYTES } },
      );
    }
    if (end <= this.#target.length) return;
    if (this.#fixed) {
      throw new VectorBatchError(
        'VBO_ERR_ARGUMENT',
        `into has ${this.#target.length} bytes; at least ${end} are needed.`,
        { details: { argument: 'into', byteLength: this.#target.length, needed: end } },
      );
    }
    const before = this.bytes();
    // The rows to come may be a little longer than those so far.
    const room = likely > byteLength ? Math.ceil(this.#byteLength + likely * 1.02) : end;
    this.#target = new Uint8Array(Math.min(room, MAX_OUTPUT_BYTES));
    this.#target.set(before);
  }

  /** Copies a piece, for which there is room, to the end. */
  append(piece: Uint8Array<ArrayBufferLike>): void {
    this.#target.set(piece, this.#byteLength);
    this.#byteLength += piece.length;
  }

  bytes(): Uint8Array {
    return this.#target.subarray(0, this.#byteLength);
  }
}
