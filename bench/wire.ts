import { Random } from '../src/core/random.js';
import { clusteredVectors } from '../src/ingest/synthetic.js';
import { base64Bytes, encodeBase64 } from '../src/kernels/base64.js';
import { copyRecords, recordBytes } from '../src/kernels/copy.js';
import { type KernelCall, Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix } from '../src/kernels/matrix.js';
import { callTask } from '../src/kernels/task.js';
import { maxTextBytes, textFloat32, textTargetBytes } from '../src/kernels/text.js';
import { KernelPool } from '../src/pool/pool.js';
import { toJsonText } from '../src/vectors/wire.js';
import { type BenchOptions, type Case, compare } from './harness.js';

/** In cache, as the body of a request is; one row alone; and enough for the pool. */
const SHAPES: readonly (readonly [rows: number, dimension: number])[] = [
  [1, 768],
  [128, 768],
  [128, 1536],
];
const LARGE_ROWS = 1000;
/** Bytes before a row's elements in a COPY tuple with an id, and where the id stands. */
const TUPLE = { prefixBytes: 22, idOffset: 6 };

/** Wire text, base64 and COPY tuples of unit vectors against what a JavaScript program would write. */
export default async function wire(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const cases: Case[] = [];
  for (const [rows, dimension] of options.quick ? SHAPES.slice(0, 1) : SHAPES) {
    cases.push(...(await shapeCases(kernels, rows, dimension, options)));
  }
  for (const dimension of options.quick ? [128] : [128, 768, 1536])
    cases.push(await sizeCase(kernels, dimension));
  for (const threads of [0, 2]) cases.push(await publicCase(kernels, threads, options));
  return cases;
}

/** Vectors of length 1 in random directions, as embedding models give them. */
function unitVectors(rows: number, dimension: number): Float32Array {
  const random = new Random(1);
  const out = new Float32Array(rows * dimension);
  for (let start = 0; start < out.length; start += dimension) {
    const vector = Array.from({ length: dimension }, () => random.normal());
    const length = Math.hypot(...vector);
    out.set(
      vector.map((x) => x / length),
      start,
    );
  }
  return out;
}

const rowsOf = (vectors: Float32Array, dimension: number): Float32Array[] =>
  Array.from({ length: vectors.length / dimension }, (_, row) =>
    vectors.subarray(row * dimension, (row + 1) * dimension),
  );

const stringify = (row: Float32Array): string => JSON.stringify(Array.from(row));

async function shapeCases(
  kernels: Kernels,
  rows: number,
  dimension: number,
  options: BenchOptions,
): Promise<Case[]> {
  const { arena } = kernels;
  const vectors = unitVectors(rows, dimension);
  const views = rowsOf(vectors, dimension);
  const source = allocateMatrix(arena, 'float32', rows, dimension, 'contiguous');
  arena.float32(source.pointer, vectors.length).set(vectors);
  const record = recordBytes(TUPLE.prefixBytes, dimension);
  const target = arena.allocate(Math.max(textTargetBytes(rows, dimension, 1), rows * record));
  const prefix = arena.allocate(TUPLE.prefixBytes);
  const numbers = arena.allocate(8 * rows);
  const shape = `${rows} x ${dimension}`;
  const cases: Case[] = [];
  const against = async (
    name: string,
    input: string,
    bytes: number,
    calls: readonly KernelCall[],
    baseline: { name: string; run: () => unknown },
  ) => {
    const run = () => {
      for (const call of calls) kernels.call(call);
    };
    cases.push(await compare({ name, input, bytes, run, baseline }, options));
  };

  const task = textFloat32(arena, source, target);
  const written = callTask(kernels, task);
  if ('nonFinite' in written) throw new Error('The vectors are finite.');
  const ours = written.pieces[0]!.bytes.length;
  const share = ours / views.reduce((sum, row) => sum + stringify(row).length, 0);
  const input = `${shape}, ${share.toFixed(3)} of the baseline's bytes`;
  await against('textFloat32', input, vectors.byteLength + ours, task.calls, {
    name: 'JSON.stringify(Array.from(row))',
    run: () => views.map(stringify),
  });

  const base64Length = base64Bytes(4 * dimension);
  const base64 = encodeBase64(source, target);
  const base64Total = vectors.byteLength + rows * base64Length;
  const buffers = views.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength));
  await against('encodeBase64', shape, base64Total, base64, {
    name: "Buffer.toString('base64')",
    run: () => buffers.map((buffer) => buffer.toString('base64')),
  });
  const text = new Uint8Array(base64Length);
  await against('encodeBase64', shape, base64Total, base64, {
    name: 'typed-array JS',
    run: () => {
      for (const buffer of buffers) plainBase64(buffer, text);
    },
  });

  const numbersAt = { pointer: numbers.pointer, offset: TUPLE.idOffset };
  const tuples = copyRecords(
    source,
    { pointer: prefix.pointer, byteLength: TUPLE.prefixBytes, numbers: numbersAt },
    target,
  );
  const ids = new BigInt64Array(rows);
  const tuplesView = new DataView(new ArrayBuffer(rows * record));
  await against('copyRecords', shape, vectors.byteLength + rows * record, tuples, {
    name: 'DataView JS',
    run: () => plainCopy(vectors, dimension, ids, tuplesView),
  });

  for (const span of [source.span, target, prefix, numbers]) arena.free(span);
  return cases;
}

/** Bytes of JSON text a component, of clustered unit vectors: what `src/model/wire-formats.ts` goes by. */
async function sizeCase(kernels: Kernels, dimension: number): Promise<Case> {
  const vectors = clusteredVectors(LARGE_ROWS, dimension, 1);
  const runner = new KernelPool(kernels, { threads: 0 });
  try {
    const { bytes } = await toJsonText({ kernels, runner }, vectors, { dimension });
    // With the comma or bracket behind every component; a row's opening bracket is its own.
    const ours = (bytes.length - LARGE_ROWS) / vectors.length;
    const rows = rowsOf(vectors, dimension);
    const theirs = (rows.reduce((sum, row) => sum + stringify(row).length, 0) - LARGE_ROWS) / vectors.length;
    return {
      name: 'JSON text a component',
      input: `${LARGE_ROWS} x ${dimension} clustered unit vectors`,
      ...{ unit: 'bytes', median: ours },
      baseline: { name: 'JSON.stringify(Array.from(row))', median: theirs },
      ratio: theirs / ours,
    };
  } finally {
    await runner.close();
  }
}

async function publicCase(kernels: Kernels, threads: number, options: BenchOptions): Promise<Case> {
  const dimension = 768;
  const vectors = unitVectors(LARGE_ROWS, dimension);
  const views = rowsOf(vectors, dimension);
  const into = new Uint8Array(maxTextBytes(LARGE_ROWS, dimension));
  const runner = new KernelPool(kernels, { threads });
  try {
    return await compare(
      {
        name: `toJsonText, ${threads === 0 ? 'inline' : `${threads} threads`}`,
        input: `${LARGE_ROWS} x ${dimension}`,
        run: () => toJsonText({ kernels, runner }, vectors, { dimension, into }),
        baseline: { name: 'JSON.stringify(Array.from(row))', run: () => views.map(stringify) },
      },
      options,
    );
  } finally {
    await runner.close();
  }
}

const CHARACTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');

/** Three bytes at a time through a table; bytes are a multiple of 3 long. */
function plainBase64(bytes: Uint8Array, target: Uint8Array): void {
  for (let i = 0, o = 0; i < bytes.length; i += 3, o += 4) {
    const three = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    target[o] = CHARACTERS[three >>> 18]!;
    target[o + 1] = CHARACTERS[(three >>> 12) & 63]!;
    target[o + 2] = CHARACTERS[(three >>> 6) & 63]!;
    target[o + 3] = CHARACTERS[three & 63]!;
  }
}

/** Tuples (id int8, embedding vector) field by field. */
function plainCopy(vectors: Float32Array, dimension: number, ids: BigInt64Array, out: DataView): void {
  let at = 0;
  for (let row = 0; row < ids.length; row++) {
    out.setInt16(at, 2);
    out.setInt32(at + 2, 8);
    out.setBigInt64(at + 6, ids[row]!);
    out.setInt32(at + 14, 4 + 4 * dimension);
    out.setInt16(at + 18, dimension);
    out.setInt16(at + 20, 0);
    at += 22;
    const end = (row + 1) * dimension;
    for (let i = row * dimension; i < end; i++, at += 4) out.setFloat32(at, vectors[i]!);
  }
}
