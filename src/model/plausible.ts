import type { Random } from '../core/random.js';
import type { CostModel } from './cost.js';
import { NODES, settingAt } from './lattice.js';

/**
 * The shape of a database's rate, up to its level; the cost law of `cost.ts` with a knee, past which a vector costs more:
 *
 * ```
 * rate(b, c) ~ b c / ((half + b (1 + bend (b / knee)^power)) (1 + sigma (c - 1) + kappa c (c - 1)))
 * ```
 */
export interface Shape {
  /** Batch size that reaches half of the asymptotic rate: fixed cost over the cost of a vector. */
  readonly half: number;
  readonly knee: number;
  readonly bend: number;
  readonly power: number;
  readonly sigma: number;
  readonly kappa: number;
}

/** What is known of a database before it is measured. */
export interface Subject {
  readonly database: string;
  readonly dimension: number;
  /** Its engine is documented to write on one thread, so that requests in flight only queue. */
  readonly isSingleWriter: boolean;
}

/** A database as it may be: a shape, and log(rate) on the lattice less what the shape says of it. */
export interface Plausible {
  readonly shape: Shape;
  readonly residual: Float64Array;
}

/** Another pair of database and dimension, already measured: equally likely versions of it. */
export interface Precedent {
  readonly subject: Subject;
  readonly versions: readonly Plausible[];
}

/** Of the imagined databases, the share that is made after precedents; the others are drawn from scratch. */
const AFTER_PRECEDENTS = 0.85;
const AFTER_THE_SAME_DATABASE = 0.9;
/** How much likelier a precedent is that is the same database at another dimension. */
const SAME_DATABASE = 6;
/** Octaves that the half-way batch moves per octave of the dimension: between cost per row (0) and per byte (1). */
const PER_OCTAVE = 0.6;
const REFERENCE_DIMENSION = 128;
/**
 * How far a precedent is varied: octaves of `half` and `knee`, units of `sigma`, logarithms of `kappa`, and logarithms of
 * the rate per octave of requests in flight: no precedent knows how many cores another database makes use of.
 */
const VARY = { octaves: 0.3, sigma: 0.1, kappa: 0.3, tilt: 0.12 };
const NOTHING = new Float64Array(NODES);

/** A cost law as a precedent: what a profile says of its database. */
export function precedentOfLaw(
  subject: Subject,
  { fixedMs, perVectorMs, superLinearMs, sigma, kappa }: CostModel,
): Precedent {
  // The super-linear term at a middling batch of 1024; a law that costs nothing per vector is a plateau never reached.
  const perRow = Math.max(perVectorMs + 10 * superLinearMs, fixedMs / 65_536);
  const shape = { half: fixedMs / perRow, knee: 4096, bend: 0.1, power: 1, sigma, kappa };
  return { subject, versions: [{ shape, residual: NOTHING }] };
}

/** Draws `count` databases that `subject` may turn out to be. */
export function imagine(
  random: Random,
  count: number,
  subject: Subject,
  precedents: readonly Precedent[],
): Plausible[] {
  const isSame = (other: Subject) => other.database === subject.database;
  const weights = precedents.map(({ subject: other }) => (isSame(other) ? SAME_DATABASE : 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const share = precedents.some((one) => isSame(one.subject)) ? AFTER_THE_SAME_DATABASE : AFTER_PRECEDENTS;
  return Array.from({ length: count }, () => {
    if (precedents.length === 0 || random.next() >= share)
      return { shape: drawShape(random, subject), residual: NOTHING };
    let left = random.next() * total;
    let k = 0;
    while (k < weights.length - 1 && left > weights[k]!) left -= weights[k++]!;
    const { subject: other, versions } = precedents[k]!;
    const { shape, residual } = versions[random.integer(versions.length)]!;
    return {
      shape: vary(random, shape, other, subject),
      residual: tilted(residual, VARY.tilt * random.normal()),
    };
  });
}

/**
 * A shape from scratch. The spreads are wide: of six databases measured, half-way batches lay between 5 and 800 rows at
 * 128 dimensions, the serial share between 0.55 and 0.9 on two cores, and knees anywhere.
 */
function drawShape(random: Random, subject: Subject): Shape {
  const shift = octavesFor(subject.dimension);
  const half = 2 ** (6.3 + 2.3 * random.normal() + shift);
  const contention = drawContention(random, subject);
  const bend = 0.4 * random.exponential();
  const knee = 2 ** (10 + 3 * random.next() + shift);
  return { half, knee, bend, power: 0.5 + random.next(), ...contention };
}

function drawContention(random: Random, { isSingleWriter }: Subject): { sigma: number; kappa: number } {
  if (isSingleWriter) return { sigma: 0.9 + 0.15 * random.next(), kappa: 0.1 * random.exponential() };
  return { sigma: 0.4 + 0.62 * random.next(), kappa: Math.exp(-3.5 + random.normal()) };
}

function vary(random: Random, shape: Shape, from: Subject, to: Subject): Shape {
  const shift = octavesFor(to.dimension) - octavesFor(from.dimension);
  const move = () => 2 ** (shift + VARY.octaves * random.normal());
  // What is documented of the writers outweighs any precedent.
  const { sigma, kappa } = from.isSingleWriter === to.isSingleWriter ? shape : drawContention(random, to);
  const least = to.isSingleWriter ? 0.9 : 0;
  return {
    ...{ half: shape.half * move(), knee: shape.knee * move(), bend: shape.bend, power: shape.power },
    sigma: Math.min(1.05, Math.max(least, sigma + VARY.sigma * random.normal())),
    kappa: kappa * Math.exp(VARY.kappa * random.normal()),
  };
}

const tilted = (residual: Float64Array, tilt: number): Float64Array =>
  residual.map((value, node) => value + tilt * Math.log2(settingAt(node).concurrency));

const octavesFor = (dimension: number): number => -PER_OCTAVE * Math.log2(dimension / REFERENCE_DIMENSION);

/** Writes log(rate) of a plausible database at every node, its level left open. */
export function writeSurface({ shape, residual }: Plausible, target: Float64Array, offset: number): void {
  const { half, knee, bend, power, sigma, kappa } = shape;
  for (let node = 0; node < NODES; node++) {
    const { batchSize: b, concurrency: c } = settingAt(node);
    const service = half + b * (1 + bend * (b / knee) ** power);
    const contention = 1 + sigma * (c - 1) + kappa * c * (c - 1);
    target[offset + node] = Math.log((b * c) / (service * contention)) + residual[node]!;
  }
}
