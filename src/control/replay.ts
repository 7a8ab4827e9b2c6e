import { median, quantile } from '../core/statistics.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { fitCostModel } from '../model/fit.js';
import { rateOf, toSample } from '../model/records.js';
import type { Scenario } from './scenario.js';

/** Standard deviation of the smoothing kernel, in doublings of either axis: the one of the contract's scoring. */
const KERNEL_DOUBLINGS = 0.7;
/** A cell of the sweeps took about this long, so their scatter is what the machine's mood does for so long. */
const CELL_MS = 1000;
/** Records that lie further apart in time are from two visits, and the machine may have been in another mood. */
const VISIT_GAP_MS = 120_000;
/** Rounds in which the moods and the surface are told from each other. */
const ALIGNMENTS = 10;
/** A percentile of fewer batches is not one. */
const FEWEST_BATCHES = 20;
/** Beyond this the exponential jitter would leave the latency no floor. */
const MOST_JITTER = 0.9;

interface Cell extends Setting {
  readonly atMs: number;
  readonly x: number;
  readonly y: number;
  logRate: number;
}

/**
 * A scenario that replays a recorded sweep of one database and dimension: its rates are the sweep's, smoothed
 * (Gaussian-kernel average of log rate over log2 batch size and log2 concurrency, standard deviation 0.7;
 * beyond the swept range the rate of its edge); its jitter is what the batches' percentiles show within a
 * cell; its wandering what scatter is left between the cells and the smoothed surface. Records of several visits are
 * aligned first: by how much one was faster all over says something of the machine that day, and settings that
 * only it measured would seem better than they are.
 * @param records with at least one that measured something
 */
export function replay(records: readonly BatchExecutionRecord[], name: string, rows: number): Scenario {
  const samples = records.flatMap((record) => {
    const sample = toSample(record);
    return 'unmeasured' in sample ? [] : [{ ...sample, atMs: record.ts ?? 0 }];
  });
  const cells: Cell[] = samples.map((sample) => ({
    ...{ batchSize: sample.batchSize, concurrency: sample.concurrency, atMs: sample.atMs },
    x: Math.log2(sample.batchSize),
    y: Math.log2(sample.concurrency),
    logRate: Math.log(rateOf(sample)),
  }));
  const clampTo = (value: number, values: number[]) =>
    Math.min(Math.max(...values), Math.max(Math.min(...values), value));
  const xs = cells.map(({ x }) => x);
  const ys = cells.map(({ y }) => y);
  const visits = visitsOf(cells);
  const known = new Map<string, number>();
  const surface = ({ batchSize, concurrency }: Setting): number => {
    const key = `${batchSize}x${concurrency}`;
    let rate = known.get(key);
    if (rate === undefined) {
      const x = clampTo(Math.log2(batchSize), xs);
      const y = clampTo(Math.log2(concurrency), ys);
      let sum = 0;
      let total = 0;
      for (const cell of cells) {
        const weight = Math.exp(-((cell.x - x) ** 2 + (cell.y - y) ** 2) / (2 * KERNEL_DOUBLINGS ** 2));
        total += weight;
        sum += weight * cell.logRate;
      }
      rate = Math.exp(sum / total);
      known.set(key, rate);
    }
    return rate;
  };
  const scatterOf = (some: readonly Cell[]) => some.map((cell) => cell.logRate - Math.log(surface(cell)));
  for (let round = 0; round < ALIGNMENTS; round++) {
    const usual = median(scatterOf(cells));
    const moods = visits.map((visit) => median(scatterOf(visit)) - usual);
    for (const [k, visit] of visits.entries()) for (const cell of visit) cell.logRate -= moods[k]!;
    known.clear();
  }
  const scatter = scatterOf(cells);
  return {
    sentence: `The recorded sweep ${name}, smoothed, with its noise.`,
    dimension: records[0]!.vector_dimension,
    rows,
    cost: fitCostModel(samples),
    surface,
    jitter: jitterOf(records),
    // The quartiles of a normal distribution lie 1.349 standard deviations apart.
    wander: { sd: (quantile(scatter, 0.75) - quantile(scatter, 0.25)) / 1.349, forMs: CELL_MS },
  };
}

/** The cells by the time they were measured, cut where there is a gap. */
function visitsOf(cells: readonly Cell[]): Cell[][] {
  const visits: Cell[][] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const cell of [...cells].sort((a, b) => a.atMs - b.atMs)) {
    if (cell.atMs - lastMs > VISIT_GAP_MS) visits.push([]);
    visits.at(-1)!.push(cell);
    lastMs = cell.atMs;
  }
  return visits;
}

/**
 * The jitter whose 95th percentile lies as far above its median as the cells' typically do: (1 + 2 j) / (1 - 0.307 j) = p95 / p50.
 * Of requests that were alone, where there are such: those of several in flight show who waits for whom.
 */
function jitterOf(records: readonly BatchExecutionRecord[]): number {
  const measured = records.filter(({ success, batches }) => success && Number(batches) >= FEWEST_BATCHES);
  const alone = measured.filter(({ concurrency }) => concurrency === 1);
  const jitters = (alone.length > 0 ? alone : measured)
    .map((record) => (record.batch_p95_ms ?? 0) / (record.batch_p50_ms ?? 1))
    // A median of 0 ms is a clock that was too coarse.
    .filter((ratio) => ratio > 1 && ratio < Number.POSITIVE_INFINITY)
    .map((ratio) => (ratio - 1) / (2 + 0.307 * ratio));
  return jitters.length === 0 ? 0 : Math.min(MOST_JITTER, quantile(jitters, 0.5));
}
