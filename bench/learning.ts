import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { median } from '../src/core/statistics.js';
import { History } from '../src/history/history.js';
import { openSink, openSource, VectorBatchOptimizer } from '../src/index.js';
import { manyRecords } from '../test/learning/records.js';
import { type BenchOptions, type Case, compare } from './harness.js';

/** What issue and design ask for. */
const GOAL_TRAINING_MS = 5000;
const GOAL_LOOP_DELAY_MS = 20;
const GOAL_RECOMMENDATION_MS = 0.2;
const RECORDS = 100_000;
const ROUNDS = 3;

/** Learning from a large history, what the event loop feels of it, and what an answer costs that rests on it. */
export default async function learning(options: BenchOptions): Promise<Case[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vbo-bench-'));
  const path = join(folder, 'history.db');
  const count = options.quick ? 2000 : RECORDS;
  const records = manyRecords(count, Date.now());
  try {
    {
      await using history = await History.open(path);
      await history.append(records);
    }
    const rounds = options.quick ? 1 : ROUNDS;
    const input = `${count.toLocaleString('en-US')} records of 24 pairs`;
    const fromFile = await measured(rounds, async () => {
      rmSync(`${path}.model.json`, { force: true });
      return VectorBatchOptimizer.create({ threads: 0, history: path });
    });
    const fromArray = await measured(rounds, async () => {
      const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
      await optimizer.batchSize.trainPerformanceModel(records);
      return optimizer;
    });
    return [
      goal('training at start, from the file', input, fromFile.ms, GOAL_TRAINING_MS),
      goal('event-loop delay meanwhile, p99', input, fromFile.delayMs, GOAL_LOOP_DELAY_MS),
      idle(input, fromFile),
      goal('training with an array', input, fromArray.ms, GOAL_TRAINING_MS),
      goal('event-loop delay meanwhile, p99', input, fromArray.delayMs, GOAL_LOOP_DELAY_MS),
      idle(input, fromArray),
      await recommendation(path, input, options),
      await recording(folder, options),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const goal = (name: string, input: string, ms: number, most: number): Case => ({
  ...{ name, input, unit: 'ms', median: ms, baseline: { name: 'goal', median: most }, ratio: most / ms },
});

/** What of the delay is the machine's own. */
const idle = (input: string, { delayMs, idleDelayMs }: Measured): Case => ({
  ...{ name: 'the same, against an idle loop', input, unit: 'ms', median: delayMs },
  ...{ baseline: { name: 'idle loop', median: idleDelayMs }, ratio: idleDelayMs / delayMs },
});

/** Medians over the rounds: how long it took, and the 99th percentile of the event loop's delay while it did and while nothing did. */
interface Measured {
  readonly ms: number;
  readonly delayMs: number;
  readonly idleDelayMs: number;
}

async function measured(rounds: number, work: () => Promise<VectorBatchOptimizer>): Promise<Measured> {
  const times: number[] = [];
  const delays: number[] = [];
  const idleDelays: number[] = [];
  const watched = async <T>(into: number[], body: () => Promise<T>): Promise<T> => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const result = await body();
    delay.disable();
    into.push(delay.percentile(99) / 1e6);
    return result;
  };
  for (let round = 0; round < rounds; round++) {
    await watched(idleDelays, () => setTimeout(1000));
    const start = performance.now();
    const optimizer = await watched(delays, work);
    times.push(performance.now() - start);
    await optimizer.close();
  }
  return { ms: median(times), delayMs: median(delays), idleDelayMs: median(idleDelays) };
}

async function recommendation(path: string, input: string, options: BenchOptions): Promise<Case> {
  await using optimizer = await VectorBatchOptimizer.create({ threads: 0, history: path });
  const times: number[] = [];
  for (let call = 0; call < (options.quick ? 10 : 3000); call++) {
    const start = performance.now();
    await optimizer.batchSize.calculateOptimalBatchSize({
      ...{
        itemCount: 1_000_000 + 977 * call,
        databaseType: 'qdrant',
        vectorDimension: [128, 768, 1024][call % 3]!,
      },
      systemResources: { availableMemoryMb: 8192, cpuCores: 1 + (call % 16), ioBandwidthMbps: 1000 },
    });
    times.push(performance.now() - start);
  }
  return goal('recommendation with it loaded, p50', input, median(times), GOAL_RECOMMENDATION_MS);
}

/** A load into nothing, so that nothing hides what recording costs. */
async function recording(folder: string, options: BenchOptions): Promise<Case> {
  const rows = options.quick ? 10_000 : 100_000;
  const vector = new Float32Array(64).fill(1);
  function* vectors() {
    for (let row = 0; row < rows; row++) yield vector;
  }
  await using recorded = await VectorBatchOptimizer.create({ threads: 0, history: join(folder, 'loads.db') });
  await using silent = await VectorBatchOptimizer.create({ threads: 0 });
  const load = async (optimizer: VectorBatchOptimizer) =>
    optimizer.ingest(await openSource(vectors()), await openSink('null://'), {
      fixed: { batchSize: 100, concurrency: 2 },
    });
  return await compare(
    {
      ...{ name: 'load that is recorded', input: `${rows} x 64 float32, 100 x 2, into null://` },
      run: () => load(recorded),
      baseline: { name: 'the same, not recorded', run: () => load(silent) },
    },
    options,
  );
}
