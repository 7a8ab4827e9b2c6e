/**
 * `npm run demo -- [--rows N] [--rounds N] [--json]`: loads real embeddings (GloVe, 100 dimensions) into an
 * embedded LanceDB with the adaptive ingest, reads them back, and compares with fixed settings in the same run.
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as lancedb from '@lancedb/lancedb';
import { ProgressLine, progressText } from '../src/cli/progress-line.js';
import { Random } from '../src/core/random.js';
import { median } from '../src/core/statistics.js';
import type { Setting } from '../src/core/types.js';
import { formatCount, formatDuration } from '../src/core/units.js';
import { ingest } from '../src/ingest/ingest.js';
import type { Source } from '../src/ingest/ports.js';
import { Kernels } from '../src/kernels/kernels.js';
import { openSink } from '../src/sinks/index.js';
import { openSource } from '../src/sources/index.js';
import { type Glove, prepareGlove } from './glove.js';
import { describeMachine, formatTable } from './harness.js';

const FIXED: readonly Setting[] = [
  { batchSize: 64, concurrency: 1 },
  { batchSize: 100, concurrency: 1 },
  { batchSize: 1000, concurrency: 1 },
];
const SAMPLE_ROWS = 1000;
const WARM_UP_ROWS = 5000;

interface Arm {
  name: string;
  fixed?: Setting;
}

interface Run {
  arm: string;
  vectorsPerSecond: number;
  settings: readonly (Setting & { atMs: number; reason: string })[];
  best: Setting;
  comparedVectors: number;
}

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '150000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = positive(values.rounds, 'rounds');
const glove = await prepareGlove(fileURLToPath(new URL('../.cache', import.meta.url)));
const rows = Math.min(positive(values.rows, 'rows'), glove.rows);

const folder = await mkdtemp(join(tmpdir(), 'vbo-demo-'));
const interrupt = new AbortController();
const progress = new ProgressLine();
process.once('SIGINT', () => interrupt.abort());

try {
  const kernels = Kernels.shared();
  const arms: Arm[] = [
    { name: 'adaptive' },
    ...FIXED.map((fixed) => ({ name: `${fixed.batchSize} x ${fixed.concurrency}`, fixed })),
  ];
  progress.print(
    `${formatCount(rows)} GloVe embeddings of ${glove.dimension} dimensions into an embedded LanceDB, ${rounds} rounds in shuffled order.`,
  );
  // The first load of a process pays for starting the database; no arm should.
  await load({ name: 'warm-up', fixed: { batchSize: 1000, concurrency: 1 } }, kernels, WARM_UP_ROWS);
  const random = new Random(1);
  const runs: Run[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const arm of random.shuffle([...arms])) {
      const run = await load(arm, kernels, rows);
      runs.push(run);
      progress.print(
        `round ${round}: ${arm.name.padEnd(9)} ${formatCount(run.vectorsPerSecond).padStart(9)} vectors/s; ` +
          `count and ${formatCount(run.comparedVectors)} vectors read back, equal bit for bit`,
      );
    }
  }
  report(arms, runs);
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  progress.print('Interrupted.');
  process.exitCode = 130;
} finally {
  // Only now: a batch in flight would write the folder anew.
  await rm(folder, { recursive: true, force: true });
}

/** Loads the first `rows` vectors into a fresh table, checks what is stored, and removes it. */
async function load(arm: Arm, kernels: Kernels, rows: number): Promise<Run> {
  interrupt.signal.throwIfAborted();
  const directory = await mkdtemp(join(folder, 'db-'));
  const source = take(await openSource(glove.path), rows);
  // No arm compacts at the end: that would cost the small batches most.
  const sink = await openSink(`lancedb://${directory}?table=glove&optimize=never`);
  const start = performance.now();
  const result = await ingest({ kernels }, source, sink, {
    ...(arm.fixed && { fixed: arm.fixed }),
    signal: interrupt.signal,
    onProgress: (state) => progress.draw(`${arm.name.padEnd(9)} ${progressText(state)}`),
  });
  const seconds = (performance.now() - start) / 1000;
  if (result.acknowledged !== rows) {
    throw new Error(`${arm.name}: ${result.acknowledged} of ${rows} vectors were acknowledged.`);
  }
  const comparedVectors = await verify(directory, rows, glove);
  await rm(directory, { recursive: true, force: true });
  return {
    arm: arm.name,
    vectorsPerSecond: rows / seconds,
    settings: result.settings,
    best: result.best,
    comparedVectors,
  };
}

/** The first `rows` rows of a source. */
function take(source: Source, rows: number): Source {
  return {
    name: source.name,
    dimension: source.dimension,
    count: rows,
    async *[Symbol.asyncIterator]() {
      let left = rows;
      for await (const chunk of source) {
        const length = Math.min(left, chunk.vectors.length / source.dimension);
        yield { ...chunk, vectors: chunk.vectors.subarray(0, length * source.dimension) };
        left -= length;
        if (left === 0) return;
      }
    },
  };
}

/**
 * Counts the table and compares vectors spread over all of it with the file, past the code under test:
 * through a connection of its own, and reads of its own. Returns how many were compared.
 */
async function verify(directory: string, rows: number, { path, dimension }: Glove): Promise<number> {
  const connection = await lancedb.connect(directory);
  const table = await connection.openTable('glove');
  const file = await open(path);
  try {
    const count = await table.countRows();
    if (count !== rows) throw new Error(`The table holds ${count} rows; ${rows} were acknowledged.`);
    const stride = Math.max(1, Math.floor(rows / SAMPLE_ROWS));
    const ids = Array.from({ length: Math.floor((rows - 1) / stride) + 1 }, (_, i) => i * stride);
    const found = await table
      .query()
      .where(`id in (${ids.join(',')})`)
      .toArray();
    const stored = new Map(found.map((row) => [Number(row.id), row.vector as Iterable<number>]));
    const expected = Buffer.alloc(4 * dimension);
    for (const id of ids) {
      await file.read(expected, 0, expected.length, 128 + id * expected.length);
      const vector = stored.get(id);
      if (!vector || !expected.equals(new Uint8Array(Float32Array.from(vector).buffer))) {
        throw new Error(`Row ${id} is not what was loaded.`);
      }
    }
    return ids.length;
  } finally {
    await file.close();
    table.close();
    connection.close();
  }
}

function report(arms: readonly Arm[], runs: readonly Run[]): void {
  const speeds = (arm: Arm) => runs.filter((run) => run.arm === arm.name).map((run) => run.vectorsPerSecond);
  const medians = arms.map((arm) => median(speeds(arm)));
  // Rounds are paired: what a round's mood does to one arm it does to the others.
  const ratios = arms.map((arm) => median(speeds(arms[0]!).map((adaptive, i) => adaptive / speeds(arm)[i]!)));
  const adaptive = runs.filter((run) => run.arm === arms[0]!.name);
  const shown = adaptive.reduce((a, b) =>
    Math.abs(b.vectorsPerSecond - medians[0]!) < Math.abs(a.vectorsPerSecond - medians[0]!) ? b : a,
  );
  if (values.json) {
    console.log(
      JSON.stringify({
        machine: describeMachine(),
        rows,
        dimension: glove.dimension,
        rounds,
        arms: arms.map((arm, i) => ({
          name: arm.name,
          vectorsPerSecond: speeds(arm),
          median: medians[i],
          adaptiveRatio: ratios[i],
        })),
        settings: shown.settings,
        best: shown.best,
        comparedVectors: runs.reduce((sum, run) => sum + run.comparedVectors, 0),
      }),
    );
    return;
  }
  console.log(
    `\n${formatTable([
      ['setting', 'vectors/s (median)', 'slowest', 'fastest', 'adaptive is'],
      ...arms.map((arm, i) => [
        arm.name,
        ...[medians[i]!, Math.min(...speeds(arm)), Math.max(...speeds(arm))].map((speed) =>
          formatCount(speed).padStart(9),
        ),
        i === 0 ? '' : `${ratios[i]!.toFixed(2)}x`,
      ]),
    ])}`,
  );
  console.log('\nThe way of the adaptive run (batch size x in flight):');
  for (const { atMs, batchSize, concurrency, reason } of shown.settings) {
    console.log(
      `  ${formatDuration(atMs).padStart(8)}  ${`${batchSize} x ${concurrency}`.padEnd(12)} ${reason}`,
    );
  }
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  console.error(`--${name} is ${text}; expected a positive integer.`);
  process.exit(2);
}
