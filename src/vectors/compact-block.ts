import { VectorBatchError } from '../core/errors.js';
import type { Span } from '../kernels/arena.js';
import { HASH_BYTES, xxHash64 } from '../kernels/hash.js';
import { Kernels } from '../kernels/kernels.js';
import { leafHashNow } from '../kernels/leaf-hash.js';
import { allocateMatrix } from '../kernels/matrix.js';
import type { Records } from '../kernels/records.js';
import { callTask } from '../kernels/task.js';
import { openCodec } from './codec.js';
import {
  bodyBytes,
  type CompactHeader,
  type HashBytes,
  HEADER_BYTES,
  readHeader,
  recordsOffset,
} from './compact-header.js';
import { type Calibration, type Encoding, encodedRowBytes, type Format } from './encoding.js';
import { BlockSearch, type SearchOptions, type SearchResult } from './search.js';

/** What a block holds in the kernels' memory. */
interface Held {
  readonly kernels: Kernels;
  readonly span: Span;
  search: BlockSearch | undefined;
}

function free({ kernels, span, search }: Held): void {
  search?.dispose();
  kernels.arena.free(span);
}

// A block that nobody can reach any more gives its memory back; dispose() does so at once.
const forgotten = new FinalizationRegistry<Held>(free);

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
 * Encoded vectors: a header (see `compact-header.ts`), what all vectors share, and a record for each, without padding.
 * The same bytes are a file, a message and the form in memory; made by `compact`, read back by {@link CompactBlock.from}.
 */
export class CompactBlock {
  readonly encoding: Encoding;
  /** Of int8; `vector` for all others. */
  readonly calibration: Calibration;
  readonly rows: number;
  readonly dimension: number;
  /** Bytes of the whole block, header included. */
  readonly byteLength: number;
  /** Bytes of one vector's record. */
  readonly recordBytes: number;
  /** Bytes in front of the first record; the others follow without padding. */
  readonly recordsOffset: number;
  readonly #kernels: Kernels;
  readonly #header: CompactHeader;
  #held: Held | undefined;

  /** Takes over `span`, which holds a checked block. */
  constructor(kernels: Kernels, header: CompactHeader, span: Span) {
    this.encoding = header.encoding;
    this.calibration = header.calibration;
    this.rows = header.rows;
    this.dimension = header.dimension;
    this.byteLength = HEADER_BYTES + bodyBytes(header);
    this.recordBytes = encodedRowBytes(header.encoding, header.dimension, header.calibration);
    this.recordsOffset = recordsOffset(header);
    this.#kernels = kernels;
    this.#header = header;
    this.#held = { kernels, span, search: undefined };
    forgotten.register(this, this.#held, this);
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

  /**
   * The block's memory itself, header included; valid until `dispose`. It is backed by shared memory: copy it (`slice`)
   * for an API that refuses that.
   */
  bytes(): Uint8Array<ArrayBufferLike> {
    return this.#kernels.arena.bytes(this.#live().span.pointer, this.byteLength);
  }

  /** A copy of the block's bytes, header included: what {@link CompactBlock.from} takes. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#kernels.arena
      .bytes(this.#live().span.pointer, this.byteLength)
      .slice() as Uint8Array<ArrayBuffer>;
  }

  /**
   * The vectors that the codes stand for, rows x dimension. For `binary` they are +1 and -1.
   * @throws VBO_ERR_MEMORY, VBO_ERR_CLOSED
   */
  decode(): Float32Array<ArrayBuffer> {
    const { arena } = this.#kernels;
    const { rows, dimension } = this;
    const { span } = this.#live();
    const target = allocateMatrix(arena, 'float32', rows, dimension, 'contiguous');
    try {
      const shared = { pointer: span.pointer + HEADER_BYTES };
      const codec = openCodec({ kernels: this.#kernels, format: this.#header, shared, parts: 1 });
      try {
        for (const call of codec.decode(recordsOf(this.#header, span), target)) this.#kernels.call(call);
      } finally {
        codec.close();
      }
      return arena.float32(target.pointer, rows * dimension).slice() as Float32Array<ArrayBuffer>;
    } finally {
      arena.free(target.span);
    }
  }

  /**
   * The `k` rows nearest to a float32 query, best first, by an exact scan of the codes; see {@link SearchOptions} for the
   * metric and for re-scoring the best from their float32 vectors. Runs on the calling thread.
   * @throws VBO_ERR_ARGUMENT, VBO_ERR_DIMENSION, VBO_ERR_NOT_FINITE, VBO_ERR_ZERO_VECTOR for a zero query under cosine,
   * VBO_ERR_MEMORY, VBO_ERR_CLOSED
   */
  search(query: Float32Array | readonly number[], k: number, options: SearchOptions = {}): SearchResult {
    const held = this.#live();
    held.search ??= new BlockSearch(this.#kernels, this.#header, held.span);
    return held.search.run(query, k, options);
  }

  /** Gives the memory back. The block cannot be used afterwards. */
  dispose(): void {
    if (!this.#held) return;
    forgotten.unregister(this);
    free(this.#held);
    this.#held = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): Held {
    if (!this.#held) throw new VectorBatchError('VBO_ERR_CLOSED', 'The compact block was disposed of.');
    return this.#held;
  }
}

/** The records of a block whose bytes begin at `block`. */
export function recordsOf(format: Format, block: { readonly pointer: number }): Records {
  const { encoding, dimension, calibration, rows } = format;
  return {
    pointer: block.pointer + recordsOffset(format),
    rows,
    strideBytes: encodedRowBytes(encoding, dimension, calibration),
  };
}
