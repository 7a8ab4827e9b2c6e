import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProgressLine } from '../src/cli/progress-line.js';
import { Random } from '../src/core/random.js';
import { median } from '../src/core/statistics.js';
import type { Setting } from '../src/core/types.js';
import { formatCount } from '../src/core/units.js';
import { ingest } from '../src/ingest/ingest.js';
import type { Sink, Source } from '../src/ingest/ports.js';
import { clusteredVectors } from '../src/ingest/synthetic.js';
import { tune } from '../src/ingest/tune.js';
import { Kernels } from '../src/kernels/kernels.js';
import { openSink, scratchSinks } from '../src/sinks/index.js';
import { DATABASES, type Database, type Started } from './databases.js';
import type { BenchOptions, Case } from './harness.js';

const DIMENSIONS = [128, 768];
const DEFAULT: Setting = { batchSize: 100, concurrency: 1 };
const ROUNDS = 7;
/** Of the first load, which is not counted. */
const WARM_UP_SHARE = 1 / 10;
/** Of a smoke run: nothing is tuned. */
const QUICK = { rounds: 1, share: 1 / 50, best: { batchSize: 1024, concurrency: 1 } };
const CHUNK_BYTES = 1_048_576;
const CACHE = fileURLToPath(new URL('../.cache', import.meta.url));

interface Arm {
  readonly name: string;
  readonly fixed?: Setting;
}

/** A pair of a database and a dimension. */
interface Match {
  readonly database: Database;
  readonly started: Started;
  readonly dimension: number;
  readonly vectors: Float32Array;
}

/**
 * Whole loads into fresh collections: adaptive against 100 in a request, one at a time, and against the best fixed
 * setting that an exhaustive tuning of the same database finds. The arms run in shuffled order within each round, and
 * ratios are taken round by round. A load is timed from the opened sink to the reconciled end, all exploring included.
 */
export default async function bench(options: BenchOptions): Promise<Case[]> {
  const { databases = DATABASES.map(({ name }) => name), dimensions = DIMENSIONS, quick } = options;
  const folder = await mkdtemp(join(tmpdir(), 'vbo-bench-'));
  const line = new ProgressLine();
  const cases: Case[] = [];
  try {
    for (const database of DATABASES.filter(({ name }) => databases.includes(name))) {
      const own = join(folder, database.name);
      await mkdir(own);
      const started = await database.start(own).catch((error: Error) => error);
      if (started instanceof Error) {
        line.print(`${database.name} is left out: ${started.message}`);
        continue;
      }
      try {
        for (const dimension of dimensions.filter((d) => database.rows[d])) {
          const rows = Math.round(database.rows[dimension]! * (quick ? QUICK.share : 1));
          const match = { database, started, dimension, vectors: clusteredVectors(rows, dimension, 1) };
          cases.push(...(await play(match, options, line)));
        }
      } finally {
        await started.stop();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return cases;
}

async function play(match: Match, options: BenchOptions, line: ProgressLine): Promise<Case[]> {
  const { database, dimension, vectors } = match;
  const rounds = options.quick ? QUICK.rounds : (options.rounds ?? ROUNDS);
  const best = await bestFixed(match, options, line);
  const arms: Arm[] = [
    { name: 'adaptive' },
    { name: `fixed ${label(DEFAULT)}`, fixed: DEFAULT },
    { name: `best fixed ${label(best)}`, fixed: best },
  ];
  const input = `${vectors.length / dimension} x ${dimension} float32`;
  line.print(`${database.name}, ${input}: the best fixed setting is ${label(best)}`);
  const random = new Random(dimension);
  const rates = new Map<Arm, number[]>(arms.map((arm) => [arm, []]));
  // The first load of a process pays for starting the database and compiling; no arm should.
  const some = vectors.subarray(0, Math.ceil((WARM_UP_SHARE * vectors.length) / dimension) * dimension);
  if (!options.quick) for (const arm of arms) await load({ ...match, vectors: some }, arm);
  for (let round = 1; round <= rounds; round++) {
    for (const arm of random.shuffle([...arms])) {
      line.draw(`round ${round} of ${rounds}: ${arm.name}`);
      const { vectorsPerSecond, way } = await load(match, arm);
      rates.get(arm)!.push(vectorsPerSecond);
      line.print(
        `  ${round}  ${arm.name.padEnd(22)} ${formatCount(vectorsPerSecond).padStart(9)} vectors/s${way}`,
      );
    }
  }
  const adaptive = rates.get(arms[0]!)!;
  return arms.slice(1).map((arm) => {
    const theirs = rates.get(arm)!;
    const ratios = adaptive.map((rate, round) => rate / theirs[round]!);
    return {
      ...{ name: `${database.name} ${dimension}, adaptive`, input, unit: 'vectors/s' },
      median: median(adaptive),
      baseline: { name: arm.name, median: median(theirs) },
      ratio: median(ratios),
      rounds: {
        ...{ min: Math.min(...ratios), max: Math.max(...ratios) },
        ...{ won: ratios.filter((r) => r > 1).length, lost: ratios.filter((r) => r < 1).length },
      },
    };
  });
}

/** Measured by the library's own exhaustive tuning; remembered in the cache folder for this machine. */
async function bestFixed(match: Match, options: BenchOptions, line: ProgressLine): Promise<Setting> {
  const { database, started, dimension, vectors } = match;
  const machine = `${cpus().length} x ${cpus()[0]?.model}`;
  const file = join(CACHE, `best-fixed-${database.name}-${dimension}.json`);
  const known = await readFile(file, 'utf8').then(JSON.parse, () => undefined);
  if (known?.machine === machine && !options.retune) return known.best;
  if (options.quick) return QUICK.best;
  const report = await tune(scratchSinks(started.urlOf('tuning')), {
    ...{ dimension, source: sourceOf(vectors, dimension), exhaustive: true },
    itemCount: vectors.length / dimension,
    onProgress: ({ done, total }) =>
      line.draw(`tuning ${database.name} ${dimension}: ${done} of ${total} trials`),
  });
  await mkdir(CACHE, { recursive: true });
  const cells = report.cells.map(({ batchSize, concurrency, vectorsPerSecond }) => ({
    ...{ batchSize, concurrency, vectorsPerSecond: Math.round(vectorsPerSecond) },
  }));
  await writeFile(file, `${JSON.stringify({ machine, best: report.best, asGood: report.asGood, cells })}\n`);
  return report.best;
}

let collections = 0;

/** Loads all vectors into a fresh collection, counts them through a connection of its own, and removes it. */
async function load(
  { started, dimension, vectors }: Match,
  arm: Arm,
): Promise<{ vectorsPerSecond: number; way: string }> {
  const rows = vectors.length / dimension;
  const collection = `load${collections++}`;
  const url = started.urlOf(collection);
  const sink = await openSink(url);
  const elapsedMs = stopwatch(sink);
  const report = await ingest(
    { kernels: Kernels.shared() },
    sourceOf(vectors, dimension),
    sink,
    arm.fixed ? { fixed: arm.fixed } : {},
  );
  const counter = await openSink(url);
  await counter.open({ dimension, metric: 'cosine', idType: 'number', hasPayloads: false });
  const count = await counter.count!();
  await counter.drop!();
  await counter.close();
  if (report.acknowledged !== rows || count !== rows) {
    throw new Error(
      `${arm.name} into ${sink.name}: ${report.acknowledged} of ${rows} vectors were acknowledged and ${count} are stored.`,
    );
  }
  await started.remove(collection);
  const way = arm.fixed ? '' : `  ${report.settings.map(label).join(' > ')}`;
  return { vectorsPerSecond: (1000 * rows) / elapsedMs(), way };
}

/** Runs from when the sink is open until it is closed: starting and stopping an embedded database is nobody's merit. */
function stopwatch(sink: Sink): () => number {
  const [open, close] = [sink.open.bind(sink), sink.close.bind(sink)];
  let startMs = 0;
  let endMs = 0;
  sink.open = async (options) => {
    await open(options);
    startMs = performance.now();
  };
  sink.close = () => {
    endMs = performance.now();
    return close();
  };
  return () => endMs - startMs;
}

/** Vectors in memory, handed out as a file's reader would. */
function sourceOf(vectors: Float32Array, dimension: number): Source {
  const rowsPerChunk = Math.floor(CHUNK_BYTES / (4 * dimension));
  return {
    ...{ name: 'clustered vectors', dimension, count: vectors.length / dimension },
    async *[Symbol.asyncIterator]() {
      for (let first = 0; first * dimension < vectors.length; first += rowsPerChunk) {
        yield {
          positions: { first },
          vectors: vectors.subarray(first * dimension, (first + rowsPerChunk) * dimension),
        };
      }
    },
  };
}

const label = ({ batchSize, concurrency }: Setting): string => `${batchSize}x${concurrency}`;
