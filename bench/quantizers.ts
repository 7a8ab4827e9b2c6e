import { Random } from '../src/core/random.js';
import { decodeBfloat16, encodeBfloat16, scanBfloat16 } from '../src/kernels/bfloat16.js';
import { hadamardRows, paddedDimension, rotationSignCount, rotationSigns } from '../src/kernels/hadamard.js';
import { decodeInt4, encodeInt4, int4RecordBytes, int4ScratchBytes, scanInt4 } from '../src/kernels/int4.js';
import {
  columnStep,
  decodeInt8Rows,
  encodeInt8Columns,
  encodeInt8Rows,
  int8RecordBytes,
  scanInt8Rows,
} from '../src/kernels/int8-rows.js';
import { type KernelCall, Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix } from '../src/kernels/matrix.js';
import { integerQuery, integerQueryBytes } from '../src/kernels/query.js';
import {
  encodeRabitq,
  type RabitqBits,
  rabitqRecordBytes,
  rabitqScratchBytes,
  scanRabitq,
} from '../src/kernels/rabitq.js';
import { topK, topKBytes } from '../src/kernels/scores.js';
import * as plain from './baselines-quantizers.js';
import { type BenchOptions, type Case, compare } from './harness.js';

/** In the second-level cache, and one that is not. */
const SHAPES: readonly (readonly [rows: number, dimension: number])[] = [
  [128, 768],
  [128, 100],
  [128, 128],
  [128, 1536],
  [10_000, 768],
];
/** Encoders that refine each vector take seconds a round on more rows than this, in JavaScript. */
const MOST_REFINED_ROWS = 1000;
const TRANSFORM = 1024;
const RANKED = 20_000;

/** The quantizers and their scans against plain JavaScript on typed arrays. */
export default async function quantizers(options: BenchOptions): Promise<Case[]> {
  const cases: Case[] = [];
  for (const [rows, dimension] of options.quick ? SHAPES.slice(0, 1) : SHAPES) {
    cases.push(...(await matrixCases(rows, dimension, options)));
  }
  return [...cases, ...(await otherCases(options))];
}

const random = new Random(1);
const normal = (count: number) => Float32Array.from({ length: count }, () => random.normal() * 0.05);

type Against = (name: string, calls: readonly KernelCall[], run: () => unknown) => Promise<void>;

/** Adds kernel calls against a plain function to `cases`. */
function comparer(kernels: Kernels, input: string, options: BenchOptions, cases: Case[]): Against {
  return async (name, calls, run) => {
    const ours = () => {
      for (const call of calls) kernels.call(call);
    };
    const baseline = { name: 'typed-array JS', run };
    cases.push(await compare({ name, input, run: ours, baseline }, options));
  };
}

async function matrixCases(rows: number, dimension: number, options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const { arena } = kernels;
  const input = normal(rows * dimension);
  const query = normal(dimension);
  const span = (byteLength: number) => arena.allocate(byteLength);
  const source = allocateMatrix(arena, 'float32', rows, dimension, 'contiguous');
  arena.float32(source.pointer, input.length).set(input);
  const floats = allocateMatrix(arena, 'float32', rows, dimension);
  const out = span(4 * rows);
  const jsOut = new Float32Array(rows);
  const jsFloats = new Float32Array(input.length);
  const records = (recordBytes: number) => ({
    pointer: span(rows * recordBytes).pointer,
    rows,
    strideBytes: recordBytes,
  });
  const cases: Case[] = [];
  const against = comparer(kernels, `${rows} x ${dimension}`, options, cases);

  const halves = allocateMatrix(arena, 'bfloat16', rows, dimension);
  const jsHalves = new Uint16Array(input.length);
  const queryAt = span(4 * dimension);
  arena.float32(queryAt.pointer, dimension).set(query);
  await against('encodeBfloat16', encodeBfloat16(source, halves), () =>
    plain.encodeBfloat16(input, jsHalves),
  );
  await against('decodeBfloat16', decodeBfloat16(halves, floats), () =>
    plain.decodeBfloat16(jsHalves, jsFloats),
  );
  await against('scanBfloat16', scanBfloat16(queryAt, halves, out), () =>
    plain.scanBfloat16(query, jsHalves, jsOut),
  );

  const integers = integerQuery(arena, query, span(integerQueryBytes(dimension)));
  const bytes = records(int8RecordBytes(dimension));
  const jsCodes = new Uint8Array(input.length);
  const jsIntervals = new Float32Array(2 * rows);
  await against('encodeInt8Rows', encodeInt8Rows(source, bytes), () =>
    plain.encodeInt8Rows(input, dimension, jsCodes, jsIntervals),
  );
  await against('decodeInt8Rows', decodeInt8Rows(bytes, floats), () =>
    plain.decodeInt8Rows(jsCodes, dimension, jsIntervals, jsFloats),
  );
  await against('scanInt8Rows', scanInt8Rows(integers, bytes, dimension, out), () =>
    plain.scanInt8Rows(query, jsCodes, jsIntervals, jsOut),
  );
  const lowers = new Float32Array(dimension).fill(-0.2);
  const { inverse } = columnStep(-0.2, 0.2);
  const inverses = new Float32Array(dimension).fill(inverse);
  const [lowersAt, inversesAt] = [span(4 * dimension), span(4 * dimension)];
  arena.float32(lowersAt.pointer, dimension).set(lowers);
  arena.float32(inversesAt.pointer, dimension).set(inverses);
  const bare = allocateMatrix(arena, 'int8', rows, dimension);
  await against('encodeInt8Columns', encodeInt8Columns(source, bare, lowersAt, inversesAt), () =>
    plain.encodeInt8Columns(input, dimension, jsCodes, lowers, inverses),
  );

  if (rows > MOST_REFINED_ROWS) return cases;

  const centre = span(4 * dimension);
  const jsCentre = new Float32Array(dimension).fill(0.01);
  arena.float32(centre.pointer, dimension).set(jsCentre);
  const nibbles = records(int4RecordBytes(dimension));
  const jsNibbles = new Uint8Array((rows * dimension) / 2);
  const jsFactors = new Float32Array(4 * rows);
  const scratch = span(int4ScratchBytes(dimension));
  await against('encodeInt4', encodeInt4(source, nibbles, centre, scratch), () =>
    plain.encodeInt4(input, jsCentre, jsNibbles, jsFactors),
  );
  await against('decodeInt4', decodeInt4(nibbles, floats, centre), () =>
    plain.decodeInt4(jsNibbles, jsFactors, jsCentre, jsFloats),
  );
  await against('scanInt4', scanInt4(integers, nibbles, dimension, out, 0), () =>
    plain.scanInt4(query, jsNibbles, jsFactors, jsOut),
  );

  const padded = paddedDimension(dimension);
  const paddedQuery = normal(padded);
  const rotation = rotationSigns(padded, 1);
  const rotationAt = span(4 * rotationSignCount(padded));
  arena.float32(rotationAt.pointer, rotation.length).set(rotation);
  for (const bits of [1, 2, 4] as const satisfies RabitqBits[]) {
    const frame = { bits, centre, signs: rotationAt, scratch: span(rabitqScratchBytes(dimension)) };
    const target = records(rabitqRecordBytes(bits, dimension));
    const jsTarget = new Uint8Array((rows * padded * bits) / 8);
    const jsScratch = new Float32Array(padded);
    await against(`encodeRabitq ${bits}`, encodeRabitq(source, target, frame), () =>
      plain.encodeRabitq(input, jsCentre, rotation, bits, jsScratch, jsTarget, jsFactors),
    );
    await against(`scanRabitq ${bits}`, scanRabitq(integers, target, dimension, bits, out, 0), () =>
      plain.scanRabitq(paddedQuery, jsTarget, jsFactors, bits, jsOut),
    );
  }
  return cases;
}

async function otherCases(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const { arena } = kernels;
  const span = (byteLength: number) => arena.allocate(byteLength);
  const cases: Case[] = [];
  const signs = new Float32Array(TRANSFORM).map((_, d) => ((d * 37) % 3 ? 1 : -1) / 32);
  const signsAt = span(4 * TRANSFORM);
  arena.float32(signsAt.pointer, TRANSFORM).set(signs);
  const long = normal(64 * TRANSFORM);
  const longAt = allocateMatrix(arena, 'float32', 64, TRANSFORM);
  const turned = allocateMatrix(arena, 'float32', 64, TRANSFORM);
  const jsTurned = new Float32Array(long.length);
  arena.float32(longAt.pointer, long.length).set(long);
  const transforms = comparer(kernels, `64 x ${TRANSFORM}`, options, cases);
  await transforms('hadamardRows', hadamardRows(longAt, turned, signsAt), () =>
    plain.hadamardRows(long, TRANSFORM, signs, jsTurned),
  );

  const scores = normal(RANKED);
  const scoresAt = span(4 * RANKED);
  arena.float32(scoresAt.pointer, RANKED).set(scores);
  const { calls } = topK(arena, scoresAt, RANKED, 10, span(topKBytes(10)));
  const ranking = comparer(kernels, String(RANKED), options, cases);
  await ranking('topK 10', calls, () => plain.topK(scores, 10));
  return cases;
}
