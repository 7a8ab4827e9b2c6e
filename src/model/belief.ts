import { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import { cholesky, inverse } from './gaussian.js';
import { NODES, placeOf, settingAt, valueAt } from './lattice.js';
import { imagine, type Plausible, type Precedent, type Subject, writeSurface } from './plausible.js';

/** A rate that was measured, or the middle of several. */
export interface Observation {
  readonly setting: Setting;
  readonly logRate: number;
  /** Of `logRate`. */
  readonly variance: number;
}

/** Over how many octaves what shapes miss of a surface is alike. */
const ALIKE = { batchOctaves: 2, concurrencyOctaves: 1 };
/** Versions this much less likely than the likeliest one are dropped. */
const NEGLIGIBLE = 1e-4;
/** Settings this far below the best expected share lose e-fold in interest. */
const INTEREST = 0.05;
/** Worse than a seventh of the best is bad enough. */
const WORST = -2;
const VERSIONS = 4096;
/** What shapes miss of a surface: little, where a handful of measurements is to be told from noise. */
const RESIDUAL_DEVIATION = 0.05;

/** How alike the residuals of two settings are, 0..1. */
function likeness(a: Setting, b: Setting): number {
  const batches = Math.log2(a.batchSize / b.batchSize) / ALIKE.batchOctaves;
  const inFlight = Math.log2(a.concurrency / b.concurrency) / ALIKE.concurrencyOctaves;
  return Math.exp(-(batches * batches + inFlight * inFlight) / 2);
}

let residualRoot: Float64Array | undefined;

/** Versions of a database before it is measured: shapes, and for each one draw of what the shape misses. */
export class Prior {
  readonly count: number;
  readonly plausible: readonly Plausible[];
  /** `count` x NODES: log(rate) by the shape. */
  readonly shapes: Float64Array;
  /** `count` x NODES */
  readonly residuals: Float64Array;
  /** Of what the shapes miss. */
  readonly deviation: number;

  constructor(
    subject: Subject,
    precedents: readonly Precedent[],
    seed: number,
    { count = VERSIONS, deviation = RESIDUAL_DEVIATION } = {},
  ) {
    const random = new Random(seed);
    this.count = count;
    this.deviation = deviation;
    this.plausible = imagine(random, count, subject, precedents);
    this.shapes = new Float64Array(count * NODES);
    this.residuals = new Float64Array(count * NODES);
    residualRoot ??= cholesky(covarianceOfNodes(), NODES);
    const root = residualRoot;
    const normals = new Float64Array(NODES);
    for (let version = 0; version < count; version++) {
      const offset = version * NODES;
      writeSurface(this.plausible[version]!, this.shapes, offset);
      for (let i = 0; i < NODES; i++) normals[i] = random.normal();
      for (let i = 0; i < NODES; i++) {
        let sum = 0;
        for (let k = 0; k <= i; k++) sum += root[i * NODES + k]! * normals[k]!;
        this.residuals[offset + i] = deviation * sum;
      }
    }
  }
}

function covarianceOfNodes(): Float64Array {
  const matrix = new Float64Array(NODES * NODES);
  for (let i = 0; i < NODES; i++) {
    for (let j = 0; j < NODES; j++) {
      matrix[i * NODES + j] = likeness(settingAt(i), settingAt(j)) + (i === j ? 1e-7 : 0);
    }
  }
  return matrix;
}

/**
 * What is believed of a database's rate once some of it is measured: weighted versions of its surface.
 *
 * Given a shape, the surface is a Gaussian process about it with an unknown level, so how likely the shape is has a
 * closed form, and a draw of the process is made one of its posterior by adding to it what the data say it misses
 * (Matheron's rule; Journel and Huijbregts 1978). All versions share their matrices: no version degenerates, whatever
 * the number of measurements, because the process takes up what no shape explains.
 */
export class Belief {
  /** Of each version; they sum to 1. */
  readonly weights: Float64Array;
  /** log(rate) less `levels`, versions x NODES. */
  readonly surfaces: Float64Array;
  readonly levels: Float64Array;
  readonly measured: number;
  readonly #prior: Prior;

  constructor(prior: Prior, observations: readonly Observation[], seed: number) {
    const { count } = prior;
    this.#prior = prior;
    this.measured = observations.length;
    this.weights = new Float64Array(count).fill(1 / count);
    this.levels = new Float64Array(count);
    this.surfaces = new Float64Array(count * NODES);
    for (let i = 0; i < this.surfaces.length; i++) this.surfaces[i] = prior.shapes[i]! + prior.residuals[i]!;
    if (observations.length > 0) this.#learn(observations, new Random(seed));
  }

  #learn(observations: readonly Observation[], random: Random): void {
    const { count, shapes, deviation } = this.#prior;
    const n = observations.length;
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const shared = deviation ** 2 * likeness(observations[i]!.setting, observations[j]!.setting);
        covariance[i * n + j] = shared + (i === j ? observations[i]!.variance : 0);
      }
    }
    const precision = inverse(covariance, n);
    const sums = Float64Array.from({ length: n }, (_, i) =>
      precision.subarray(i * n, i * n + n).reduce((a, b) => a + b, 0),
    );
    const total = sums.reduce((a, b) => a + b, 0);
    const places = observations.map(({ setting }) => placeOf(setting));
    const misses = new Float64Array(n);
    /** What the versions miss, and the level at which they miss least (generalized least squares). */
    const miss = (of: (offset: number, i: number) => number, offset: number): number => {
      let level = 0;
      for (let i = 0; i < n; i++) {
        misses[i] = observations[i]!.logRate - of(offset, i);
        level += (sums[i]! * misses[i]!) / total;
      }
      return level;
    };
    let likeliest = Number.NEGATIVE_INFINITY;
    for (let version = 0; version < count; version++) {
      const level = miss((offset, i) => valueAt(shapes, offset, places[i]!), version * NODES);
      let square = 0;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++)
          square += (misses[i]! - level) * precision[i * n + j]! * (misses[j]! - level);
      }
      this.weights[version] = -square / 2;
      likeliest = Math.max(likeliest, -square / 2);
    }
    let sum = 0;
    for (let version = 0; version < count; version++) {
      const weight = Math.exp(this.weights[version]! - likeliest);
      this.weights[version] = weight < NEGLIGIBLE ? 0 : weight;
      sum += this.weights[version]!;
    }
    const gain = gainOf(observations, precision, deviation);
    for (let version = 0; version < count; version++) {
      this.weights[version]! /= sum;
      if (this.weights[version] === 0) continue;
      const offset = version * NODES;
      const drawn = (at: number, i: number) =>
        valueAt(this.surfaces, at, places[i]!) + Math.sqrt(observations[i]!.variance) * random.normal();
      const level = miss(drawn, offset);
      this.levels[version] = level;
      for (let node = 0; node < NODES; node++) {
        let correction = 0;
        for (let i = 0; i < n; i++) correction += gain[node * n + i]! * (misses[i]! - level);
        this.surfaces[offset + node]! += correction;
      }
    }
  }

  /** Expected share of the best rate among `nodes`, of each node; 0 of the others. */
  shares(nodes: readonly number[]): Float64Array {
    const shares = new Float64Array(NODES);
    this.#each(nodes, (weight, offset, best) => {
      for (const node of nodes) shares[node]! += weight * Math.exp(this.surfaces[offset + node]! - best);
    });
    return shares;
  }

  /**
   * The node whose measurement would tell most about the shares of those that may be best: where the expected drop of
   * their variance, weighted by how promising they are, is largest. Before anything is measured, the most promising.
   * @param variance of a measurement's log(rate)
   */
  mostInformative(nodes: readonly number[], variance: number): number {
    const shares = this.shares(nodes);
    const best = Math.max(...nodes.map((node) => shares[node]!));
    if (this.measured === 0) return nodes.reduce((a, b) => (shares[b]! > shares[a]! ? b : a));
    const rivals = nodes.filter((node) => shares[node]! > best - 4 * INTEREST);
    const candidates = nodes.filter((node) => shares[node]! > best - 10 * INTEREST);
    const share = (offset: number, node: number, top: number) =>
      Math.max(WORST, this.surfaces[offset + node]! - top);
    const rate = (offset: number, node: number) =>
      this.surfaces[offset + node]! + this.levels[offset / NODES]!;
    const shareMeans = new Float64Array(rivals.length);
    const rateMeans = new Float64Array(candidates.length);
    this.#each(nodes, (weight, offset, top) => {
      rivals.forEach((node, j) => {
        shareMeans[j]! += weight * share(offset, node, top);
      });
      candidates.forEach((node, k) => {
        rateMeans[k]! += weight * rate(offset, node);
      });
    });
    const variances = new Float64Array(candidates.length);
    const covariances = new Float64Array(candidates.length * rivals.length);
    this.#each(nodes, (weight, offset, top) => {
      for (let k = 0; k < candidates.length; k++) {
        const deviation = rate(offset, candidates[k]!) - rateMeans[k]!;
        variances[k]! += weight * deviation * deviation;
        for (let j = 0; j < rivals.length; j++) {
          covariances[k * rivals.length + j]! +=
            weight * deviation * (share(offset, rivals[j]!, top) - shareMeans[j]!);
        }
      }
    });
    const worth = (k: number): number => {
      let sum = 0;
      for (const [j, node] of rivals.entries()) {
        sum += Math.exp((shares[node]! - best) / INTEREST) * covariances[k * rivals.length + j]! ** 2;
      }
      return sum / (variances[k]! + variance);
    };
    const worths = candidates.map((_, k) => worth(k));
    return candidates[worths.indexOf(Math.max(...worths))]!;
  }

  /** `count` equally likely versions, as a precedent for other databases. */
  draw(count: number, seed: number): Plausible[] {
    const random = new Random(seed);
    const shape = new Float64Array(NODES);
    return Array.from({ length: count }, () => {
      let left = random.next();
      let version = 0;
      while (version < this.weights.length - 1 && left > this.weights[version]!)
        left -= this.weights[version++]!;
      const plausible = this.#prior.plausible[version]!;
      writeSurface({ shape: plausible.shape, residual: new Float64Array(NODES) }, shape, 0);
      const residual = shape.map((value, node) => this.surfaces[version * NODES + node]! - value);
      return { shape: plausible.shape, residual };
    });
  }

  /** Every version that counts, with the best of `nodes` in it. */
  #each(nodes: readonly number[], visit: (weight: number, offset: number, best: number) => void): void {
    for (let version = 0; version < this.weights.length; version++) {
      const weight = this.weights[version]!;
      if (weight === 0) continue;
      const offset = version * NODES;
      let best = Number.NEGATIVE_INFINITY;
      for (const node of nodes) best = Math.max(best, this.surfaces[offset + node]!);
      visit(weight, offset, best);
    }
  }
}

/** Nodes x observations: how much of what is missed at an observation is expected to be missed at a node. */
function gainOf(
  observations: readonly Observation[],
  precision: Float64Array,
  deviation: number,
): Float64Array {
  const n = observations.length;
  const gain = new Float64Array(NODES * n);
  for (let node = 0; node < NODES; node++) {
    const alike = observations.map(({ setting }) => likeness(settingAt(node), setting));
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += alike[k]! * precision[k * n + i]!;
      gain[node * n + i] = deviation ** 2 * sum;
    }
  }
  return gain;
}
