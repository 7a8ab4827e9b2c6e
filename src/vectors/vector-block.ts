import { VectorBatchError } from '../core/errors.js';
import type { Span } from '../kernels/arena.js';
import { BLOCK_VECTORS, blocksToRows, type DimensionBlocks } from '../kernels/blocks.js';
import type { Kernels } from '../kernels/kernels.js';
import { allocateMatrix, float32Row, type Matrix, matrixBytes } from '../kernels/matrix.js';
import { unpackRows } from '../kernels/rows.js';

export const LAYOUTS = ['rows', 'blocks'] as const;
/**
 * `rows`: row-major, each row padded with zeros to a multiple of 64 bytes.
 * `blocks`: 64 vectors a block, dimension-major inside (PDX, SIGMOD 2025).
 */
export type Layout = (typeof LAYOUTS)[number];

export type BlockData =
  | { readonly layout: 'rows'; readonly matrix: Matrix<'float32'>; readonly span: Span }
  | { readonly layout: 'blocks'; readonly blocks: DimensionBlocks; readonly span: Span };

// A block that nobody can reach any more gives its memory back; dispose() does so at once.
const forgotten = new FinalizationRegistry<{ kernels: Kernels; span: Span }>(({ kernels, span }) =>
  kernels.arena.free(span),
);

/** float32 vectors, rows x dimension, in the kernels' memory. Made by `pack`. */
export class VectorBlock {
  readonly rows: number;
  readonly dimension: number;
  readonly layout: Layout;
  readonly #kernels: Kernels;
  #data: BlockData | undefined;

  /** Takes over the span of `data`. */
  constructor(kernels: Kernels, data: BlockData) {
    const shape = data.layout === 'rows' ? data.matrix : data.blocks;
    this.rows = shape.rows;
    this.dimension = shape.dimension;
    this.layout = data.layout;
    this.#kernels = kernels;
    this.#data = data;
    forgotten.register(this, { kernels, span: data.span }, this);
  }

  /** Bytes of the block, padding included. */
  get byteLength(): number {
    return this.bytes().byteLength;
  }

  /**
   * The block's memory itself, padding included; valid until `dispose`, and in a page until anything else is packed or
   * compacted. It is backed by shared memory: copy it (`slice`) for an API that refuses that.
   */
  bytes(): Uint8Array<ArrayBufferLike> {
    const { data, kernels } = this.parts();
    return data.layout === 'rows'
      ? matrixBytes(kernels.arena, data.matrix)
      : kernels.arena.bytes(data.blocks.pointer, data.blocks.byteLength);
  }

  /** A copy of all vectors, rows x dimension, without padding. */
  toFloat32Array(): Float32Array<ArrayBuffer> {
    const { data, kernels } = this.parts();
    const { arena } = kernels;
    const target = allocateMatrix(arena, 'float32', this.rows, this.dimension, 'contiguous');
    try {
      const calls =
        data.layout === 'rows' ? unpackRows(data.matrix, target) : blocksToRows(data.blocks, target);
      for (const call of calls) kernels.call(call);
      return arena.float32(target.pointer, this.rows * this.dimension).slice() as Float32Array<ArrayBuffer>;
    } finally {
      arena.free(target.span);
    }
  }

  /** The vectors row-major: the block's own memory where it is, else a copy that `release` frees. */
  rowMatrix(): { matrix: Matrix<'float32'>; release: () => void } {
    const { data, kernels } = this.parts();
    if (data.layout === 'rows') return { matrix: data.matrix, release: () => {} };
    const matrix = allocateMatrix(kernels.arena, 'float32', this.rows, this.dimension);
    for (const call of blocksToRows(data.blocks, matrix)) kernels.call(call);
    return { matrix, release: () => kernels.arena.free(matrix.span) };
  }

  /** Copies one vector to `target`, which has the block's dimension. */
  copyRow(row: number, target: Float32Array): void {
    const { data, kernels } = this.parts();
    if (data.layout === 'rows') {
      target.set(float32Row(kernels.arena, data.matrix, row));
      return;
    }
    const first = Math.floor(row / BLOCK_VECTORS) * this.dimension * BLOCK_VECTORS + (row % BLOCK_VECTORS);
    const floats = kernels.arena.float32(data.blocks.pointer, data.blocks.byteLength / 4);
    for (let d = 0; d < this.dimension; d++) target[d] = floats[first + d * BLOCK_VECTORS]!;
  }

  /** Gives the memory back. The block cannot be used afterwards. */
  dispose(): void {
    if (!this.#data) return;
    forgotten.unregister(this);
    this.#kernels.arena.free(this.#data.span);
    this.#data = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** For this floor: the kernels and the memory. @throws VBO_ERR_CLOSED after `dispose`. */
  parts(): { kernels: Kernels; data: BlockData } {
    if (!this.#data) throw new VectorBatchError('VBO_ERR_CLOSED', 'The vector block was disposed of.');
    return { kernels: this.#kernels, data: this.#data };
  }
}
