import { VectorBatchError } from '../core/errors.js';
import { LeafHasher } from '../kernels/leaf-hash.js';
import { allocateMatrix, type Matrix, matrixAt, matrixBytes } from '../kernels/matrix.js';
import type { ValueRange } from '../kernels/range.js';
import { CODECS } from './codec.js';
import { calibrationOf, NO_RANGE, refuseNonFinite, valueRange } from './compact.js';
import { hashWith } from './compact-block.js';
import { HEADER_BYTES, writeHeader } from './compact-header.js';
import { type Encoding, encodedRowBytes } from './encoding.js';
import type { VectorContext } from './pack.js';

/** Rows of a stream, in order. `vectors` is rows x dimension and need only last until the next chunk. */
export interface VectorChunk {
  readonly vectors: Float32Array;
}

export interface CompactStreamOptions {
  encoding: Encoding;
  dimension: number;
  /** Most bytes of vectors to hold at once. */
  chunkBytes: number;
  /** Called after each piece: rows done in this pass, and the pass (1 calibrates, 2 encodes). */
  onProgress?: (progress: { pass: 1 | 2; rows: number }) => void;
  signal?: AbortSignal;
}

/** Where the block's bytes go; the header comes last. */
export type WriteAt = (bytes: Uint8Array, position: number) => Promise<void>;

/**
 * Encodes vectors that need not fit in memory: one pass over `open()` to calibrate where the encoding needs it, one to
 * encode. Writes the very bytes that `compact` makes of the same vectors, whatever the chunks and threads.
 * @returns rows and bytes of the finished block
 * @throws VBO_ERR_NOT_FINITE, VBO_ERR_ABORTED, and whatever `open` and `write` throw
 */
export async function compactStream(
  context: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  write: WriteAt,
  options: CompactStreamOptions,
): Promise<{ rows: number; byteLength: number }> {
  const { kernels, runner } = context;
  const { encoding, dimension } = options;
  const codec = CODECS[encoding];
  const range = codec.calibrated ? await calibrate(context, open, options) : NO_RANGE;
  const calibration = calibrationOf(range);
  const rowBytes = encodedRowBytes(encoding, dimension);
  const codesSpan = kernels.arena.allocate(rowsPerPiece(options) * rowBytes);
  const hasher = new LeafHasher(kernels);
  let position = HEADER_BYTES;
  let rows = 0;
  try {
    await forEachPiece(context, open, options, async (matrix, parts) => {
      if (encoding !== 'float16') await refuseNonFinite(runner, matrix, rows, parts);
      const codes = matrixAt(codec.element, codesSpan, 0, matrix.rows, dimension);
      await runner.run(codec.encode(matrix, codes, calibration, parts));
      const bytes = matrixBytes(kernels.arena, codes);
      hasher.update(bytes);
      await write(bytes, position);
      position += bytes.byteLength;
      rows += matrix.rows;
      options.onProgress?.({ pass: 2, rows });
    });
    const { low, high } = hasher.digest();
    const header = { encoding, dimension, rows, calibration, bodyHash: [low, high] as const };
    await write(writeHeader(header, hashWith(kernels)), 0);
    return { rows, byteLength: position };
  } finally {
    hasher.dispose();
    kernels.arena.free(codesSpan);
  }
}

async function calibrate(
  context: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  options: CompactStreamOptions,
): Promise<ValueRange> {
  let range = NO_RANGE;
  let rows = 0;
  await forEachPiece(context, open, options, async (matrix, parts) => {
    await refuseNonFinite(context.runner, matrix, rows, parts);
    const piece = await valueRange(context.kernels, context.runner, matrix, parts);
    range = { min: Math.min(range.min, piece.min), max: Math.max(range.max, piece.max) };
    rows += matrix.rows;
    options.onProgress?.({ pass: 1, rows });
  });
  return range;
}

const rowsPerPiece = (options: CompactStreamOptions): number =>
  Math.max(1, Math.floor(options.chunkBytes / (4 * options.dimension)));

/** Copies the stream piece by piece into the kernels' memory and hands each to `work`. */
async function forEachPiece(
  { kernels, runner }: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  options: CompactStreamOptions,
  work: (matrix: Matrix<'float32'>, parts: number) => Promise<void>,
): Promise<void> {
  const { dimension, signal } = options;
  const most = rowsPerPiece(options);
  const staging = allocateMatrix(kernels.arena, 'float32', most, dimension, 'contiguous');
  const parts = await runner.partsFor(most * dimension * 4);
  try {
    for await (const { vectors } of open()) {
      for (let first = 0; first * dimension < vectors.length; first += most) {
        if (signal?.aborted) throw new VectorBatchError('VBO_ERR_ABORTED', 'The compaction was aborted.');
        const piece = vectors.subarray(first * dimension, (first + most) * dimension);
        kernels.arena.float32(staging.pointer, piece.length).set(piece);
        await work({ ...staging, rows: piece.length / dimension }, parts);
      }
    }
  } finally {
    kernels.arena.free(staging.span);
  }
}
