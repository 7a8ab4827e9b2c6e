import { base64Bytes, encodeBase64 } from '../kernels/base64.js';
import { runTask } from '../kernels/task.js';
import { textFloat32, textTargetBytes, textWorkBytes } from '../kernels/text.js';
import type { VectorContext } from './pack.js';
import type { VectorBlock } from './vector-block.js';
import { convertSlabs, nonFinite, Output, shapeOf, slabRowsOf, slabs } from './wire-slab.js';

export interface WireOptions {
  /** Dimension of the vectors. Needed for a Float32Array, which holds rows x dimension numbers. */
  dimension?: number;
  /**
   * Where to write, from its first byte on; not the vectors' own memory. After an error its contents are undefined.
   * Default: a new array.
   */
  into?: Uint8Array;
}

/** Rows of different length, one after another. */
export interface WireText {
  /** The text: a new array, or the beginning of `into`. */
  readonly bytes: Uint8Array;
  /** Row r is `bytes.subarray(offsets[r], offsets[r + 1])`. */
  readonly offsets: Uint32Array;
}

/** Rows of the same length, one after another. */
export interface WireRows {
  /** The rows: a new array, or the beginning of `into`. */
  readonly bytes: Uint8Array;
  /** Row r is `bytes.subarray(r * rowByteLength, (r + 1) * rowByteLength)`. */
  readonly rowByteLength: number;
}

/**
 * Each vector as a JSON array, `[0.25,-0.031,15e-7]`, rows without anything between them. Every number is the shortest
 * JSON that reads back to the same float32, also by way of a float64; `-0` keeps its sign. The same bytes come out
 * whatever the number of threads. `maxTextBytes` rows x dimension always suffice for `into`.
 * @throws VBO_ERR_NOT_FINITE with the position and component of the first NaN or infinity, VBO_ERR_ARGUMENT if `into`
 * is too short, VBO_ERR_DIMENSION, VBO_ERR_MEMORY, VBO_ERR_CLOSED
 */
export async function toJsonText(
  context: VectorContext,
  vectors: Float32Array | VectorBlock,
  options: WireOptions = {},
): Promise<WireText> {
  const { kernels, runner } = context;
  const { rows, dimension } = shapeOf(vectors, options.dimension);
  const output = new Output(options.into);
  const offsets = new Uint32Array(rows + 1);
  const slabRows = slabRowsOf(rows, dimension);
  const parts = await runner.partsFor(textWorkBytes(slabRows, dimension));
  const scratch = kernels.arena.allocate(textTargetBytes(slabRows, dimension, parts));
  try {
    for (const { first, matrix } of slabs(kernels, vectors, rows, dimension)) {
      const text = await runTask(runner, textFloat32(kernels.arena, matrix, scratch, parts));
      if ('nonFinite' in text) throw nonFinite(first, text.nonFinite);
      const byteLength = text.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
      output.reserve(byteLength, byteLength * ((rows - first) / matrix.rows));
      let row = first;
      for (const piece of text.pieces) {
        const start = output.byteLength;
        output.append(piece.bytes);
        for (let r = 1; r < piece.offsets.length; r++) offsets[++row] = start + piece.offsets[r]!;
      }
    }
  } finally {
    kernels.arena.free(scratch);
  }
  return { bytes: output.bytes(), offsets };
}

/**
 * The base64 (standard alphabet, padded) of each vector's little-endian float32, any bits of them.
 * @throws VBO_ERR_ARGUMENT if `into` is too short, VBO_ERR_DIMENSION, VBO_ERR_MEMORY, VBO_ERR_CLOSED
 */
export async function toBase64(
  context: VectorContext,
  vectors: Float32Array | VectorBlock,
  options: WireOptions = {},
): Promise<WireRows> {
  const { rows, dimension } = shapeOf(vectors, options.dimension);
  const rowByteLength = base64Bytes(4 * dimension);
  const bytes = await convertSlabs(
    context,
    vectors,
    { rows, dimension, rowByteLength, into: options.into },
    (slab, target, parts) => encodeBase64(slab.matrix, target, parts),
  );
  return { bytes, rowByteLength };
}
