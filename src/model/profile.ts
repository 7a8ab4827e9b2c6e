import type { CostLaw } from './law.js';

/** Where a profile's cost law comes from; see `confidence.ts` for what each is worth. */
export type Basis = 'measured sweep' | 'vendor advice' | 'assumption';

/** What is known about a database before the first request is sent. */
export interface DatabaseProfile {
  readonly name: string;
  /** Other names it goes by, the sweeps' `database_type` among them. */
  readonly aliases: readonly string[];
  readonly deployment: 'in-process' | 'http';
  /** What the database refuses to pass. Defaults: a run may discover others. */
  readonly limits: {
    readonly maxRows?: number;
    readonly maxRequestBytes?: number;
    readonly maxDimension?: number;
    /** Most vector bytes per second it takes. */
    readonly maxBytesPerSecond?: number;
  };
  /** Where its vendor says to stop; holds until the database has been measured. */
  readonly advice: { readonly maxRows?: number; readonly maxRequestBytes?: number };
  readonly wire: WireFormat;
  readonly concurrency: UsefulConcurrency;
  readonly law: CostLaw;
  readonly basis: Basis;
  /** Where the numbers come from, in words. */
  readonly source: {
    readonly limits: string;
    readonly advice: string;
    readonly wire: string;
    readonly law: string;
  };
}

/** Bytes of a request body: `perRequestBytes + rows * (perRowBytes + dimension * perComponentBytes)`. */
export interface WireFormat {
  readonly perComponentBytes: number;
  readonly perRowBytes: number;
  readonly perRequestBytes: number;
}

/** Requests in flight that can be of use: a number for a server, a share of this machine's cores in process. */
export interface UsefulConcurrency {
  readonly fixed?: number;
  readonly perCore?: number;
}

/** Bytes one vector takes in a request body. */
export function wireBytesPerVector(profile: DatabaseProfile, dimension: number): number {
  return profile.wire.perRowBytes + dimension * profile.wire.perComponentBytes;
}

/** Bytes of a request body of `rows` vectors. */
export function requestBytes(profile: DatabaseProfile, dimension: number, rows: number): number {
  return profile.wire.perRequestBytes + rows * wireBytesPerVector(profile, dimension);
}

/** Most requests in flight that can be of use to a client with `cpuCores`. */
export function usefulConcurrency(profile: DatabaseProfile, cpuCores: number): number {
  const { fixed, perCore } = profile.concurrency;
  return Math.max(
    1,
    Math.min(fixed ?? Number.POSITIVE_INFINITY, Math.floor((perCore ?? Number.POSITIVE_INFINITY) * cpuCores)),
  );
}

/** Bounds of one request; one left out is not known. */
export interface RequestLimits {
  readonly maxRows?: number | undefined;
  readonly maxRequestBytes?: number | undefined;
}

/** How far past the largest request that succeeded a model may reach. */
const EXTRAPOLATION = 2;

/**
 * The bounds of a request that hold: the database's own, and its vendor's advice. Advice yields to what was
 * measured: it rises to twice the largest request that `reached` the database with success.
 */
export function requestLimits(
  profile: DatabaseProfile,
  reached: { readonly rows: number; readonly requestBytes: number },
): RequestLimits {
  const { limits, advice } = profile;
  const rows = advice.maxRows && Math.max(advice.maxRows, EXTRAPOLATION * reached.rows);
  const bytes =
    advice.maxRequestBytes && Math.max(advice.maxRequestBytes, EXTRAPOLATION * reached.requestBytes);
  return boundedBy(smaller(limits.maxRows, rows), smaller(limits.maxRequestBytes, bytes));
}

/** The smaller of each limit that either has. */
export function tighter(a: RequestLimits, b: RequestLimits): RequestLimits {
  return boundedBy(smaller(a.maxRows, b.maxRows), smaller(a.maxRequestBytes, b.maxRequestBytes));
}

const smaller = (a = Number.POSITIVE_INFINITY, b = Number.POSITIVE_INFINITY): number => Math.min(a, b);

/** Infinity: not bounded. */
const boundedBy = (maxRows: number, maxRequestBytes: number): RequestLimits => ({
  maxRows: Number.isFinite(maxRows) ? maxRows : undefined,
  maxRequestBytes: Number.isFinite(maxRequestBytes) ? maxRequestBytes : undefined,
});
