import { Bench } from 'tinybench';
import { OBJECTIVES } from '../src/core/types.js';
import { PROFILES } from '../src/model/profiles.js';
import { VectorBatchOptimizer } from '../src/vector-batch-optimizer.js';
import type { BenchOptions, Case } from './harness.js';

/** What the service that this package replaces had set itself: an answer within 50 ms at the 95th percentile. */
const GOAL_P95_MS = 50;
const DIMENSIONS = [100, 128, 384, 768, 1024, 1536];

/** Time of one recommendation, every one for another load. Latencies of single calls, so tinybench's percentiles. */
export default async function model(options: BenchOptions): Promise<Case[]> {
  await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
  let call = 0;
  const recommend = () => {
    call++;
    return optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: 1000 + 977 * call,
      vectorDimension: DIMENSIONS[call % DIMENSIONS.length]!,
      databaseType: PROFILES[call % PROFILES.length]!.name,
      systemResources: {
        availableMemoryMb: 512 + (call % 64) * 256,
        cpuCores: 1 + (call % 16),
        ioBandwidthMbps: 50 + (call % 100) * 20,
      },
      objective: OBJECTIVES[call % OBJECTIVES.length]!,
    });
  };
  const bench = new Bench({ time: options.quick ? 20 : 3000, warmupTime: options.quick ? 5 : 500 });
  bench.add('recommendation', recommend);
  await bench.run();
  const result = bench.tasks[0]!.result;
  if (!('latency' in result)) throw new Error(`The benchmark did not complete: ${result.state}.`);
  const sorted = result.latency.samples?.toSorted((a, b) => a - b);
  const p95 = sorted?.[Math.floor(sorted.length * 0.95)] ?? result.latency.p99;
  const goal = { name: 'goal of the replaced service', median: GOAL_P95_MS };
  const input = `${PROFILES.length} databases, ${call} distinct loads`;
  return [
    {
      name: 'recommendation, p50',
      input,
      unit: 'ms',
      median: result.latency.p50,
      baseline: goal,
      ratio: GOAL_P95_MS / result.latency.p50,
    },
    { name: 'recommendation, p95', input, unit: 'ms', median: p95, baseline: goal, ratio: GOAL_P95_MS / p95 },
  ];
}
