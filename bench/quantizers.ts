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

const ROWS = 128;
const DIMENSION = 768;
const TRANSFORM = 1024;
const RANKED = 20_000;

/** The quantizers and their scans against plain JavaScript on typed arrays, in cache. */
export default async function quantizers(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const { arena } = kernels;
  const random = new Random(1);
  const normal = (count: number) => Float32Array.from({ length: count }, () => random.normal() * 0.05);
  const input = normal(ROWS * DIMENSION);
  const query = normal(DIMENSION);
  const span = (byteLength: number) => arena.allocate(byteLength);
  const source = allocateMatrix(arena, 'float32', ROWS, DIMENSION);
  arena.float32(source.pointer, input.length).set(input);
  const floats = allocateMatrix(arena, 'float32', ROWS, DIMENSION);
  const out = span(4 * ROWS);
  const jsOut = new Float32Array(ROWS);
  const jsFloats = new Float32Array(input.length);
  const records = (recordBytes: number) => ({
    pointer: span(ROWS * recordBytes).pointer,
    rows: ROWS,
    strideBytes: recordBytes,
  });

  const cases: Case[] = [];
  const against = async (
    name: string,
    calls: readonly KernelCall[],
    run: () => unknown,
    shape = `${ROWS} x ${DIMENSION}`,
  ) => {
    cases.push(
      await compare(
        {
          name,
          input: shape,
          run: () => {
            for (const call of calls) kernels.call(call);
          },
          baseline: { name: 'typed-array JS', run },
        },
        options,
      ),
    );
  };

  const halves = allocateMatrix(arena, 'bfloat16', ROWS, DIMENSION);
  const jsHalves = new Uint16Array(input.length);
  const queryAt = span(4 * DIMENSION);
  arena.float32(queryAt.pointer, DIMENSION).set(query);
  await against('encodeBfloat16', encodeBfloat16(source, halves), () =>
    plain.encodeBfloat16(input, jsHalves),
  );
  await against('decodeBfloat16', decodeBfloat16(halves, floats), () =>
    plain.decodeBfloat16(jsHalves, jsFloats),
  );
  await against('scanBfloat16', scanBfloat16(queryAt, halves, out), () =>
    plain.scanBfloat16(query, jsHalves, jsOut),
  );

  const integers = integerQuery(arena, query, span(integerQueryBytes(DIMENSION)));
  const bytes = records(int8RecordBytes(DIMENSION));
  const jsCodes = new Uint8Array(input.length);
  const jsIntervals = new Float32Array(2 * ROWS);
  await against('encodeInt8Rows', encodeInt8Rows(source, bytes), () =>
    plain.encodeInt8Rows(input, DIMENSION, jsCodes, jsIntervals),
  );
  await against('decodeInt8Rows', decodeInt8Rows(bytes, floats), () =>
    plain.decodeInt8Rows(jsCodes, DIMENSION, jsIntervals, jsFloats),
  );
  await against('scanInt8Rows', scanInt8Rows(integers, bytes, DIMENSION, out), () =>
    plain.scanInt8Rows(query, jsCodes, jsIntervals, jsOut),
  );
  const lowers = new Float32Array(DIMENSION).fill(-0.2);
  const { inverse } = columnStep(-0.2, 0.2);
  const inverses = new Float32Array(DIMENSION).fill(inverse);
  const [lowersAt, inversesAt] = [span(4 * DIMENSION), span(4 * DIMENSION)];
  arena.float32(lowersAt.pointer, DIMENSION).set(lowers);
  arena.float32(inversesAt.pointer, DIMENSION).set(inverses);
  const bare = allocateMatrix(arena, 'int8', ROWS, DIMENSION);
  await against('encodeInt8Columns', encodeInt8Columns(source, bare, lowersAt, inversesAt), () =>
    plain.encodeInt8Columns(input, DIMENSION, jsCodes, lowers, inverses),
  );

  const centre = span(4 * DIMENSION);
  const jsCentre = new Float32Array(DIMENSION).fill(0.01);
  arena.float32(centre.pointer, DIMENSION).set(jsCentre);
  const nibbles = records(int4RecordBytes(DIMENSION));
  const jsNibbles = new Uint8Array((ROWS * DIMENSION) / 2);
  const jsFactors = new Float32Array(4 * ROWS);
  const scratch = span(int4ScratchBytes(DIMENSION));
  await against('encodeInt4', encodeInt4(source, nibbles, centre, scratch), () =>
    plain.encodeInt4(input, jsCentre, jsNibbles, jsFactors),
  );
  await against('decodeInt4', decodeInt4(nibbles, floats, centre), () =>
    plain.decodeInt4(jsNibbles, jsFactors, jsCentre, jsFloats),
  );
  await against('scanInt4', scanInt4(integers, nibbles, DIMENSION, out, 0), () =>
    plain.scanInt4(query, jsNibbles, jsFactors, jsOut),
  );

  const signs = new Float32Array(TRANSFORM).map((_, d) => ((d * 37) % 3 ? 1 : -1) / 32);
  const signsAt = span(4 * TRANSFORM);
  arena.float32(signsAt.pointer, TRANSFORM).set(signs);
  const long = normal(64 * TRANSFORM);
  const longAt = allocateMatrix(arena, 'float32', 64, TRANSFORM);
  const turned = allocateMatrix(arena, 'float32', 64, TRANSFORM);
  const jsTurned = new Float32Array(long.length);
  arena.float32(longAt.pointer, long.length).set(long);
  await against(
    'hadamardRows',
    hadamardRows(longAt, turned, signsAt),
    () => plain.hadamardRows(long, TRANSFORM, signs, jsTurned),
    `64 x ${TRANSFORM}`,
  );

  const padded = paddedDimension(DIMENSION);
  const rotation = rotationSigns(padded, 1);
  const rotationAt = span(4 * rotationSignCount(padded));
  arena.float32(rotationAt.pointer, rotation.length).set(rotation);
  for (const bits of [1, 2, 4] as const satisfies RabitqBits[]) {
    const frame = { bits, centre, signs: rotationAt, scratch: span(rabitqScratchBytes(DIMENSION)) };
    const target = records(rabitqRecordBytes(bits, DIMENSION));
    const jsTarget = new Uint8Array((ROWS * padded * bits) / 8);
    const jsScratch = new Float32Array(padded);
    await against(`encodeRabitq ${bits}`, encodeRabitq(source, target, frame), () =>
      plain.encodeRabitq(input, jsCentre, rotation, bits, jsScratch, jsTarget, jsFactors),
    );
    await against(`scanRabitq ${bits}`, scanRabitq(integers, target, DIMENSION, bits, out, 0), () =>
      plain.scanRabitq(query, jsTarget, jsFactors, bits, jsOut),
    );
  }

  const scores = normal(RANKED);
  const scoresAt = span(4 * RANKED);
  arena.float32(scoresAt.pointer, RANKED).set(scores);
  const { calls } = topK(arena, scoresAt, RANKED, 10, span(topKBytes(10)));
  await against('topK 10', calls, () => plain.topK(scores, 10), String(RANKED));
  return cases;
}
