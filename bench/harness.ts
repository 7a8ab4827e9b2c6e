import { statSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { median } from '../src/core/statistics.js';

/** One comparison. `ratio` > 1: faster than the baseline, measured in the same run, turn by turn. */
export interface Case {
  name: string;
  /** What was processed, e.g. `128 x 768 float32`. */
  input: string;
  /** Of both medians. */
  unit: string;
  median: number;
  baseline: { name: string; median: number };
  ratio: number;
  /** Read and written per second by ours, 10^9 bytes; only where `bytes` was given. */
  gigabytesPerSecond?: number;
  /** Where `ratio` is the median of ratios taken round by round: how they spread. */
  rounds?: { min: number; max: number; won: number; lost: number };
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  platform: string;
  node: string;
  v8: string;
  loadAverage: number;
  kernelsBytes: number;
}

export interface BenchOptions {
  /** A smoke run: everything executes, the numbers mean nothing. */
  readonly quick: boolean;
  /** Of `ingest`: only these. Default: all. */
  readonly databases?: readonly string[];
  readonly dimensions?: readonly number[];
  /** Of `ingest`: looks for the best fixed settings anew. */
  readonly retune?: boolean;
  /** Of `ingest`: how often each arm loads. */
  readonly rounds?: number;
}

/** A bench module's default export. */
export type Bench = (options: BenchOptions) => Promise<Case[]>;

type Body = () => unknown;

export interface Comparison {
  name: string;
  input: string;
  /** What one call of `run` reads and writes. */
  bytes?: number;
  run: Body;
  baseline: { name: string; run: Body };
}

const ROUNDS = 41;
const SAMPLE_MS = 3;
const WARM_UP_MS = 120;

/**
 * Times two bodies in turn, so that a change of the machine's mood hits both, and compares the medians in ms
 * per call. Each is warmed up first and repeated within a sample until it takes long enough to be timed. A body that
 * returns a promise is awaited.
 */
export async function compare(comparison: Comparison, options: BenchOptions): Promise<Case> {
  const bodies = [comparison.run, comparison.baseline.run];
  const repeats: number[] = [];
  for (const body of bodies) repeats.push(await warmUp(body, options.quick ? 0 : WARM_UP_MS));
  const samples: [number[], number[]] = [[], []];
  for (let round = 0; round < (options.quick ? 1 : ROUNDS); round++) {
    for (let turn = 0; turn < 2; turn++) {
      const which = (round + turn) % 2;
      samples[which]!.push(await time(bodies[which]!, options.quick ? 1 : repeats[which]!));
    }
  }
  const [ours, theirs] = [median(samples[0]), median(samples[1])];
  const { name, input, bytes, baseline } = comparison;
  return {
    name,
    input,
    unit: 'ms',
    median: ours,
    baseline: { name: baseline.name, median: theirs },
    ratio: theirs / ours,
    ...(bytes !== undefined && { gigabytesPerSecond: bytes / ours / 1e6 }),
  };
}

/** Runs `body` for `ms` at least once; returns how often it fits into a sample. */
async function warmUp(body: Body, ms: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + ms;
  do best = Math.min(best, await time(body, 1));
  while (performance.now() < end);
  return Math.max(1, Math.ceil(SAMPLE_MS / Math.max(best, 1e-4)));
}

/** Ms per call over `repeats` calls. */
async function time(body: Body, repeats: number): Promise<number> {
  const start = performance.now();
  for (let k = 0; k < repeats; k++) {
    const result = body();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - start) / repeats;
}

export function describeMachine(): Machine {
  const wasm = new URL('../build/kernels.wasm', import.meta.url);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    loadAverage: loadavg()[0]!,
    kernelsBytes: statSync(wasm).size,
  };
}

/** Columns of text, numbers to the right. */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? formatNumber(cell) : cell)));
  const widths = text[0]!.map((_, column) => Math.max(...text.map((row) => row[column]!.length)));
  return text
    .map((row, k) =>
      row
        .map((cell, column) =>
          typeof rows[k === 0 ? 1 : k]?.[column] === 'number'
            ? cell.padStart(widths[column]!)
            : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const formatNumber = (x: number): string =>
  !Number.isFinite(x) ? '-' : Math.abs(x) >= 1000 ? x.toFixed(0) : x.toPrecision(3);

/** The cases as a table for people. */
export function formatCases(cases: readonly Case[]): string {
  if (cases.length === 0) return 'nothing to show';
  const [columns, cellsOf] = cases.some(({ rounds }) => rounds) ? BY_ROUND : BY_BYTES;
  return formatTable([
    ['case', 'input', 'median', 'unit', 'baseline', 'median', 'ratio', ...columns],
    ...cases.map((c) => [
      ...[c.name, c.input, c.median, c.unit, c.baseline.name, c.baseline.median, c.ratio],
      ...cellsOf(c),
    ]),
  ]);
}

type Columns = [titles: string[], cellsOf: (c: Case) => (string | number)[]];
const BY_BYTES: Columns = [['GB/s'], (c) => [c.gigabytesPerSecond ?? Number.NaN]];
const BY_ROUND: Columns = [
  ['lowest', 'highest', 'rounds won', 'lost'],
  ({ rounds }) => (rounds ? [rounds.min, rounds.max, `${rounds.won}`, `${rounds.lost}`] : []),
];
