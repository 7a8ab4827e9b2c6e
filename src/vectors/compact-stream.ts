import { VectorBatchError } from '../core/errors.js';
import { LeafHasher } from '../kernels/leaf-hash.js';
import { allocateMatrix, type Matrix } from '../kernels/matrix.js';
import { type Calibrated, Calibrator } from './calibrate.js';
import { encodeWorkBytes, openCodec } from './codec.js';
import { type CompactOptions, holdsNonFinite, refuseNonFinite, resolveEncoding } from './compact.js';
import { hashWith } from './compact-block.js';
import { HEADER_BYTES, writeHeader } from './compact-header.js';
import { encodedRowBytes } from './encoding.js';
import type { VectorContext } from './pack.js';

/** Rows of a stream, in order. `vectors` is rows x dimension and need only last until the next chunk. */
export interface VectorChunk {
  readonly vectors: Float32Array;
}

export interface CompactStreamOptions extends CompactOptions {
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
 * @throws VBO_ERR_NOT_FINITE, VBO_ERR_ARGUMENT, VBO_ERR_ABORTED, and whatever `open` and `write` throw
 */
export async function compactStream(
  context: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  write: WriteAt,
  options: CompactStreamOptions,
): Promise<{ rows: number; byteLength: number }> {
  const { kernels, runner } = context;
  const { arena } = kernels;
  const { dimension } = options;
  const resolved = resolveEncoding(options);
  const most = rowsPerPiece(options);
  const parts = await runner.partsFor(encodeWorkBytes(resolved.encoding, most, dimension));
  const { range, shared } = await calibrate(context, open, options, resolved, parts);
  const format = { ...resolved, rows: 0, dimension, range };
  const rowBytes = encodedRowBytes(format.encoding, dimension, format.calibration);
  const sharedSpan = arena.allocate(shared.byteLength);
  const recordsSpan = arena.allocate(most * rowBytes);
  const hasher = new LeafHasher(kernels);
  let position = HEADER_BYTES;
  let rows = 0;
  const append = async (bytes: Uint8Array) => {
    hasher.update(bytes);
    await write(bytes, position);
    position += bytes.byteLength;
  };
  try {
    arena.float32(sharedSpan.pointer, shared.length).set(shared);
    if (shared.length > 0) await append(arena.bytes(sharedSpan.pointer, shared.byteLength));
    const codec = openCodec({ kernels, format, shared: sharedSpan, parts });
    try {
      await forEachPiece(context, open, options, async (matrix) => {
        if (!holdsNonFinite(format.encoding)) await refuseNonFinite(runner, matrix, rows, parts);
        const records = { pointer: recordsSpan.pointer, rows: matrix.rows, strideBytes: rowBytes };
        await runner.run(codec.encode(matrix, records, parts));
        await append(arena.bytes(records.pointer, matrix.rows * rowBytes));
        rows += matrix.rows;
        options.onProgress?.({ pass: 2, rows });
      });
    } finally {
      codec.close();
    }
    const { low, high } = hasher.digest();
    const header = { ...format, rows, bodyHash: [low, high] as const };
    await write(writeHeader(header, hashWith(kernels)), 0);
    return { rows, byteLength: position };
  } finally {
    hasher.dispose();
    arena.free(recordsSpan);
    arena.free(sharedSpan);
  }
}

/** The first pass, where the format needs one. */
async function calibrate(
  context: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  options: CompactStreamOptions,
  resolved: ReturnType<typeof resolveEncoding>,
  parts: number,
): Promise<Calibrated> {
  const calibrator = new Calibrator(context, { ...resolved, dimension: options.dimension }, parts);
  try {
    if (calibrator.isNeeded) {
      let rows = 0;
      await forEachPiece(context, open, options, async (matrix) => {
        await refuseNonFinite(context.runner, matrix, rows, parts);
        await calibrator.add(matrix);
        rows += matrix.rows;
        options.onProgress?.({ pass: 1, rows });
      });
    }
    return calibrator.finish();
  } finally {
    calibrator.dispose();
  }
}

const rowsPerPiece = (options: CompactStreamOptions): number =>
  Math.max(1, Math.floor(options.chunkBytes / (4 * options.dimension)));

/** Copies the stream piece by piece into the kernels' memory and hands each to `work`. */
async function forEachPiece(
  { kernels }: VectorContext,
  open: () => AsyncIterable<VectorChunk>,
  options: CompactStreamOptions,
  work: (matrix: Matrix<'float32'>) => Promise<void>,
): Promise<void> {
  const { dimension, signal } = options;
  const most = rowsPerPiece(options);
  const staging = allocateMatrix(kernels.arena, 'float32', most, dimension, 'contiguous');
  try {
    for await (const { vectors } of open()) {
      for (let first = 0; first * dimension < vectors.length; first += most) {
        if (signal?.aborted) throw new VectorBatchError('VBO_ERR_ABORTED', 'The compaction was aborted.');
        const piece = vectors.subarray(first * dimension, (first + most) * dimension);
        kernels.arena.float32(staging.pointer, piece.length).set(piece);
        await work({ ...staging, rows: piece.length / dimension });
      }
    }
  } finally {
    kernels.arena.free(staging.span);
  }
}
