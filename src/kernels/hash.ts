import type { Arena } from './arena.js';
import type { KernelTask } from './task.js';

/** Bytes of scratch memory that {@link xxHash64} needs. */
export const HASH_BYTES = 8;

/** A 64-bit hash as two unsigned halves: no BigInt where it is compared and stored. */
export interface Hash64 {
  readonly low: number;
  readonly high: number;
}

/**
 * XXH64 of `byteLength` bytes at `source`, seed 0 unless given. It is sequential, so the task is one call.
 * `scratch` points to {@link HASH_BYTES} bytes that must stay allocated until the task is finished.
 */
export function xxHash64(
  arena: Arena,
  source: { readonly pointer: number; readonly byteLength: number },
  scratch: { readonly pointer: number },
  seed = 0,
): KernelTask<Hash64> {
  return {
    calls: [
      {
        name: 'xxHash64',
        args: [source.pointer, source.byteLength, seed, scratch.pointer],
        workBytes: source.byteLength,
      },
    ],
    finish() {
      const [low, high] = arena.int32(scratch.pointer, 2);
      return { low: low! >>> 0, high: high! >>> 0 };
    },
  };
}
