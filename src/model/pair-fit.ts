import { median } from '../core/statistics.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { type Aggregate, aggregateRecords } from './aggregate.js';
import { vectorsPerSecond } from './cost.js';
import { type Drift, fitDrift, slowdownAt } from './drift.js';
import { fitCostModel, type LatencySample } from './fit.js';
import { placeOf } from './lattice.js';
import { costAt } from './law.js';
import { sampleOf } from './measured-cells.js';
import { worthwhileMemoryLine } from './memory-line.js';
import type { FitState } from './model-state.js';
import type { DatabaseProfile } from './profile.js';
import { rateOf, toSample } from './records.js';
import { relevanceAmong, weighByRate } from './weights.js';

/** Predicts log(rate) of a setting. */
export type LogRate = (setting: Setting) => number;

/** Learns what a cost model misses of cells: what to add to log(rate) at every node of the lattice, if that is worth it. */
export type ForestTrainer = (
  cells: readonly Aggregate[],
  learnCost: (training: readonly Aggregate[]) => LogRate,
  relevance: (cell: Aggregate) => number,
) => readonly number[] | undefined;

/**
 * Fits everything to the measured records of one database and dimension: the cost model, and of drift, memory, tail and
 * forest what lowers the held-out error.
 */
export function fitPair(
  profile: DatabaseProfile,
  dimension: number,
  records: readonly BatchExecutionRecord[],
  trainForest?: ForestTrainer,
): FitState {
  const prior = costAt(profile.law, dimension);
  const cells = aggregateRecords(records);
  const drifting = fitDrift(
    cells.map((cell) => ({ ...sampleOf(cell), collectionRows: cell.collectionRows })),
    prior,
  );
  const drift = drifting?.drift;
  const slowdown = (rows: unknown) => (drift && typeof rows === 'number' ? slowdownAt(drift, rows) : 1);
  const still = cells.map((cell) => ({
    ...cell,
    vectorsPerSecond: cell.vectorsPerSecond * slowdown(cell.collectionRows),
  }));
  const learnCost = (training: readonly Aggregate[]) =>
    fitCostModel(weighByRate(training.map(sampleOf)), prior);
  const model = drifting?.model ?? learnCost(still);
  const memory = worthwhileMemoryLine(profile, dimension, cells);
  const settings = bySetting(still);
  const relevance = relevanceAmong(settings.map((cell) => cell.vectorsPerSecond));
  // What the cost model is not meant to say, of slow settings, is no reason to hear a forest.
  const correction = trainForest?.(
    settings,
    (training) => {
      const learnt = learnCost(training);
      return (setting) => Math.log(vectorsPerSecond(learnt, setting));
    },
    (cell) => relevance(cell.vectorsPerSecond),
  );
  const tails: number[] = [];
  const errors = records.map((record) => {
    const sample = toSample(record) as LatencySample;
    if (record.batch_p95_ms) tails.push(record.batch_p95_ms / sample.latencyMs);
    const measured = rateOf(sample);
    const predicted = vectorsPerSecond(model, sample) / slowdown(record.collection_rows);
    return Math.abs((predicted * correctionAt(correction, sample)) / measured - 1);
  });
  return {
    dimension,
    records: records.length,
    settings: settings.length,
    model,
    medianAbsoluteRelativeError: median(errors),
    ...(tails.length > 0 ? { tail: Math.max(1, median(tails)) } : {}),
    ...(drift ? { drift } : {}),
    ...(memory ? { memory } : {}),
    ...(correction ? { correction } : {}),
  };
}

/** One cell per setting, whatever the size of the collection: a forest is to be judged at settings it has not seen. */
function bySetting(cells: readonly Aggregate[]): Aggregate[] {
  const settings = new Map<string, Aggregate>();
  for (const cell of cells) {
    const key = `${cell.batchSize} ${cell.concurrency}`;
    const known = settings.get(key);
    const count = cell.count + (known?.count ?? 0);
    const before = known?.vectorsPerSecond ?? cell.vectorsPerSecond;
    const vectorsPerSecond = before * (cell.vectorsPerSecond / before) ** (cell.count / count);
    settings.set(key, { ...cell, sizeClass: -1, count, vectorsPerSecond });
  }
  return [...settings.values()];
}

/** Factor by which the rate of a setting differs from what the cost model says; 1 without a forest. */
export function correctionAt(correction: readonly number[] | undefined, setting: Setting): number {
  if (!correction) return 1;
  const { nodes, weights } = placeOf(setting);
  return Math.exp(nodes.reduce((sum, node, k) => sum + weights[k]! * correction[node]!, 0));
}

/** In words: the parts that were heard beside the cost model, each after a comma. */
export function partsOf({
  drift,
  memory,
  correction,
}: Pick<FitState, 'drift' | 'memory' | 'correction'>): string {
  return [
    correction ? ', corrected by a random forest' : '',
    drift ? `, with a drift of ${percent(drift)} % per million vectors stored` : '',
    memory ? ', memory fitted too' : '',
  ].join('');
}

const percent = ({ perMillion }: Drift): string => (100 * perMillion).toPrecision(2);
