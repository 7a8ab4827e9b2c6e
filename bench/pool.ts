import { calibrateInt8, encodeInt8 } from '../src/kernels/int8.js';
import { type KernelCall, Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix } from '../src/kernels/matrix.js';
import { KernelPool } from '../src/pool/pool.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const DIMENSION = 768;
const SIZES = [1_000, 10_000, 50_000];

/** int8 quantization split over the worker threads against the same calls on this thread. */
export default async function pool(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const workers = new KernelPool(kernels);
  const cases: Case[] = [];
  try {
    for (const rows of options.quick ? SIZES.slice(0, 1) : SIZES) {
      const source = allocateMatrix(kernels.arena, 'float32', rows, DIMENSION);
      const target = allocateMatrix(kernels.arena, 'int8', rows, DIMENSION);
      const values = kernels.arena.float32(source.pointer, rows * DIMENSION);
      for (let i = 0; i < values.length; i++) values[i] = Math.sin(i);
      const calls = (parts: number): KernelCall[] =>
        encodeInt8(source, target, null, calibrateInt8({ min: -1, max: 1 }), parts);
      const split = calls(await workers.partsFor(source.span.byteLength));
      const whole = calls(1);
      cases.push(
        await compare(
          {
            name: `pool of ${workers.threads}, int8 quantize`,
            input: `${rows} x ${DIMENSION} float32`,
            run: () => workers.run(split),
            baseline: { name: 'same call inline', run: () => kernels.run(whole) },
          },
          options,
        ),
      );
      kernels.arena.free(source.span);
      kernels.arena.free(target.span);
    }
  } finally {
    await workers.close();
  }
  return cases;
}
