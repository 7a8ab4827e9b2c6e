import type { Setting } from '../core/types.js';
import { inFlightBytesPerVector, peakMb } from '../model/memory.js';
import { peakOnLine } from '../model/memory-line.js';
import type { Prediction } from '../model/performance.js';
import type { Merit } from './pareto.js';
import type { SearchTask } from './search.js';

/** A setting and what to expect of it. */
export interface PredictedSetting extends Setting {
  readonly throughputVps: number;
  readonly batchLatencyMs: number;
  /** 95th percentile of the same, ms. */
  readonly p95LatencyMs: number;
  readonly memoryMb: number;
  /** Peak resident memory of the loading process, MB. */
  readonly processPeakMb: number;
}

/** Another setting that none beats in rate, p95 latency, memory and number of requests at once. */
export interface Alternative extends PredictedSetting {
  /** What it is good for. */
  readonly why: string;
}

/** What to expect of a setting. */
export function predictedOf(
  { batchSize, concurrency, vectorsPerSecond }: Setting & { vectorsPerSecond: number },
  { profile, dimension, ceilingVps }: SearchTask & { readonly ceilingVps: number },
  { tail, memory }: Prediction,
): PredictedSetting {
  const throughputVps = Math.min(vectorsPerSecond, ceilingVps);
  // Little's law: what the path delays, the requests wait.
  const batchLatencyMs = (1000 * batchSize * concurrency) / throughputVps;
  return {
    batchSize,
    concurrency,
    throughputVps,
    batchLatencyMs,
    p95LatencyMs: tail * batchLatencyMs,
    processPeakMb: memory
      ? peakOnLine(memory, batchSize * concurrency)
      : peakMb(profile, dimension, { batchSize, concurrency }),
    memoryMb: (batchSize * concurrency * inFlightBytesPerVector(profile, dimension)) / 1e6,
  };
}

const MERIT: Record<Merit, string> = {
  rate: 'the highest rate predicted within the limits',
  latency: 'the quickest requests for half of the highest rate',
  memory: 'the fewest vectors in flight for three quarters of the highest rate',
  requests: 'the fewest requests for nine tenths of the highest rate',
};

/** A rate that is higher by less than this is no other. */
const WORTH_SAYING = 1.001;

/** What the points are good for, but for those that only seem better than the choice: one that may not fill the path. */
export function alternativesTo(
  chosen: PredictedSetting,
  points: readonly { readonly expected: PredictedSetting; readonly merits: readonly Merit[] }[],
): Alternative[] {
  const alternatives: Alternative[] = [];
  for (const { expected, merits } of points) {
    const isAsFast =
      merits.every((merit) => merit === 'rate') &&
      expected.throughputVps < WORTH_SAYING * chosen.throughputVps;
    if (isAsFast || dominates(expected, chosen) || dominates(chosen, expected)) continue;
    if (points.some((other) => dominates(other.expected, expected))) continue;
    alternatives.push({
      batchSize: expected.batchSize,
      concurrency: expected.concurrency,
      throughputVps: expected.throughputVps,
      batchLatencyMs: expected.batchLatencyMs,
      p95LatencyMs: expected.p95LatencyMs,
      processPeakMb: expected.processPeakMb,
      memoryMb: expected.memoryMb,
      why: merits.length === 1 ? MERIT[merits[0]!] : merits.map((merit) => MERIT[merit]).join(' and '),
    });
  }
  return alternatives;
}

/** No worse in anything; settings that differ in nothing dominate each other. */
const dominates = (a: PredictedSetting, b: PredictedSetting): boolean =>
  a !== b &&
  a.throughputVps >= b.throughputVps &&
  a.p95LatencyMs <= b.p95LatencyMs &&
  a.memoryMb <= b.memoryMb &&
  a.batchSize >= b.batchSize;
