import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HASH_BYTES, xxHash64 } from '../../src/kernels/hash.js';
import { callTask } from '../../src/kernels/task.js';
import { xxh64 } from '../reference/hash.js';
import { arena, kernels, SEED, scoped } from './support.js';

function hash(bytes: Uint8Array, seed = 0): string {
  return scoped(({ span }) => {
    const source = span(bytes.length + 1);
    // Unaligned on purpose.
    arena.bytes(source.pointer + 1, bytes.length).set(bytes);
    const range = { pointer: source.pointer + 1, byteLength: bytes.length };
    const { low, high } = callTask(kernels, xxHash64(arena, range, span(HASH_BYTES), seed));
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  });
}

describe('XXH64', () => {
  it('gives the published values', () => {
    expect(hash(new Uint8Array(0))).toBe('ef46db3751d8e999');
    expect(hash(new TextEncoder().encode('a'))).toBe('d24ec4f1a98c6e5b');
    expect(hash(new TextEncoder().encode('abc'))).toBe('44bc2cf5ad770999');
  });

  it('equals the specification for any bytes and seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, seed) => {
        expect(hash(bytes, seed)).toBe(xxh64(bytes, seed).toString(16).padStart(16, '0'));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});
