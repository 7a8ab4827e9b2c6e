import { median } from '../core/statistics.js';
import type { BatchExecutionRecord } from '../core/types.js';
import type { LatencySample } from './fit.js';
import { rateOf, toSample } from './records.js';

/** All that was measured of one setting of one database, in one row. */
export interface Aggregate {
  /** As the records name it. */
  readonly database: string;
  /** '' where the records do not say. */
  readonly deployment: '' | 'in-process' | 'http';
  readonly dimension: number;
  readonly batchSize: number;
  readonly concurrency: number;
  /**
   * Size class of the collection written to: `round(log4(collection_rows))`, so that a database that slows down as it
   * fills is not averaged over its whole life. -1 where the records do not say how full it was.
   */
  readonly sizeClass: number;
  /** Median of `collection_rows`; null where none says. */
  readonly collectionRows: number | null;
  /** Records that measured a rate. */
  readonly count: number;
  /** Median rate, vectors/s; 0 where `count` is. */
  readonly vectorsPerSecond: number;
  /** 1.4826 times the median absolute deviation of log(rate): its standard deviation, were it normal. 0 below two records. */
  readonly spread: number;
  /** Median of the records' own percentiles, ms; null where none says. */
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
  /** Median, MB; null where none says. */
  readonly peakRssMb: number | null;
  /** Median of `item_count`; null where none says. */
  readonly itemCount: number | null;
  /** Median of `bytes_per_vector`; null where none says. */
  readonly bytesPerVector: number | null;
  /** Places, in the input, of the records whose rate is out of the ordinary for their cell. They stay in the medians. */
  readonly outliers: readonly number[];
  /** Records that failed: no slowness, but news of a limit. */
  readonly failures: { readonly count: number; readonly lastError: string };
  /** Records of successes that measured nothing: see `toSample`. */
  readonly unmeasured: number;
  /** Of the newest record, Unix ms; 0 where none says. */
  readonly newestTs: number;
}

/** A rate this many of its cell's deviations from the median is an outlier (Iglewicz and Hoaglin 1993). */
const OUTLYING = 3.5;
/** With fewer records nobody can say what is ordinary. */
const FEWEST_TO_JUDGE = 5;
/** No cell repeats itself more exactly than this, so no deviation is judged finer. */
const LEAST_SPREAD = 0.05;

interface Cell {
  readonly first: BatchExecutionRecord;
  readonly sizeClass: number;
  readonly logRates: number[];
  /** Place in the input of each rate. */
  readonly places: number[];
  readonly p50: number[];
  readonly p95: number[];
  readonly rss: number[];
  readonly rows: number[];
  readonly items: number[];
  readonly bytes: number[];
  failures: number;
  lastError: string;
  unmeasured: number;
  newestTs: number;
}

/**
 * Sums records up: one row per distinct (database, deployment, dimension, batch size, concurrency, size class), in the
 * order in which they first appear. Medians and their deviations, so that a stall does not speak for its cell. Pure;
 * 100,000 records take about 0.1 s.
 * @param records valid ones (see `checkRecord`)
 */
export function aggregateRecords(records: Iterable<BatchExecutionRecord>): Aggregate[] {
  const cells = new Map<string, Cell>();
  let place = 0;
  for (const record of records) add(cellOf(cells, record), record, place++);
  return [...cells.values()].map(sum);
}

/** So many settings of a pair are told apart: fits take time with their square. */
const MOST_SETTINGS = 512;

/**
 * The measurements of a pair. Of very many settings, as months of adaptive loads leave them, those nearest to the same half
 * octaves become one.
 * @param records that measured something
 */
export function withFewSettings(records: readonly BatchExecutionRecord[]): readonly BatchExecutionRecord[] {
  const settings = new Set(records.map(({ batch_size, concurrency }) => `${batch_size} ${concurrency}`));
  if (settings.size <= MOST_SETTINGS) return records;
  const few = records.map((record) => {
    // The rate is what was measured; how many items there were says nothing of another setting.
    const { item_count: _, ...rest } = record;
    const { batch_size, concurrency } = record;
    return {
      ...rest,
      batch_size: nearHalfOctave(batch_size),
      concurrency: nearHalfOctave(concurrency),
      throughput_vps: rateOf(toSample(record) as LatencySample),
    };
  });
  // At the edge of what is believed of a request's time, another size of it may lie beyond.
  const believed = few.filter((record) => !('unmeasured' in toSample(record)));
  return believed.length > 0 ? believed : records;
}

const nearHalfOctave = (value: number): number => Math.round(2 ** (Math.round(2 * Math.log2(value)) / 2));

function cellOf(cells: Map<string, Cell>, record: BatchExecutionRecord): Cell {
  const rows = record.collection_rows;
  const sizeClass = typeof rows === 'number' && rows >= 1 ? Math.round(Math.log2(rows) / 2) : -1;
  const key = `${record.database_type} ${record.deployment ?? ''} ${record.vector_dimension} ${record.batch_size} ${record.concurrency} ${sizeClass}`;
  let cell = cells.get(key);
  if (!cell) {
    cell = {
      ...{
        first: record,
        sizeClass,
        logRates: [],
        places: [],
        p50: [],
        p95: [],
        rss: [],
        items: [],
        rows: [],
      },
      ...{ bytes: [], failures: 0, lastError: '', unmeasured: 0, newestTs: 0 },
    };
    cells.set(key, cell);
  }
  return cell;
}

function add(cell: Cell, record: BatchExecutionRecord, place: number): void {
  cell.newestTs = Math.max(cell.newestTs, record.ts ?? 0);
  if (!record.success) {
    cell.failures++;
    cell.lastError = record.error ?? cell.lastError;
    return;
  }
  const sample = toSample(record);
  if ('unmeasured' in sample) {
    cell.unmeasured++;
    return;
  }
  cell.logRates.push(Math.log(rateOf(sample)));
  cell.places.push(place);
  keep(cell.p50, record.batch_p50_ms);
  keep(cell.p95, record.batch_p95_ms);
  keep(cell.rss, record.peak_rss_mb);
  if (typeof record.collection_rows === 'number') cell.rows.push(record.collection_rows);
  keep(cell.items, record.item_count);
  keep(cell.bytes, record.bytes_per_vector);
}

function keep(values: number[], value: number | null | undefined): void {
  if (typeof value === 'number' && value > 0) values.push(value);
}

const medianOrNull = (values: readonly number[]): number | null =>
  values.length === 0 ? null : median(values);

function sum(cell: Cell): Aggregate {
  const { first, logRates, places } = cell;
  const count = logRates.length;
  const middle = median(logRates);
  const spread = count < 2 ? 0 : 1.4826 * median(logRates.map((rate) => Math.abs(rate - middle)));
  const border = OUTLYING * Math.max(spread, LEAST_SPREAD);
  return {
    database: first.database_type,
    deployment: first.deployment ?? '',
    dimension: first.vector_dimension,
    batchSize: first.batch_size,
    concurrency: first.concurrency,
    sizeClass: cell.sizeClass,
    collectionRows: medianOrNull(cell.rows),
    count,
    vectorsPerSecond: count === 0 ? 0 : Math.exp(middle),
    spread,
    latencyMs: { p50: medianOrNull(cell.p50), p95: medianOrNull(cell.p95) },
    peakRssMb: medianOrNull(cell.rss),
    itemCount: medianOrNull(cell.items),
    bytesPerVector: medianOrNull(cell.bytes),
    outliers:
      count < FEWEST_TO_JUDGE ? [] : places.filter((_, k) => Math.abs(logRates[k]! - middle) > border),
    failures: { count: cell.failures, lastError: cell.lastError },
    unmeasured: cell.unmeasured,
    newestTs: cell.newestTs,
  };
}

/** Records that an aggregate sums up, those that measured nothing included. */
export const recordsBehind = ({ count, failures, unmeasured }: Aggregate): number =>
  count + failures.count + unmeasured;
