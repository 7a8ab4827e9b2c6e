import { Random } from '../src/core/random.js';
import { Kernels } from '../src/kernels/kernels.js';
import { KernelPool } from '../src/pool/pool.js';
import { openSource } from '../src/sources/index.js';
import { compact } from '../src/vectors/compact.js';
import {
  CALIBRATION_NAMES,
  type Calibration,
  ENCODING_NAMES,
  type Encoding,
} from '../src/vectors/encoding.js';
import { pack } from '../src/vectors/pack.js';
import { nearestByQuery, recallOf } from '../src/vectors/recall.js';
import { prepareGlove } from './glove.js';
import { type BenchOptions, type Case, formatTable } from './harness.js';

const ROWS = 20_000;
const QUERIES = 200;
const K = 10;
const CANDIDATES = 100;
const SEED = 1;

/**
 * recall@10 by cosine of every encoding on 20,000 word embeddings (GloVe, 100 dimensions) drawn at random, for 200 others
 * as queries: exact scans of the codes with the float32 query, plain and with the best 100 scored again. The cases compare
 * with the exact float32 scan, whose recall is 1 by definition.
 */
export default async function recall(options: BenchOptions): Promise<Case[]> {
  const [rows, queryCount] = options.quick ? [2_000, 20] : [ROWS, QUERIES];
  const { path, dimension } = await prepareGlove('.cache');
  const sample = await draw(path, dimension, rows + queryCount);
  const queries = sample.splice(0, queryCount);
  const kernels = Kernels.load();
  const context = { kernels, runner: new KernelPool(kernels, { threads: 0 }) };
  const block = await pack(context, sample);
  const expected = nearestByQuery(kernels, block, queries, K);
  const table: (string | number)[][] = [
    ['encoding', 'bytes per vector', `recall@${K}`, `best ${CANDIDATES} re-scored`],
  ];
  const cases: Case[] = [];
  for (const { encoding, calibration } of formats()) {
    const settings = calibration === undefined ? { encoding } : { encoding, calibration };
    const small = await compact(context, block, settings);
    const plain = recallOf(small, block, queries, expected, { k: K });
    const rescored = recallOf(small, block, queries, expected, { k: K, candidates: CANDIDATES });
    const name = calibration === undefined ? encoding : `${encoding} ${calibration}`;
    table.push([name, String(small.recordBytes), plain.toFixed(4), rescored.toFixed(4)]);
    for (const [label, value] of [
      ['', plain],
      [`, best ${CANDIDATES} re-scored`, rescored],
    ] as const) {
      cases.push({
        name: `recall@${K} ${name}${label}`,
        input: `${rows} x ${dimension} GloVe, ${queryCount} queries`,
        unit: 'share',
        median: value,
        baseline: { name: 'exact float32', median: 1 },
        ratio: value,
      });
    }
    small.dispose();
  }
  block.dispose();
  console.log(`\n${formatTable(table)}`);
  return cases;
}

function* formats(): Generator<{ encoding: Encoding; calibration?: Calibration }> {
  for (const encoding of ENCODING_NAMES) {
    if (encoding !== 'int8') yield { encoding };
    else for (const calibration of CALIBRATION_NAMES) yield { encoding, calibration };
  }
}

/** `count` different rows of the file in random order (reservoir sampling, Vitter 1985). */
async function draw(path: string, dimension: number, count: number): Promise<Float32Array[]> {
  const source = await openSource(path);
  const random = new Random(SEED);
  const sample: Float32Array[] = [];
  let seen = 0;
  for await (const { vectors } of source) {
    for (let first = 0; first < vectors.length; first += dimension) {
      const place = seen < count ? seen : random.integer(seen + 1);
      if (place < count) sample[place] = vectors.slice(first, first + dimension);
      seen++;
    }
  }
  await source.close?.();
  return random.shuffle(sample);
}
