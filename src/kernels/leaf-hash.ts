import { type Arena, alignUp, type Span } from './arena.js';
import { HASH_BYTES, type Hash64, xxHash64 } from './hash.js';
import type { KernelCall, KernelRunner, Kernels } from './kernels.js';
import { callTask, type KernelTask } from './task.js';

/** Bytes that one leaf of a {@link leafHash} covers. */
export const LEAF_BYTES = 1 << 20;

interface Bytes {
  readonly pointer: number;
  readonly byteLength: number;
}

/**
 * A hash of bytes that any number of threads can work on and that a stream reaches whatever its chunks: XXH64 of the
 * XXH64 of each {@link LEAF_BYTES} piece, in order.
 */
export async function leafHash(kernels: Kernels, runner: KernelRunner, source: Bytes): Promise<Hash64> {
  const { leaves, root, table } = plan(kernels.arena, source);
  try {
    await runner.run(leaves);
    return callTask(kernels, root);
  } finally {
    kernels.arena.free(table);
  }
}

/** {@link leafHash} on this thread. */
export function leafHashNow(kernels: Kernels, source: Bytes): Hash64 {
  const { leaves, root, table } = plan(kernels.arena, source);
  try {
    for (const call of leaves) kernels.call(call);
    return callTask(kernels, root);
  } finally {
    kernels.arena.free(table);
  }
}

function plan(arena: Arena, source: Bytes): { leaves: KernelCall[]; root: KernelTask<Hash64>; table: Span } {
  const count = Math.ceil(source.byteLength / LEAF_BYTES);
  const table = arena.allocate(alignUp(count * HASH_BYTES) + HASH_BYTES);
  const leaves = Array.from({ length: count }, (_, leaf) => {
    const first = leaf * LEAF_BYTES;
    const piece = {
      pointer: source.pointer + first,
      byteLength: Math.min(LEAF_BYTES, source.byteLength - first),
    };
    return xxHash64(arena, piece, { pointer: table.pointer + leaf * HASH_BYTES }).calls;
  }).flat();
  const result = { pointer: table.pointer + alignUp(count * HASH_BYTES) };
  const root = xxHash64(arena, { pointer: table.pointer, byteLength: count * HASH_BYTES }, result);
  return { leaves, root, table };
}

/** The {@link leafHash} of bytes that come piece by piece. Keeps one leaf and 8 bytes per MiB in memory. */
export class LeafHasher {
  readonly #kernels: Kernels;
  readonly #leaf: Span;
  readonly #hashes: Hash64[] = [];
  #filled = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#leaf = kernels.arena.allocate(LEAF_BYTES + HASH_BYTES);
  }

  update(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.byteLength; ) {
      const length = Math.min(bytes.byteLength - from, LEAF_BYTES - this.#filled);
      const target = this.#kernels.arena.bytes(this.#leaf.pointer + this.#filled, length);
      target.set(bytes.subarray(from, from + length));
      from += length;
      this.#filled += length;
      if (this.#filled === LEAF_BYTES) this.#endLeaf();
    }
  }

  /** The hash of all bytes so far. */
  digest(): Hash64 {
    if (this.#filled > 0) this.#endLeaf();
    const { arena } = this.#kernels;
    const table = arena.allocate(alignUp(this.#hashes.length * HASH_BYTES) + HASH_BYTES);
    try {
      const halves = arena.int32(table.pointer, this.#hashes.length * 2);
      for (const [i, { low, high }] of this.#hashes.entries()) {
        halves[2 * i] = low;
        halves[2 * i + 1] = high;
      }
      const source = { pointer: table.pointer, byteLength: this.#hashes.length * HASH_BYTES };
      const result = { pointer: table.pointer + alignUp(source.byteLength) };
      return callTask(this.#kernels, xxHash64(arena, source, result));
    } finally {
      arena.free(table);
    }
  }

  dispose(): void {
    this.#kernels.arena.free(this.#leaf);
  }

  #endLeaf(): void {
    const source = { pointer: this.#leaf.pointer, byteLength: this.#filled };
    const result = { pointer: this.#leaf.pointer + LEAF_BYTES };
    this.#hashes.push(callTask(this.#kernels, xxHash64(this.#kernels.arena, source, result)));
    this.#filled = 0;
  }
}
