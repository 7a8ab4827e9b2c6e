import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Kernels } from '../../src/kernels/kernels.js';
import { compact } from '../../src/vectors/compact.js';
import { CompactBlock } from '../../src/vectors/compact-block.js';
import { CALIBRATION_NAMES, ENCODING_NAMES } from '../../src/vectors/encoding.js';
import { pack } from '../../src/vectors/pack.js';
import { LAYOUTS } from '../../src/vectors/vector-block.js';

const MODULE = new URL('../../build/kernels-unshared.wasm', import.meta.url);

const shared = Kernels.load();
let page: Kernels;

/** Every allocation grows the memory, which ends every view of it that was made before. */
function growAlways(kernels: Kernels): void {
  const { arena } = kernels;
  const allocate = arena.allocate.bind(arena);
  let left = 20_000;
  arena.allocate = (byteLength) => {
    const span = allocate(byteLength);
    if (left-- > 0) arena.memory.grow(1);
    return span;
  };
}

beforeAll(async () => {
  page = await Kernels.open(async () => readFileSync(MODULE));
  growAlways(page);
});

const FORMATS = [
  ...ENCODING_NAMES.map((encoding) => ({ encoding })),
  ...CALIBRATION_NAMES.map((calibration) => ({ encoding: 'int8' as const, calibration })),
];

describe('the kernels of a page', () => {
  it('run on memory that is not shared, and are the process’s own from then on', () => {
    expect(page.arena.memory.buffer).toBeInstanceOf(ArrayBuffer);
    expect(Kernels.shared()).toBe(page);
  });

  it.each(FORMATS)(
    'encode, decode and search $encoding $calibration as the shared ones do, whenever the memory grows',
    async (format) => {
      const sizes = fc.record({
        rows: fc.integer({ min: 1, max: 70 }),
        dimension: fc.integer({ min: 1, max: 40 }),
        layout: fc.constantFrom(...LAYOUTS),
        metric: fc.constantFrom('cosine' as const, 'dot' as const, 'l2' as const),
        seed: fc.integer({ min: 1, max: 1000 }),
      });
      await fc.assert(
        fc.asyncProperty(sizes, async ({ rows, dimension, layout, metric, seed }) => {
          const vectors = Float32Array.from({ length: rows * dimension }, (_, i) => Math.sin(seed + i * i));
          const query = vectors.slice(0, dimension);
          const results = [];
          for (const kernels of [shared, page]) {
            const context = { kernels, runner: kernels };
            using block = await pack(context, vectors, { dimension, layout });
            using made = await compact(context, block, format);
            using read = CompactBlock.from(made.toBytes(), kernels);
            results.push({
              floats: block.toFloat32Array(),
              bytes: made.toBytes(),
              decoded: read.decode(),
              plain: read.search(query, 5, { metric }),
              rescored: read.search(query, 5, { metric, rescore: { vectors: block } }),
            });
          }
          expect(results[1]).toEqual(results[0]);
        }),
        { seed: 7, numRuns: 12 },
      );
    },
  );
});
