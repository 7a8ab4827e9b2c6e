import type { Setting } from '../core/types.js';
import { Belief, type Observation, Prior } from './belief.js';
import { kernelAverage, type MeasuredCell } from './kernel-surface.js';
import { NODES, placeOf, settingAt } from './lattice.js';
import { costAt } from './law.js';
import { type Precedent, precedentOfLaw, type Subject } from './plausible.js';
import type { DatabaseProfile } from './profile.js';

/** A database and dimension with all that was measured of it. */
export interface MeasuredPair {
  readonly subject: Subject;
  readonly cells: readonly MeasuredCell[];
}

/** Which settings may be named. */
export interface Allowed {
  readonly maxBatchSize: number;
  /** Default 1. */
  readonly minBatchSize?: number;
  readonly maxConcurrency: number;
  /** Most vectors in flight: a load has no more items. */
  readonly maxInFlight: number;
}

/** One record's log(rate) scatters by this about the surface it is a sample of; so it did in six sweeps (0.22 to 0.45). */
export const RECORD_DEVIATION = 0.35;
/** However often a cell is measured, another pass finds another surface. */
const PASS_VARIANCE = 0.01;
/** Versions kept of a measured pair as a precedent. */
const VERSIONS_OF_PRECEDENT = 256;
/** A pair that was measured all over is to speak for itself: shapes may miss more of it. */
const MEASURED = { count: 1024, deviation: 0.15 };

/**
 * Names settings for databases, measured or not: it imagines what a database may be, in the likeness of those measured
 * before and from scratch, keeps what agrees with the measurements, and names the setting whose rate is expected to be
 * the largest share of the best. See docs/recommendation.md.
 */
export class Recommender {
  readonly #precedents: readonly Precedent[];
  readonly #seed: number;

  /** Learns from measured pairs. Deterministic in the pairs and the seed. */
  constructor(pairs: readonly MeasuredPair[], seed = 1) {
    this.#seed = seed;
    this.#precedents = pairs.filter(({ cells }) => cells.length > 0).map((pair) => precedentOf(pair, seed));
  }

  /** What the precedents say of a database and dimension before it is measured. */
  prior(subject: Subject): Prior {
    return new Prior(subject, this.#precedents, this.#seed);
  }

  /** Begins to find the setting for a database and dimension. */
  survey(subject: Subject, allowed: Allowed, prior = this.prior(subject)): Survey {
    return new Survey(prior, allowed, this.#seed);
  }
}

/** Kept per cells: whoever leaves one pair after the other out learns every pair once. */
const PRECEDENTS = new WeakMap<readonly MeasuredCell[], { seed: number; precedent: Precedent }>();

function precedentOf({ subject, cells }: MeasuredPair, seed: number): Precedent {
  const known = PRECEDENTS.get(cells);
  if (known?.seed === seed) return known.precedent;
  const prior = new Prior(subject, [], seed, MEASURED);
  const belief = new Belief(prior, observationsOf(cells), seed);
  const precedent = { subject, versions: belief.draw(VERSIONS_OF_PRECEDENT, seed) };
  PRECEDENTS.set(cells, { seed, precedent });
  return precedent;
}

/** So many cells are told apart: a belief takes time with the cube of its observations. */
const MOST_OBSERVATIONS = 256;

/** Measured cells as observations of the surface, each averaged with its neighbours. */
export const observationsOf = (cells: readonly MeasuredCell[]): Observation[] =>
  placesOf(cells).map(({ batchSize, concurrency, count }) => ({
    setting: { batchSize, concurrency },
    logRate: kernelAverage(cells, { batchSize, concurrency }),
    variance: RECORD_DEVIATION ** 2 / count + PASS_VARIANCE,
  }));

/** Where was measured, and how often: of very many cells, those about a node of the lattice count as one. */
function placesOf(cells: readonly MeasuredCell[]): readonly (Setting & { readonly count: number })[] {
  if (cells.length <= MOST_OBSERVATIONS) return cells;
  const counts = new Map<number, number>();
  for (const cell of cells) {
    const { nodes, weights } = placeOf(cell);
    const nearest = nodes[weights.indexOf(Math.max(...weights))]!;
    counts.set(nearest, (counts.get(nearest) ?? 0) + cell.count);
  }
  return [...counts].map(([node, count]) => ({ ...settingAt(node), count }));
}

/** Measures one database step by step: asks for a setting, is told its rate, and names the best at any time. */
export class Survey {
  readonly #prior: Prior;
  readonly #seed: number;
  #nodes: number[];
  readonly #observations: Observation[] = [];
  #belief: Belief | undefined;

  constructor(prior: Prior, allowed: Allowed, seed: number) {
    this.#prior = prior;
    this.#seed = seed;
    this.#nodes = allowedNodes(allowed);
  }

  /** The setting whose measurement would tell most. */
  next(): Setting {
    return settingAt(this.#current().mostInformative(this.#nodes, RECORD_DEVIATION ** 2));
  }

  /**
   * Takes a measurement in.
   * @param variance of log(rate). Default: that of a single record
   */
  add(setting: Setting, vectorsPerSecond: number, variance = RECORD_DEVIATION ** 2): void {
    this.#observations.push({ setting, logRate: Math.log(vectorsPerSecond), variance });
    this.#belief = undefined;
  }

  /** Takes measured cells in, each averaged with its neighbours. */
  addCells(cells: readonly MeasuredCell[]): void {
    this.#observations.push(...observationsOf(cells));
    this.#belief = undefined;
  }

  /** Settings as large as one that failed are not named again, as far as smaller ones are left. */
  exclude(failed: Setting): void {
    const left = this.#nodes.filter((node) => {
      const { batchSize, concurrency } = settingAt(node);
      return batchSize < failed.batchSize || concurrency < failed.concurrency;
    });
    if (left.length > 0) this.#nodes = left;
  }

  /** The setting whose expected share of the best rate is largest. */
  best(): Setting {
    const shares = this.#current().shares(this.#nodes);
    return settingAt(this.#nodes.reduce((a, b) => (shares[b]! > shares[a]! ? b : a)));
  }

  #current(): Belief {
    this.#belief ??= new Belief(this.#prior, this.#observations, this.#seed);
    return this.#belief;
  }
}

/** The lattice's settings that are allowed; the smallest one alone if none is. */
export function allowedNodes({
  maxBatchSize,
  minBatchSize = 1,
  maxConcurrency,
  maxInFlight,
}: Allowed): number[] {
  const nodes = Array.from({ length: NODES }, (_, node) => node).filter((node) => {
    const { batchSize, concurrency } = settingAt(node);
    return (
      batchSize >= minBatchSize &&
      batchSize <= maxBatchSize &&
      concurrency <= maxConcurrency &&
      batchSize * concurrency <= maxInFlight
    );
  });
  if (nodes.length > 0) return nodes;
  return [
    placeOf({ batchSize: 2 ** Math.floor(Math.log2(Math.max(1, maxBatchSize))), concurrency: 1 }).nodes[0]!,
  ];
}

/** Of every node of the lattice: the share of the best rate to be expected there, given a profile and measured cells. */
export function expectedShares(
  profile: DatabaseProfile,
  dimension: number,
  cells: readonly MeasuredCell[],
): number[] {
  const subject = { database: profile.name, dimension, isSingleWriter: profile.concurrency.fixed === 1 };
  const precedent = precedentOfLaw(subject, costAt(profile.law, dimension));
  const prior = new Prior(subject, [precedent], 1, MEASURED);
  const every = Array.from({ length: NODES }, (_, node) => node);
  return [...new Belief(prior, observationsOf(cells), 1).shares(every)];
}
