import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import type { MonitoredRun, Snapshot } from './monitor-snapshot.js';
import { bar } from './progress-line.js';

const SPARKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const MOST_RATES = 60;
const MOST_ENDED = 3;

/** What changed between two snapshots, per second where it counts; since the service's start where there is one only. */
export interface Pace {
  readonly requestsPerSecond: number;
  /** Below this nineteen of twenty requests stayed; undefined if there were none. */
  readonly p95Ms: number | undefined;
  readonly failed: number;
}

export function paceOf(now: Snapshot, before: Snapshot | undefined): Pace {
  // A service that was started anew counts from 0 again.
  const since = before && before.requests.total <= now.requests.total ? before : undefined;
  const seconds = since ? (now.atMs - since.atMs) / 1000 : now.uptimeSeconds;
  const buckets = Object.entries(now.requests.secondsAtMost).map(([limit, count]) => ({
    limit: limit === '+Inf' ? Number.POSITIVE_INFINITY : Number(limit),
    count: count - (since?.requests.secondsAtMost[limit] ?? 0),
  }));
  return {
    requestsPerSecond: seconds > 0 ? (now.requests.total - (since?.requests.total ?? 0)) / seconds : 0,
    p95Ms: quantileMs(buckets, 0.95),
    failed: now.requests.failed - (since?.requests.failed ?? 0),
  };
}

/** A quantile of a cumulative histogram, by linear interpolation within its bucket as Prometheus does it. */
export function quantileMs(
  buckets: readonly { limit: number; count: number }[],
  quantile: number,
): number | undefined {
  const sorted = [...buckets].sort((a, b) => a.limit - b.limit);
  const total = sorted.at(-1)?.count ?? 0;
  if (!(total > 0)) return undefined;
  const rank = quantile * total;
  const index = sorted.findIndex(({ count }) => count >= rank);
  const { limit, count } = sorted[index]!;
  const { limit: from, count: below } = sorted[index - 1] ?? { limit: 0, count: 0 };
  if (!Number.isFinite(limit)) return 1000 * from;
  return 1000 * (from + ((limit - from) * (rank - below)) / (count - below));
}

/** The rates of each run as they were seen, for its line of blocks. */
export class RateMemory {
  readonly #rates = new Map<string, number[]>();

  add({ runs }: Snapshot): void {
    for (const { id, state, vectorsPerSecond } of runs) {
      if (state !== 'running' || vectorsPerSecond === null) continue;
      const rates = this.#rates.get(id) ?? [];
      rates.push(vectorsPerSecond);
      if (rates.length > MOST_RATES) rates.shift();
      this.#rates.set(id, rates);
    }
  }

  of(id: string): readonly number[] {
    return this.#rates.get(id) ?? [];
  }
}

/** Rates as blocks, each as high as its share of the greatest. */
export function sparkline(rates: readonly number[]): string {
  const most = Math.max(...rates, 1e-9);
  return rates.map((rate) => SPARKS[Math.round((rate / most) * (SPARKS.length - 1))]).join('');
}

/** The whole screen, `columns` wide; `trouble` stands in place of what is not known. */
export function screenText(
  url: string,
  snapshot: Snapshot | undefined,
  pace: Pace | undefined,
  rates: RateMemory,
  trouble: string | undefined,
  columns: number,
): string {
  const up = snapshot ? `   up ${formatDuration(1000 * snapshot.uptimeSeconds)}` : '';
  const lines = [`vector-batch-optimizer   ${url}${up}`, ''];
  if (trouble !== undefined) lines.push(`! ${trouble} Trying again.`, '');
  if (snapshot && pace) {
    lines.push(...serviceLines(snapshot, pace), '');
    const running = snapshot.runs.filter(({ state }) => state === 'running');
    const ended = snapshot.runs.filter(({ state }) => state !== 'running').slice(0, MOST_ENDED);
    for (const run of running) lines.push(...runLines(run, rates), '');
    for (const run of ended) lines.push(endedLine(run));
    if (snapshot.runs.length === 0) lines.push('No run in the last hour.');
    lines.push('');
  }
  lines.push('q leaves');
  return lines.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line)).join('\n');
}

/** What a log gets instead of a screen: one line. */
export function lineText({ atMs, runs, requests, memory, pool }: Snapshot, pace: Pace): string {
  const running = runs.filter(({ state }) => state === 'running');
  const rate = running.reduce((sum, { vectorsPerSecond }) => sum + (vectorsPerSecond ?? 0), 0);
  return [
    new Date(atMs).toISOString(),
    `${pace.requestsPerSecond.toFixed(1)} requests/s`,
    `p95 ${pace.p95Ms === undefined ? '-' : formatDuration(pace.p95Ms)}`,
    `${requests.failed} failed`,
    `${running.length} runs`,
    `${formatCount(rate)} vectors/s`,
    `${pool.queued} waiting`,
    `${formatBytes(memory.residentBytes)}`,
  ].join('  ');
}

function serviceLines(snapshot: Snapshot, pace: Pace): string[] {
  const { requests, loads, pool, memory, eventLoopP99Ms, modelError } = snapshot;
  const refused = Object.values(requests.refusedByCode).reduce((sum, count) => sum + count, 0);
  const p95 = pace.p95Ms === undefined ? '' : `, 95 % below ${formatDuration(pace.p95Ms)}`;
  const row = (name: string, text: string) => `${name.padEnd(11)}${text}`;
  const gains = Object.entries(loads.gainByDatabase).map(([name, gain]) => `${name} ${gain.toFixed(1)}x`);
  const errors = modelError.map(
    ({ database, dimension, relativeError }) =>
      `${database} ${dimension}-d off by ${Math.round(100 * relativeError)} %`,
  );
  return [
    row('requests', `${pace.requestsPerSecond.toFixed(1)} per second${p95}`),
    row('refused', `${formatCount(refused)} since the start, ${formatCount(requests.failed)} failed`),
    row(
      'machine',
      `${formatBytes(memory.residentBytes)} resident, ${formatBytes(memory.vectorBytes)} of vectors; event loop late by ${eventLoopP99Ms.toFixed(1)} ms (p99)`,
    ),
    row(
      'pool',
      pool.threads === 0
        ? 'not started'
        : `${pool.threads} threads ${Math.round(100 * pool.utilization)} % busy, ${pool.queued} calls wait`,
    ),
    row(
      'loads',
      `${formatCount(loads.vectors.acknowledged)} vectors stored, ${formatCount(loads.vectors.rejected)} rejected; ${formatCount(loads.batches.failure)} of ${formatCount(loads.batches.success + loads.batches.failure)} requests failed`,
    ),
    ...(gains.length > 0 ? [row('gain', `${gains.join(', ')} over 100 per request, one at a time`)] : []),
    ...(errors.length > 0 ? [row('model', errors.join(', '))] : []),
  ];
}

function runLines(run: MonitoredRun, rates: RateMemory): string[] {
  const { total, done, vectorsPerSecond, latencyMs, batchSize, concurrency, etaMs, rejected, reason } = run;
  const share = total ? done / total : undefined;
  const counted = total === null ? formatCount(done) : `${formatCount(done)} / ${formatCount(total)}`;
  const parts = [
    ...(vectorsPerSecond === null ? [] : [`${formatCount(vectorsPerSecond)} vectors/s`]),
    ...(batchSize === null ? [] : [`${formatCount(batchSize)} x ${concurrency}`]),
    ...(latencyMs
      ? [`${formatDuration(latencyMs.p50)} a request (95 % below ${formatDuration(latencyMs.p95)})`]
      : []),
    ...(rejected > 0 ? [`${formatCount(rejected)} rejected`] : []),
  ];
  const line = sparkline(rates.of(run.id));
  return [
    `${run.kind === 'ingest' ? 'load' : 'tune'}  ${run.what}`,
    `  ${share === undefined ? '' : `${bar(share)} ${Math.floor(100 * share)} %  `}${counted}${etaMs === null ? '' : `  ${formatDuration(etaMs)} left`}`,
    `  ${parts.join(', ')}`,
    ...(reason ? [`  ${reason}`] : []),
    ...(line === '' ? [] : [`  ${line}`]),
  ];
}

const endedLine = ({ kind, state, what, done }: MonitoredRun): string =>
  `${kind === 'ingest' ? 'load' : 'tune'} ${state}, ${formatCount(done)} done: ${what}`;
