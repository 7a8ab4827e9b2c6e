import { Bench } from 'tinybench';
import { type BatchExecutionRecord, OBJECTIVES } from '../src/core/types.js';
import { PROFILES } from '../src/model/profiles.js';
import { VectorBatchOptimizer } from '../src/vector-batch-optimizer.js';
import { loadSweeps } from '../test/model/sweeps.js';
import type { BenchOptions, Case } from './harness.js';

/** What the service that this package replaces had set itself: an answer within 50 ms at the 95th percentile. */
const GOAL_P95_MS = 50;
const DIMENSIONS = [100, 128, 384, 768, 1024, 1536];

/** Time of one recommendation, every one for another load. Latencies of single calls, so tinybench's percentiles. */
export default async function model(options: BenchOptions): Promise<Case[]> {
  const cold = await answers(options, 'recommendation', []);
  const records = [...loadSweeps().values()].flat();
  const learnt = await answers(options, 'recommendation for a measured pair', records);
  return [...cold, ...learnt];
}

/** Loads for all databases, or for those that the records measured. */
async function answers(
  options: BenchOptions,
  name: string,
  records: readonly BatchExecutionRecord[],
): Promise<Case[]> {
  await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
  if (records.length > 0) await optimizer.batchSize.trainPerformanceModel(records);
  const pairs =
    records.length > 0
      ? [...new Map(records.map((r) => [`${r.database_type} ${r.vector_dimension}`, r])).values()].map(
          (r) => ({ databaseType: r.database_type, vectorDimension: r.vector_dimension }),
        )
      : PROFILES.flatMap((profile) =>
          DIMENSIONS.map((vectorDimension) => ({ databaseType: profile.name, vectorDimension })),
        );
  let call = 0;
  const recommend = () => {
    call++;
    return optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: 1000 + 977 * call,
      ...pairs[call % pairs.length]!,
      systemResources: {
        availableMemoryMb: 512 + (call % 64) * 256,
        cpuCores: 1 + (call % 16),
        ioBandwidthMbps: 50 + (call % 100) * 20,
      },
      objective: OBJECTIVES[call % OBJECTIVES.length]!,
    });
  };
  const bench = new Bench({ time: options.quick ? 20 : 3000, warmupTime: options.quick ? 5 : 500 });
  bench.add(name, recommend);
  await bench.run();
  const result = bench.tasks[0]!.result;
  if (!('latency' in result)) throw new Error(`The benchmark did not complete: ${result.state}.`);
  const sorted = result.latency.samples?.toSorted((a, b) => a - b);
  const p95 = sorted?.[Math.floor(sorted.length * 0.95)] ?? result.latency.p99;
  const goal = { name: 'goal of the replaced service', median: GOAL_P95_MS };
  const input = `${pairs.length} pairs, ${records.length} records learnt, ${call} distinct loads`;
  return [
    {
      name: `${name}, p50`,
      input,
      unit: 'ms',
      median: result.latency.p50,
      baseline: goal,
      ratio: GOAL_P95_MS / result.latency.p50,
    },
    { name: `${name}, p95`, input, unit: 'ms', median: p95, baseline: goal, ratio: GOAL_P95_MS / p95 },
  ];
}
