import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, sameSetting } from './bounds.js';
import type { Knowledge } from './knowledge.js';
import type { Measurement, WindowLength } from './window.js';

/** A setting the search wants measured. */
export interface Probe {
  readonly setting: Setting;
  readonly length: WindowLength;
  readonly reason: string;
}

/**
 * A search is a coroutine: it yields what it wants measured, and is resumed with the measurement after that
 * has been added to the knowledge. So the plan reads from top to bottom, while batches, time and the
 * envelope stay outside.
 */
export type Search = Generator<Probe, Setting, Measurement>;

/** The world a search runs in; it changes between the probes. */
export interface Surroundings {
  readonly knowledge: Knowledge;
  /** The envelope: it shrinks when the sink refuses. */
  readonly bounds: Bounds;
  /** Rows still to be sent; Infinity when unknown. */
  readonly remainingRows: number;
}

/** A rung of the batch ladder must beat the best one by this much to count as growth. */
const BATCH_GROWTH = 1.1;
/** Growth that shows the fixed cost to dominate: the next rung is left out. */
const STEEP_GROWTH = 1.6;
/** Growth by this share of the rung's factor: rows cost nearly nothing yet (a quarter of the request at most), two rungs are left out. */
const FREE_GROWTH = 0.9;
/** A rung this far below the best ends the ladder at once. */
const COLLAPSE = 0.7;
/** Before the batch ladder, a doubling of the requests in flight must gain this much. */
const STEEP_CONCURRENCY = 1.4;
/** After it, a doubling must gain this much. */
const CONCURRENCY_GROWTH = 1.05;
/** Settings this close to the best are as good: the smallest of them is taken. */
const TOLERANCE = 0.975;
/** A smaller setting that the model holds this much slower is not tried. */
const UNLIKELY = 0.9;
const MOST_DOWNWARD_RUNGS = 3;
/** A request of so few rows strains nobody: smaller ones must be faster, not only as fast. */
const EFFORTLESS_ROWS = 128;

/** A window takes 3 batches, and where they scatter up to 8, as long as that is a trifle of what is left to send. */
const FEWEST_BATCHES = 3;
const MOST_BATCHES = 8;
const TRIFLE = 1 / 128;
const LADDER_MS = 20;
const DUEL_MS = 15;
/** A setting measured this often has nothing to prove any more. */
const PROVEN_BATCHES = 12;
/** What was never measured may be this much better than the model holds; it shrinks as it is measured. */
const OPTIMISM = 0.03;
/** The same for a second look, that has time to doubt what noise may have spoilt the first time. */
const SECOND_OPTIMISM = 0.1;
/** And it may be this much worse: what is settled on in the end should be proven. */
const CAUTION = 0.08;
const MOST_DUELS = 12;
/** A second look is a glance: on a plateau there is always something left that was not tried. */
const SECOND_DUELS = 4;
/** Where the concurrency ladder starts: the smallest rung on the plateau, for requests in flight make up for smaller ones. */
const PLATEAU = 0.92;
/** Exploring may take at most this share of what is left to send. */
const EXPLORATION_SHARE = 0.2;
/** And this, where little is to be gained. */
const TRIFLING_SHARE = 0.05;
/** More requests in flight rarely lose, so trying them may take more. */
const CONCURRENCY_EXPLORATION_SHARE = 0.5;

/**
 * The whole plan for an unknown database: batch ladder, concurrency ladder on its plateau, refinement.
 * Before the batch ladder, requests in flight are raised as long as they pay at once: a probe of small batches
 * takes little time, and the ladder then climbs at full speed.
 */
export function* searchAll(start: Setting, world: Surroundings): Search {
  yield probeOf(world, start, 'measuring the starting point');
  const first = yield* climbConcurrency(start, STEEP_CONCURRENCY, world);
  const plateau = yield* climbBatchSize(first, world);
  const peak = yield* climbConcurrency(plateau, CONCURRENCY_GROWTH, world);
  const summit = peak === plateau ? yield* descendConcurrency(plateau, world) : peak;
  return yield* refine(summit, OPTIMISM, MOST_DUELS, world);
}

/** A second look at the neighbourhood of a setting that has been held for a while. */
export function* searchAgain(held: Setting, world: Surroundings): Search {
  return yield* refine(held, SECOND_OPTIMISM, SECOND_DUELS, world);
}

/**
 * Geometric ladder over the batch size at a fixed concurrency. Ends after two rungs without growth, or after
 * one if the model sees none coming (the plateau test of BBR's start-up, with the model in place of its last
 * round). If the start itself is the best, the ladder goes down instead: there may be nothing to gain, or the
 * start was too high. Returns the smallest rung as good as the best.
 */
function* climbBatchSize(start: Setting, world: Surroundings): Search {
  const { knowledge } = world;
  const rate = (setting: Setting) => knowledge.estimate(setting);
  const rungs: Setting[] = [start];
  let best = start;
  let factor = 2;
  for (let flat = 0; flat < 2; ) {
    const last = rungs.at(-1)!;
    const next = clampSetting({ ...last, batchSize: last.batchSize * factor }, world.bounds);
    if (next.batchSize <= last.batchSize || !affordable(next, FEWEST_BATCHES, world)) break;
    const result = yield probeOf(
      world,
      next,
      `batch ladder: is ${next.batchSize} faster than ${last.batchSize}?`,
    );
    if (result.batches === 0) break;
    rungs.push(next);
    const growth = rate(next) / rate(best);
    if (growth < COLLAPSE) break;
    const expected = rate({ ...next, batchSize: next.batchSize * 2 }) / rate(next);
    if (growth >= BATCH_GROWTH) flat = 0;
    else flat += expected < BATCH_GROWTH ? 2 : 1;
    const isSteep = growth >= STEEP_GROWTH && expected >= STEEP_GROWTH;
    factor = !isSteep ? 2 : growth >= FREE_GROWTH * factor ? 8 : 4;
    if (growth > 1) best = next;
  }
  const plateau = () => rungs.find((rung) => rate(rung) >= PLATEAU * rate(best)) ?? best;
  if (plateau() !== start) return plateau();
  for (let rung = 0; rung < MOST_DOWNWARD_RUNGS; rung++) {
    const next = clampSetting({ ...best, batchSize: rungs[0]!.batchSize / 2 }, world.bounds);
    if (next.batchSize >= rungs[0]!.batchSize || rate(next) < TOLERANCE * rate(best)) break;
    if (!affordable(next, FEWEST_BATCHES + next.concurrency, world)) break;
    yield probeOf(world, next, `is the smaller batch ${next.batchSize} as fast as ${rungs[0]!.batchSize}?`);
    const enough = next.batchSize < EFFORTLESS_ROWS ? BATCH_GROWTH : TOLERANCE;
    if (rate(next) < enough * rate(best)) break;
    rungs.unshift(next);
  }
  return plateau();
}

/** Doubles the requests in flight while each doubling gains at least `growth`; on the plateau it ends with half a doubling. */
function* climbConcurrency(start: Setting, growth: number, world: Surroundings): Search {
  const { knowledge } = world;
  let best = start;
  for (;;) {
    const next = clampSetting({ ...best, concurrency: best.concurrency * 2 }, world.bounds);
    if (next.concurrency <= best.concurrency) return best;
    if (!affordable(next, 2 * next.concurrency, world, CONCURRENCY_EXPLORATION_SHARE)) return best;
    const result = yield probeOf(world, next, `concurrency ladder: do ${next.concurrency} in flight gain?`);
    if (result.batches === 0) return best;
    if (knowledge.estimate(next) < growth * knowledge.estimate(best)) break;
    best = next;
  }
  if (growth > CONCURRENCY_GROWTH || best.concurrency === 1) return best;
  // A knee may lie between the last doubling and the one that failed.
  const between = clampSetting({ ...best, concurrency: best.concurrency * 1.5 }, world.bounds);
  if (between.concurrency <= best.concurrency) return best;
  if (!affordable(between, 2 * between.concurrency, world, TRIFLING_SHARE)) return best;
  yield probeOf(world, between, `are ${between.concurrency} in flight as good as it gets?`);
  return knowledge.estimate(between) > growth * knowledge.estimate(best) ? between : best;
}

/** Halves the requests in flight while that loses nothing. */
function* descendConcurrency(start: Setting, world: Surroundings): Search {
  const { knowledge } = world;
  let best = start;
  while (best.concurrency > 1) {
    const next = { ...best, concurrency: best.concurrency >> 1 };
    if (knowledge.estimate(next) < UNLIKELY * knowledge.estimate(start)) break;
    if (!affordable(next, FEWEST_BATCHES + next.concurrency, world)) break;
    yield probeOf(world, next, `are ${next.concurrency} in flight as fast?`);
    if (knowledge.estimate(next) < TOLERANCE * knowledge.estimate(start)) break;
    best = next;
  }
  return best;
}

/**
 * Duels: the most promising setting, among the neighbours of what was measured, against the holder, in turn,
 * so that a drift favours neither. `optimism` is what the unmeasured is given in advance. Every duel sharpens the estimates; the search ends when they keep pointing
 * at a setting that is proven, and then takes the smallest one measured that is within tolerance of the best.
 */
function* refine(start: Setting, optimism: number, duels: number, world: Surroundings): Search {
  const { knowledge } = world;
  let holder = clampSetting(start, world.bounds);
  /** More requests in flight than these came to nothing: for this search they are out. */
  let most = Number.POSITIVE_INFINITY;
  const bounds = () => ({ ...world.bounds, maxConcurrency: Math.min(most, world.bounds.maxConcurrency) });
  for (let duel = 0; duel < duels; duel++) {
    const challenger = mostPromising(holder, optimism, knowledge, bounds());
    if (knowledge.batches(challenger) >= PROVEN_BATCHES) break;
    if (!affordable(challenger, 2 * (FEWEST_BATCHES + challenger.concurrency), world)) break;
    const pair = sameSetting(holder, challenger) ? [challenger] : [challenger, holder];
    for (const setting of duel % 2 === 0 ? pair : pair.toReversed()) {
      const result = yield {
        setting,
        length: lengthOf(setting, DUEL_MS, world),
        reason: `comparing ${label(challenger)} with ${label(holder)}`,
      };
      if (result.batches === 0 && setting.concurrency > 1) most = Math.min(most, setting.concurrency - 1);
    }
    holder = clampSetting(holder, bounds());
    if (challenger.concurrency > most) continue;
    if (knowledge.estimate(challenger) > knowledge.estimate(holder)) holder = challenger;
  }
  const measured = knowledge.cells.filter((cell) => sameSetting(cell, clampSetting(cell, world.bounds)));
  // The holder need not have been measured: the envelope may allow nothing that was.
  return smallestWithin([holder, ...measured], (setting) => estimateWith(knowledge, setting, -CAUTION))!;
}

/** The smallest setting that may be within tolerance of the best, at most one step away from something measured. */
function mostPromising(holder: Setting, optimism: number, knowledge: Knowledge, bounds: Bounds): Setting {
  const candidates = new Map<string, Setting>();
  for (const cell of [holder, ...knowledge.cells]) {
    for (const setting of withNeighbours(cell)) {
      const granted = clampSetting(setting, bounds);
      candidates.set(label(granted), granted);
    }
  }
  const promise = (setting: Setting) => estimateWith(knowledge, setting, optimism);
  return smallestWithin([...candidates.values()], promise)!;
}

/** The estimate of a setting, changed by `doubt` as far as it is not proven. */
function estimateWith(knowledge: Knowledge, setting: Setting, doubt: number): number {
  const unproven = Math.max(0, 1 - knowledge.batches(setting) / PROVEN_BATCHES);
  return knowledge.estimate(setting) * (1 + doubt * unproven);
}

/** The least straining of the settings whose rate is within tolerance of the best one's. */
function smallestWithin(
  settings: readonly Setting[],
  rate: (setting: Setting) => number,
): Setting | undefined {
  const enough = TOLERANCE * Math.max(...settings.map(rate));
  const asGood = settings.filter((setting) => rate(setting) >= enough);
  return asGood.length === 0
    ? undefined
    : asGood.reduce((a, b) => ((strain(b) - strain(a) || rate(a) - rate(b)) < 0 ? b : a));
}

/** A setting and those half a batch doubling, or half the requests in flight, away. */
function withNeighbours({ batchSize, concurrency }: Setting): Setting[] {
  const step = Math.max(1, concurrency >> 1);
  return [
    { batchSize, concurrency },
    { batchSize: onLattice(batchSize, 1), concurrency },
    { batchSize: onLattice(batchSize, -1), concurrency },
    { batchSize, concurrency: concurrency + step },
    { batchSize, concurrency: concurrency - step },
    // As many rows in flight in fewer requests: where memory binds there is no other way to a larger batch.
    {
      batchSize: onLattice((batchSize * concurrency) / Math.max(1, concurrency - step), 0),
      concurrency: concurrency - step,
    },
  ];
}

/** The batch size `steps` half doublings away, on a lattice common to all cells so that they meet. */
function onLattice(batchSize: number, steps: number): number {
  return Math.round(2 ** ((Math.round(2 * Math.log2(batchSize)) + steps) / 2));
}

function probeOf(world: Surroundings, { batchSize, concurrency }: Setting, reason: string): Probe {
  const { knowledge } = world;
  const best = Math.max(0, ...knowledge.cells.map((cell) => knowledge.estimate(cell)));
  return {
    setting: { batchSize, concurrency },
    length: { ...lengthOf({ batchSize, concurrency }, LADDER_MS, world), hopelessBelow: COLLAPSE * best },
    reason,
  };
}

/** The more there is left to send, the more it is worth to measure well. */
function lengthOf(setting: Setting, minMs: number, { remainingRows }: Surroundings): WindowLength {
  const trifle = Math.floor((TRIFLE * remainingRows) / (setting.batchSize * setting.concurrency));
  return { batches: FEWEST_BATCHES, mostBatches: Math.min(MOST_BATCHES, trifle), minMs };
}

/** What a setting asks of the database: rows in flight, and more the more requests they come in. */
const strain = ({ batchSize, concurrency }: Setting): number =>
  Math.max(batchSize, EFFORTLESS_ROWS) * concurrency ** 1.5;
const label = (setting: Setting): string => `${setting.batchSize} x ${setting.concurrency}`;

/** A probe of so many batches must leave most of the data to profit from what it finds. */
function affordable(
  setting: Setting,
  batches: number,
  { remainingRows }: Surroundings,
  share = EXPLORATION_SHARE,
): boolean {
  return setting.batchSize * batches <= share * remainingRows;
}
