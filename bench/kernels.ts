import { Random } from '../src/core/random.js';
import { decodeBits, encodeBits, hammingBits } from '../src/kernels/bits.js';
import { allocateBlocks, blocksToRows, rowsToBlocks } from '../src/kernels/blocks.js';
import { firstNonFiniteRow } from '../src/kernels/check.js';
import { dotFloat32, squaredL2Float32 } from '../src/kernels/distance.js';
import { decodeFloat16, encodeFloat16 } from '../src/kernels/float16.js';
import { xxHash64 } from '../src/kernels/hash.js';
import {
  calibrateInt8,
  decodeInt8,
  dotInt8,
  encodeInt8,
  int8Inverse,
  squaredL2Int8,
} from '../src/kernels/int8.js';
import { type KernelCall, Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix, type ElementType, matrixBytes, sliceRows } from '../src/kernels/matrix.js';
import { minMaxFloat32 } from '../src/kernels/range.js';
import { packRows } from '../src/kernels/rows.js';
import * as plain from './baselines.js';
import { gridCases } from './grid.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const DIMENSION = 768;
/** 384 KiB of float32: in the second-level cache. 30 MB: read from memory, or nearly. */
const SIZES = [128, 10_000];

/** Every kernel against plain JavaScript on typed arrays, in cache and out of it, and the grid search. */
export default async function kernels(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const cases: Case[] = [];
  for (const rows of SIZES) cases.push(...(await matrixCases(kernels, rows, options)));
  cases.push(...(await gridCases(kernels, options)));
  return cases;
}

async function matrixCases(kernels: Kernels, rows: number, options: BenchOptions): Promise<Case[]> {
  const { arena } = kernels;
  const count = rows * DIMENSION;
  const random = new Random(1);
  const input = Float32Array.from({ length: count }, () => random.normal() * 0.05);
  const inputBits = new Uint32Array(input.buffer);
  const query = input.slice(0, DIMENSION);

  const spans: { pointer: number; byteLength: number }[] = [];
  const matrix = <E extends ElementType>(element: E, layout?: 'contiguous') => {
    const allocated = allocateMatrix(arena, element, rows, DIMENSION, layout);
    spans.push(allocated.span);
    return allocated;
  };
  const vectors = matrix('float32');
  const contiguous = matrix('float32', 'contiguous');
  const floats = matrix('float32');
  const halves = matrix('float16');
  const codes = matrix('int8');
  const bits = matrix('bit');
  const blocks = allocateBlocks(arena, rows, DIMENSION);
  const terms = arena.allocate(8 * rows);
  const out = arena.allocate(4 * rows);
  spans.push(blocks.span, terms, out);
  arena.float32(contiguous.pointer, count).set(input);
  for (const call of packRows(contiguous, vectors)) kernels.call(call);
  const calibration = calibrateInt8({ min: -0.2, max: 0.2 });
  const inverse = int8Inverse(calibration);

  const js = {
    floats: new Float32Array(count),
    halves: new Uint16Array(count),
    codes: new Uint8Array(count),
    bits: new Uint8Array(count / 8),
    blocks: new Float32Array(Math.ceil(rows / 64) * 64 * DIMENSION),
    terms: new Int32Array(2 * rows),
    out32: new Int32Array(rows),
    outFloats: new Float32Array(rows),
  };
  const words = new Uint32Array(js.bits.buffer);
  const row = <E extends ElementType>(of: { element: E } & Parameters<typeof sliceRows<E>>[0]) =>
    sliceRows(of, 0, 1);

  const cases: Case[] = [];
  const against = async (name: string, calls: readonly KernelCall[], run: () => unknown) => {
    cases.push(
      await compare(
        {
          name,
          input: `${rows} x ${DIMENSION}`,
          run: () => {
            for (const call of calls) kernels.call(call);
          },
          baseline: { name: 'typed-array JS', run },
        },
        options,
      ),
    );
  };

  await against('packRows', packRows(contiguous, floats), () =>
    plain.packRows(input, DIMENSION, js.floats, DIMENSION),
  );
  await against('rowsToBlocks', rowsToBlocks(vectors, blocks), () =>
    plain.rowsToBlocks(input, DIMENSION, js.blocks),
  );
  await against('blocksToRows', blocksToRows(blocks, floats), () =>
    plain.blocksToRows(js.blocks, DIMENSION, js.floats),
  );
  await against('encodeFloat16', encodeFloat16(vectors, halves), () => plain.encodeFloat16(input, js.halves));
  await against('decodeFloat16', decodeFloat16(halves, floats), () =>
    plain.decodeFloat16(js.halves, js.floats),
  );
  await against('minMaxFloat32', minMaxFloat32(arena, vectors, out).calls, () => plain.minMax(input));
  await against('encodeInt8', encodeInt8(vectors, codes, terms, calibration), () =>
    plain.encodeInt8(input, DIMENSION, js.codes, js.terms, inverse, calibration.offset),
  );
  await against('decodeInt8', decodeInt8(codes, floats, calibration), () =>
    plain.decodeInt8(js.codes, js.floats, calibration.alpha, calibration.offset),
  );
  await against('dotInt8', dotInt8(row(codes), codes, out), () =>
    plain.dotRows(js.codes.subarray(0, DIMENSION), js.codes, js.out32),
  );
  await against('squaredL2Int8', squaredL2Int8(row(codes), codes, out), () =>
    plain.squaredL2Rows(js.codes.subarray(0, DIMENSION), js.codes, js.out32),
  );
  await against('encodeBits', encodeBits(vectors, bits), () => plain.encodeBits(input, js.bits));
  await against('decodeBits', decodeBits(bits, floats), () => plain.decodeBits(js.bits, js.floats));
  await against('hammingBits', hammingBits(row(bits), bits, out), () =>
    plain.hamming(words.subarray(0, DIMENSION / 32), words, js.out32),
  );
  await against('dotFloat32', dotFloat32(row(vectors), vectors, out), () =>
    plain.dotRows(query, input, js.outFloats),
  );
  await against('squaredL2Float32', squaredL2Float32(row(vectors), vectors, out), () =>
    plain.squaredL2Rows(query, input, js.outFloats),
  );
  await against('firstNonFinite', firstNonFiniteRow(vectors).calls, () => plain.firstNonFinite(input));
  const bytes = matrixBytes(arena, vectors);
  const whole = { pointer: vectors.pointer, byteLength: bytes.length };
  await against('xxHash64', xxHash64(arena, whole, out).calls, () => plain.hash(inputBits));

  for (const span of spans) arena.free(span);
  return cases;
}
