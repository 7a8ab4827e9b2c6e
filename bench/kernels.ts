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
import { packRows, unpackRows } from '../src/kernels/rows.js';
import * as plain from './baselines.js';
import { gridCases } from './grid.js';
import { type BenchOptions, type Case, compare } from './harness.js';

/** 128 rows of any of these dimensions fit the second-level cache; 10,000 x 768 (30 MB) does not. */
const SHAPES: readonly (readonly [rows: number, dimension: number])[] = [
  [128, 100],
  [128, 128],
  [128, 768],
  [128, 1536],
  [10_000, 768],
];

/** A kernel on some matrices and the baseline that does the same. */
export interface Subject {
  readonly name: string;
  /** What `run` reads and writes. */
  readonly bytes: number;
  readonly run: () => unknown;
  readonly baseline: { readonly name: string; readonly run: () => unknown };
}

/** Every kernel against plain JavaScript on typed arrays, in cache and out of it, and the grid search. */
export default async function kernels(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const cases: Case[] = [];
  for (const [rows, dimension] of options.quick ? SHAPES.slice(0, 1) : SHAPES) {
    const { subjects, free } = kernelSubjects(kernels, rows, dimension);
    const input = `${rows} x ${dimension}`;
    for (const subject of subjects) cases.push(await compare({ ...subject, input }, options));
    free();
  }
  cases.push(...(await gridCases(kernels, options)));
  return cases;
}

/** All kernels on the same embedding-like vectors. `free` gives their memory back. */
export function kernelSubjects(
  kernels: Kernels,
  rows: number,
  dimension: number,
): { readonly subjects: Subject[]; free(): void } {
  const { arena } = kernels;
  const count = rows * dimension;
  const random = new Random(1);
  const input = Float32Array.from({ length: count }, () => random.normal() * 0.05);

  const spans: { pointer: number; byteLength: number }[] = [];
  const matrix = <E extends ElementType>(element: E, layout?: 'contiguous') => {
    const allocated = allocateMatrix(arena, element, rows, dimension, layout);
    spans.push(allocated.span);
    return allocated;
  };
  const vectors = matrix('float32');
  const contiguous = matrix('float32', 'contiguous');
  const floats = matrix('float32');
  const halves = matrix('float16');
  const codes = matrix('int8');
  const bits = matrix('bit');
  const blocks = allocateBlocks(arena, rows, dimension);
  const terms = arena.allocate(8 * rows);
  const out = arena.allocate(4 * rows);
  spans.push(blocks.span, terms, out);
  arena.float32(contiguous.pointer, count).set(input);
  const calibration = calibrateInt8({ min: -0.2, max: 0.2 });
  const { alpha, offset } = calibration;
  const inverse = int8Inverse(calibration);
  const row = <E extends ElementType>(of: { element: E } & Parameters<typeof sliceRows<E>>[0]) =>
    sliceRows(of, 0, 1);
  const prepare = [
    ...packRows(contiguous, vectors),
    ...encodeFloat16(vectors, halves),
    ...encodeInt8(vectors, codes, null, calibration),
    ...encodeBits(vectors, bits),
    ...rowsToBlocks(vectors, blocks),
  ];
  for (const call of prepare) kernels.call(call);

  const stride = vectors.strideBytes / 4;
  const bitWords = Math.ceil(dimension / 32);
  const js = {
    padded: new Float32Array(rows * stride),
    floats: new Float32Array(count),
    halves: new Uint16Array(count),
    codes: new Uint8Array(count),
    bits: new Uint8Array(rows * bitWords * 4),
    blocks: new Float32Array(Math.ceil(rows / 64) * 64 * dimension),
    terms: new Int32Array(2 * rows),
    counts: new Int32Array(rows),
    products: new Float32Array(rows),
  };
  const query = input.slice(0, dimension);
  plain.encodeFloat16(input, js.halves);
  plain.encodeInt8(input, js.codes, inverse, offset);
  plain.encodeBits(input, dimension, js.bits, bitWords * 4);
  plain.rowsToBlocks(input, dimension, js.blocks);
  const codeQuery = js.codes.slice(0, dimension);
  const words = new Uint32Array(js.bits.buffer);
  const wordQuery = words.slice(0, bitWords);
  const inputWords = new Uint32Array(input.buffer);
  const bytes = { pointer: vectors.pointer, byteLength: matrixBytes(arena, vectors).length };

  const subjects: Subject[] = [];
  const runAll = (calls: readonly KernelCall[]) => () => {
    for (const call of calls) kernels.call(call);
  };
  const against = (
    name: string,
    calls: readonly KernelCall[],
    loop: () => unknown,
    baseline = 'typed-array JS',
  ) => {
    const bytes = calls.reduce((sum, call) => sum + call.workBytes, 0);
    subjects.push({ name, bytes, run: runAll(calls), baseline: { name: baseline, run: loop } });
  };
  // Equal strides: one memory.copy of all bytes. What enters from JavaScript enters by `set`, row by row.
  const memoryCopy = {
    name: 'memory.copy',
    run: runAll(packRows(contiguous, { ...floats, strideBytes: dimension * 4 })),
  };
  const arrays = Array.from({ length: rows }, (_, v) => input.slice(v * dimension, (v + 1) * dimension));
  const entrance = arena.float32(floats.pointer, rows * stride);
  const packBytes = rows * (dimension * 4 + vectors.strideBytes);
  subjects.push(
    {
      name: 'Float32Array[] by set',
      bytes: packBytes,
      run: () => plain.packArrays(arrays, entrance, stride),
      baseline: memoryCopy,
    },
    {
      name: 'packRows',
      bytes: packBytes,
      run: runAll(packRows(contiguous, floats)),
      baseline: memoryCopy,
    },
  );
  against('packRows', packRows(contiguous, floats), () =>
    plain.packRows(input, dimension, js.padded, stride),
  );
  against('unpackRows', unpackRows(vectors, contiguous), () =>
    plain.unpackRows(js.padded, stride, js.floats, dimension),
  );
  against('rowsToBlocks', rowsToBlocks(vectors, blocks), () =>
    plain.rowsToBlocks(input, dimension, js.blocks),
  );
  against('blocksToRows', blocksToRows(blocks, floats), () =>
    plain.blocksToRows(js.blocks, dimension, js.floats),
  );
  against('encodeFloat16', encodeFloat16(vectors, halves), () => plain.encodeFloat16(input, js.halves));
  against('decodeFloat16', decodeFloat16(halves, floats), () => plain.decodeFloat16(js.halves, js.floats));
  against('minMaxFloat32', minMaxFloat32(arena, vectors, out).calls, () => plain.minMax(input));
  against('encodeInt8', encodeInt8(vectors, codes, null, calibration), () =>
    plain.encodeInt8(input, js.codes, inverse, offset),
  );
  against('encodeInt8 and terms', encodeInt8(vectors, codes, terms, calibration), () =>
    plain.encodeInt8WithTerms(input, dimension, js.codes, js.terms, inverse, offset),
  );
  against('decodeInt8', decodeInt8(codes, floats, calibration), () =>
    plain.decodeInt8(js.codes, js.floats, alpha, offset),
  );
  against('dotInt8', dotInt8(row(codes), codes, out), () => plain.dotInt8(codeQuery, js.codes, js.counts));
  against('squaredL2Int8', squaredL2Int8(row(codes), codes, out), () =>
    plain.squaredL2Int8(codeQuery, js.codes, js.counts),
  );
  against('encodeBits', encodeBits(vectors, bits), () =>
    plain.encodeBits(input, dimension, js.bits, bitWords * 4),
  );
  against('decodeBits', decodeBits(bits, floats), () =>
    plain.decodeBits(js.bits, bitWords * 4, js.floats, dimension),
  );
  against('hammingBits', hammingBits(row(bits), bits, out), () => plain.hamming(wordQuery, words, js.counts));
  against('dotFloat32', dotFloat32(row(vectors), vectors, out), () =>
    plain.dotFloat32(query, input, js.products),
  );
  against('squaredL2Float32', squaredL2Float32(row(vectors), vectors, out), () =>
    plain.squaredL2Float32(query, input, js.products),
  );
  against('firstNonFinite', firstNonFiniteRow(vectors).calls, () => plain.firstNonFinite(input));
  against(
    'xxHash64',
    xxHash64(arena, bytes, out).calls,
    () => plain.hash(inputWords),
    'FNV-1a of words in JS',
  );
  return {
    subjects,
    free() {
      for (const span of spans) arena.free(span);
    },
  };
}
