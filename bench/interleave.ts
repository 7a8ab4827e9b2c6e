import { Random } from '../src/core/random.js';
import { dotInt8 } from '../src/kernels/int8.js';
import {
  allocateInterleaved,
  deinterleaveInt8,
  dotInt8Interleaved,
  interleaveInt8,
} from '../src/kernels/interleave.js';
import { type KernelCall, Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix, matrixBytes, sliceRows } from '../src/kernels/matrix.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const DIMENSIONS = [16, 20, 64, 100, 768];
/** Of codes: in the second-level cache, and out of it. */
const SIZES_BYTES = [96 * 1024, 8 * 1024 * 1024];

/** The interleaved dot product against the row-major one, and the conversions against plain JavaScript. */
export default async function interleave(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const cases: Case[] = [];
  for (const dimension of DIMENSIONS) {
    for (const bytes of SIZES_BYTES) {
      const rows = Math.floor(bytes / dimension / 4) * 4;
      cases.push(...(await interleaveCases(kernels, rows, dimension, options)));
    }
  }
  return cases;
}

async function interleaveCases(
  kernels: Kernels,
  rows: number,
  dimension: number,
  options: BenchOptions,
): Promise<Case[]> {
  const { arena } = kernels;
  // Without padding between rows: both kernels read the same number of bytes.
  const codes = allocateMatrix(arena, 'int8', rows, dimension, 'contiguous');
  const groups = allocateInterleaved(arena, rows, dimension);
  const out = arena.allocate(4 * rows);
  const random = new Random(1);
  const plain = Uint8Array.from({ length: rows * dimension }, () => random.integer(128));
  const plainGroups = new Uint8Array(plain.length);
  matrixBytes(arena, codes).set(plain);
  const query = sliceRows(codes, 0, 1);
  const run = (calls: readonly KernelCall[]) => () => {
    for (const call of calls) kernels.call(call);
  };
  run(interleaveInt8(codes, groups))();

  const input = `${rows} x ${dimension}`;
  const against = (name: string, calls: readonly KernelCall[], baseline: Case['name'], body: () => unknown) =>
    compare({ name, input, run: run(calls), baseline: { name: baseline, run: body } }, options);
  const cases = [
    await against(
      'dotInt8Interleaved',
      dotInt8Interleaved(query, groups, out),
      'dotInt8',
      run(dotInt8(query, codes, out)),
    ),
    await against('interleaveInt8', interleaveInt8(codes, groups), 'typed-array JS', () =>
      transposeWords(plain, dimension, plainGroups, true),
    ),
    await against('deinterleaveInt8', deinterleaveInt8(groups, codes), 'typed-array JS', () =>
      transposeWords(plainGroups, dimension, plain, false),
    ),
  ];
  for (const span of [codes.span, groups.span, out]) arena.free(span);
  return cases;
}

/** Whole groups of whole words of four codes, as a good JavaScript loop moves them. */
function transposeWords(source: Uint8Array, dimension: number, target: Uint8Array, into: boolean): void {
  const from = new Uint32Array(source.buffer);
  const to = new Uint32Array(target.buffer);
  const units = dimension / 4;
  for (let group = 0; group < from.length; group += 4 * units) {
    for (let unit = 0; unit < units; unit++) {
      for (let row = 0; row < 4; row++) {
        const rowMajor = group + row * units + unit;
        const interleaved = group + unit * 4 + row;
        if (into) to[interleaved] = from[rowMajor]!;
        else to[rowMajor] = from[interleaved]!;
      }
    }
  }
}
