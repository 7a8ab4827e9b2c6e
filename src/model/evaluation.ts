import { Random } from '../core/random.js';
import { median } from '../core/statistics.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { kernelAverage, type MeasuredCell, nearestCell } from './kernel-surface.js';

/** The measured cells of one pair of database and dimension, and how good each of them is. */
export interface ScoredPair {
  readonly name: string;
  readonly records: readonly BatchExecutionRecord[];
  readonly cells: readonly ScoredCell[];
  /** The largest surface of a cell. */
  readonly best: number;
  /** Items of the largest load among the records. */
  readonly itemCount: number;
}

export interface ScoredCell extends MeasuredCell {
  readonly rows: readonly BatchExecutionRecord[];
  /** Kernel average of log(rate) at the cell. */
  readonly surface: number;
}

/** Something that names a setting for a pair, after as many probes as it is given. */
export interface Contender {
  /** Begins with a pair, of whose records it may read nothing but the identity (database, dimension, deployment). */
  begin(identity: BatchExecutionRecord, itemCount: number): Attempt;
}

export interface Attempt {
  /** The setting to be probed. */
  next(probe: number): Setting;
  /** A record of the measured cell nearest to the one asked for. */
  add(record: BatchExecutionRecord): void;
  recommend(): Setting;
}

export interface EvaluatedCase {
  readonly name: string;
  readonly draw: number;
  readonly recommended: Setting;
  readonly shareOfBest: number;
  /** Its rate over that of 100 vectors per request, 1 in flight. */
  readonly shareOfDefault: number;
  /** The recorded cell nearest to it is one that failed. */
  readonly isFailing: boolean;
}

export interface Score {
  /** Share of the cases with at least 0.95, and 0.90, of the best rate. */
  readonly accuracy5: number;
  readonly accuracy10: number;
  readonly medianShareOfBest: number;
  readonly worstShareOfBest: number;
  /** Cases whose recommendation is a failing cell. */
  readonly failing: number;
}

const DEFAULT: Setting = { batchSize: 100, concurrency: 1 };

/** The cells of a pair's records; undefined if none was measured. */
export function scorePair(name: string, records: readonly BatchExecutionRecord[]): ScoredPair | undefined {
  const byCell = new Map<string, BatchExecutionRecord[]>();
  for (const record of records.filter(isMeasured)) {
    const key = `${record.batch_size} ${record.concurrency}`;
    const rows = byCell.get(key);
    if (rows) rows.push(record);
    else byCell.set(key, [record]);
  }
  const measured = [...byCell.values()].map((rows) => ({
    batchSize: rows[0]!.batch_size,
    concurrency: rows[0]!.concurrency,
    count: rows.length,
    logRate: rows.reduce((sum, row) => sum + Math.log(row.throughput_vps!), 0) / rows.length,
    rows,
  }));
  if (measured.length === 0) return undefined;
  const cells = measured.map((cell) => ({ ...cell, surface: kernelAverage(measured, cell) }));
  return {
    ...{ name, records, cells },
    best: Math.max(...cells.map((cell) => cell.surface)),
    itemCount: records.reduce((max, record) => Math.max(max, record.item_count ?? 0), 0),
  };
}

/** A success whose vectors were ever all in flight. */
const isMeasured = ({
  success,
  throughput_vps: rate,
  batch_size,
  concurrency,
  item_count,
}: BatchExecutionRecord) =>
  success && !!rate && batch_size * concurrency <= (item_count ?? Number.POSITIVE_INFINITY);

/** Runs a contender on every pair, `draws` times each, with `probes` probes. Deterministic in the seed. */
export function evaluate(
  pairs: readonly ScoredPair[],
  contenderFor: (pair: ScoredPair) => Contender,
  options: { readonly probes: number; readonly draws: number; readonly seed: number },
): EvaluatedCase[] {
  return pairs.flatMap((pair, index) => {
    const contender = contenderFor(pair);
    return Array.from({ length: options.draws }, (_, draw) => {
      const random = new Random(options.seed * 1_000_003 + index * 10_007 + draw);
      const attempt = contender.begin(pair.records[0]!, pair.itemCount);
      for (let probe = 0; probe < options.probes; probe++) {
        const { rows } = nearestCell(pair.cells, attempt.next(probe));
        attempt.add(rows[random.integer(rows.length)]!);
      }
      return caseOf(pair, draw, attempt.recommend());
    });
  });
}

function caseOf(pair: ScoredPair, draw: number, recommended: Setting): EvaluatedCase {
  const { surface } = nearestCell(pair.cells, recommended);
  const every = pair.records.map(({ batch_size, concurrency, success }) => ({
    ...{ batchSize: batch_size, concurrency, success },
  }));
  return {
    ...{ name: pair.name, draw, recommended },
    shareOfBest: Math.exp(surface - pair.best),
    shareOfDefault: Math.exp(surface - nearestCell(pair.cells, DEFAULT).surface),
    isFailing: !nearestCell(every, recommended).success,
  };
}

/** Sums cases up. */
export function scoreOf(cases: readonly EvaluatedCase[]): Score {
  const shares = cases.map((one) => one.shareOfBest);
  const accuracy = (least: number) => shares.filter((share) => share >= least).length / shares.length;
  return {
    accuracy5: accuracy(0.95),
    accuracy10: accuracy(0.9),
    medianShareOfBest: median(shares),
    worstShareOfBest: Math.min(...shares),
    failing: cases.filter((one) => one.isFailing).length,
  };
}
