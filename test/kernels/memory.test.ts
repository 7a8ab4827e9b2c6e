import { describe, expect, it } from 'vitest';
import { instantiateKernels } from '../../src/kernels/kernels.js';
import { float16FromBits } from '../reference/float16.js';
import { xxh64 } from '../reference/hash.js';
import { expectSameBytes, kernels, vectors } from './support.js';

const GIB = 2 ** 30;
const ROWS = 9;
const DIMENSION = 21;

describe('the kernels’ memory', () => {
  it('is addressed as unsigned: pointers above 2 GiB work', async () => {
    // Reserved, not touched: only the pages used below become real.
    const memory = new WebAssembly.Memory({ initial: 34_000, maximum: 65_536, shared: true });
    const exports = await instantiateKernels(kernels.module, memory);
    const source = 2 * GIB + 4096;
    const target = 2 * GIB + 65_536;
    const count = ROWS * DIMENSION;
    const data = vectors(4, count, 'unit');
    new Float32Array(memory.buffer, source, count).set(data);
    const bytes = new Uint8Array(memory.buffer, source, count * 4);

    exports.packRows(source, ROWS, DIMENSION * 4, target, 128);
    expectSameBytes(
      new Float32Array(memory.buffer, target + 128, DIMENSION),
      data.subarray(DIMENSION, 2 * DIMENSION),
    );
    exports.encodeFloat16(source, DIMENSION * 4, ROWS, DIMENSION, target, 64);
    expect(new Uint16Array(memory.buffer, target + 64, 1)[0]).toBe(
      float16FromBits(new Uint32Array(data.buffer)[DIMENSION]!),
    );
    exports.rowsToBlocks(source, DIMENSION * 4, ROWS, DIMENSION, target);
    exports.blocksToRows(target, ROWS, DIMENSION, target + 65_536, DIMENSION * 4);
    expectSameBytes(new Uint8Array(memory.buffer, target + 65_536, count * 4), bytes);
    exports.xxHash64(source, count * 4, 0, target);
    expect(new BigUint64Array(memory.buffer, target, 1)[0]).toBe(xxh64(Uint8Array.from(bytes), 0));
    expect(exports.firstNonFiniteFloat32(source, count, 0)).toBe(-1);
    new Float32Array(memory.buffer, source, count)[100] = Number.NaN;
    expect(exports.firstNonFiniteFloat32(source, count, 0)).toBe(100);
  });

  it('may be shared by instances, which hold no state of their own', async () => {
    const [one, two] = await Promise.all(
      [0, 1].map(() => instantiateKernels(kernels.module, kernels.arena.memory)),
    );
    const span = kernels.arena.allocate(64);
    const view = kernels.arena.float32(span.pointer, 2);
    view.set([1, Number.POSITIVE_INFINITY]);
    expect(one!.firstNonFiniteFloat32(span.pointer, 2, 0)).toBe(1);
    view[1] = 2;
    expect(two!.firstNonFiniteFloat32(span.pointer, 2, 0)).toBe(-1);
    kernels.arena.free(span);
  });

  it('is all that the module asks of its host: no abort, no allocator, no call out of a loop', () => {
    const imports = WebAssembly.Module.imports(kernels.module);
    expect(imports.map(({ module, name }) => `${module}.${name}`)).toEqual(['env.memory']);
    const kinds = WebAssembly.Module.exports(kernels.module).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(['function']));
  });
});
