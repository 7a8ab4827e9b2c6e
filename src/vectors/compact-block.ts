import { VectorBatchError } from '../core/errors.js';
import type { Span } from '../kernels/arena.js';
import { HASH_BYTES, xxHash64 } from '../kernels/hash.js';
import { Kernels } from '../kernels/kernels.js';
import { leafHashNow } from '../kernels/leaf-hash.js';
import { allocateMatrix, type Matrix, matrixAt } from '../kernels/matrix.js';
import { callTask } from '../kernels/task.js';
import { CODECS } from './codec.js';
import { bodyBytes, type CompactHeader, type HashBytes, HEADER_BYTES, readHeader } from './compact-header.js';
import type { Encoding } from './encoding.js';

const forgotten = new FinalizationRegistry<{ kernels: Kernels; span: Span }>(({ kernels, span }) =>
  kernels.arena.free(span),
);

/** XXH64 of bytes that lie anywhere: they pass through the kernels' memory. For headers, not for bodies. */
export function hashWith(kernels: Kernels): HashBytes {
  return (bytes) => {
    const { arena } = kernels;
    const span = arena.allocate(bytes.byteLength + HASH_BYTES + 8);
    try {
      const scratch = { pointer: span.pointer + Math.ceil(bytes.byteLength / 8) * 8 };
      arena.bytes(span.pointer, bytes.byteLength).set(bytes);
      const hash = callTask(
        kernels,
        xxHash64(arena, { pointer: span.pointer, byteLength: bytes.byteLength }, scratch),
      );
      return [hash.low, hash.high];
    } finally {
      arena.free(span);
    }
  };
}

/**
 * Encoded vectors: a header (see `compact-header.ts`) and the codes, row after row without padding. The same bytes
 * are a file, a message and the form in memory; made by `compact`, read back by {@link CompactBlock.from}.
 */
export class CompactBlock {
  readonly encoding: Encoding;
  readonly rows: number;
  readonly dimension: number;
  /** Bytes of the whole block, header included. */
  readonly byteLength: number;
  readonly #kernels: Kernels;
  readonly #header: CompactHeader;
  #span: Span | undefined;

  /** Takes over `span`, which holds a checked block. */
  constructor(kernels: Kernels, header: CompactHeader, span: Span) {
    this.encoding = header.encoding;
    this.rows = header.rows;
    this.dimension = header.dimension;
    this.byteLength = HEADER_BYTES + bodyBytes(header);
    this.#kernels = kernels;
    this.#header = header;
    this.#span = span;
    forgotten.register(this, { kernels, span }, this);
  }

  /**
   * A block from its bytes, which are copied.
   * @throws VBO_ERR_BLOCK_MAGIC, VBO_ERR_BLOCK_TRUNCATED, VBO_ERR_BLOCK_CHECKSUM, VBO_ERR_MEMORY
   */
  static from(bytes: Uint8Array | ArrayBuffer, kernels: Kernels = Kernels.shared()): CompactBlock {
    const given = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    const header = readHeader(given.subarray(0, HEADER_BYTES), given.byteLength, hashWith(kernels));
    const span = kernels.arena.allocate(given.byteLength);
    kernels.arena.bytes(span.pointer, given.byteLength).set(given);
    const codes = { pointer: span.pointer + HEADER_BYTES, byteLength: bodyBytes(header) };
    const hash = leafHashNow(kernels, codes);
    if (hash.low !== header.bodyHash[0] || hash.high !== header.bodyHash[1]) {
      kernels.arena.free(span);
      throw new VectorBatchError(
        'VBO_ERR_BLOCK_CHECKSUM',
        'The codes do not match the checksum in the header.',
      );
    }
    return new CompactBlock(kernels, header, span);
  }

  /** A copy of the block's bytes, header included: what {@link CompactBlock.from} takes. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#kernels.arena
      .bytes(this.#live().pointer, this.byteLength)
      .slice() as Uint8Array<ArrayBuffer>;
  }

  /** The vectors that the codes stand for, rows x dimension. For `binary` they are +1 and -1. */
  decode(): Float32Array<ArrayBuffer> {
    const { arena } = this.#kernels;
    const { encoding, rows, dimension } = this;
    const codes = codesMatrix(this.#header, this.#live());
    const target = allocateMatrix(arena, 'float32', rows, dimension, 'contiguous');
    try {
      for (const call of CODECS[encoding].decode(codes, target, this.#header.calibration, 1))
        this.#kernels.call(call);
      return arena.float32(target.pointer, rows * dimension).slice() as Float32Array<ArrayBuffer>;
    } finally {
      arena.free(target.span);
    }
  }

  /** Gives the memory back. The block cannot be used afterwards. */
  dispose(): void {
    if (!this.#span) return;
    forgotten.unregister(this);
    this.#kernels.arena.free(this.#span);
    this.#span = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): Span {
    if (!this.#span) throw new VectorBatchError('VBO_ERR_CLOSED', 'The compact block was disposed of.');
    return this.#span;
  }
}

/** The codes of a block whose bytes begin at `block`. */
export function codesMatrix(
  header: Pick<CompactHeader, 'encoding' | 'rows' | 'dimension'>,
  block: { readonly pointer: number },
): Matrix {
  const { encoding, rows, dimension } = header;
  return matrixAt(CODECS[encoding].element, block, HEADER_BYTES, rows, dimension);
}
