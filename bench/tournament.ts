import { type Oracle, oracle, SchedulePolicy } from '../src/control/oracle.js';
import type { Policy } from '../src/control/policy.js';
import type { Scenario } from '../src/control/scenario.js';
import { SimulatedLoad } from '../src/control/simulated-load.js';

/** Somebody who decides how to send. */
export interface Entrant {
  readonly name: string;
  /** A fresh one for every load. */
  readonly create: (scenario: Scenario, seed: number) => Policy;
  readonly lockStep?: boolean;
}

/** What an entrant made of one load. */
export interface Score {
  /** Rate of the whole load, ramp included, over the oracle's with the same seed. */
  readonly share: number;
  /** When the rate first reached 90 % of the oracle’s over a window of a fiftieth of its time, as a share of the oracle's time; NaN if never. */
  readonly timeTo90: number;
  /** The 95th percentile of the latency in the second half is more than twice the oracle's. */
  readonly isSlow: boolean;
  /** What is lost of the oracle's rate in the tenth of its time after a step change; NaN where there is none. */
  readonly harm: number;
}

/** A load as it went: when what was acknowledged, and how long it took. */
interface Course {
  readonly totalMs: number;
  readonly vectorsPerSecond: number;
  readonly ms: number[];
  readonly rows: number[];
  readonly latencyMs: number[];
}

/** A load that takes so many times the oracle's time is cut short. */
const PATIENCE = 3;
const WINDOWS = 50;
const REACHED = 0.9;
const SLOW = 2;
const AFTERMATH = 0.1;

/** A scenario with a seed, and what the oracle makes of it. */
export class Contest {
  readonly scenario: Scenario;
  readonly #seed: number;
  readonly #best: Course;
  readonly #bestP95Ms: number;

  constructor(scenario: Scenario, seed: number, best: Oracle = oracle(scenario)) {
    this.scenario = scenario;
    this.#seed = seed;
    this.#best = run(scenario, new SchedulePolicy(best.schedule), seed);
    this.#bestP95Ms = laterP95Ms(this.#best);
  }

  score(entrant: Entrant): Score {
    const { scenario } = this;
    const best = this.#best;
    const policy = entrant.create(scenario, this.#seed);
    const course = run(scenario, policy, this.#seed, entrant.lockStep, PATIENCE * best.totalMs);
    return {
      share: course.vectorsPerSecond / best.vectorsPerSecond,
      timeTo90: timeTo90(course, scenario.rows, best.totalMs),
      isSlow: laterP95Ms(course) > SLOW * this.#bestP95Ms,
      harm: harm(course, best, scenario.steps?.[0]?.atMs),
    };
  }
}

/** @param mostMs where the load is cut short; its rate so far stands for the whole */
function run(
  scenario: Scenario,
  policy: Policy,
  seed: number,
  lockStep = false,
  mostMs = Number.POSITIVE_INFINITY,
): Course {
  const ms: number[] = [];
  const rows: number[] = [];
  const latencyMs: number[] = [];
  const load = new SimulatedLoad(scenario, policy, seed, {
    lockStep,
    onAcknowledged: (atMs, count, tookMs) => {
      ms.push(atMs);
      rows.push(count);
      latencyMs.push(tookMs);
    },
  });
  while (load.nowMs < mostMs && load.step());
  const sent = rows.reduce((sum, count) => sum + count, 0);
  return { totalMs: load.nowMs, vectorsPerSecond: (1000 * sent) / load.nowMs, ms, rows, latencyMs };
}

function laterP95Ms({ ms, latencyMs, totalMs }: Course): number {
  // A typed array sorts a million numbers several times faster.
  const later = Float64Array.from(latencyMs.filter((_, k) => ms[k]! >= totalMs / 2)).sort();
  return later[Math.floor(0.95 * (later.length - 1))] ?? Number.NaN;
}

const rowsBetween = ({ ms, rows }: Course, fromMs: number, toMs: number): number =>
  rows.reduce((sum, count, k) => (ms[k]! > fromMs && ms[k]! <= toMs ? sum + count : sum), 0);

function timeTo90(course: Course, rows: number, bestMs: number): number {
  const windowMs = bestMs / WINDOWS;
  const enough = (REACHED * rows) / WINDOWS;
  let from = 0;
  let inWindow = 0;
  for (const [k, atMs] of course.ms.entries()) {
    inWindow += course.rows[k]!;
    while (course.ms[from]! < atMs - windowMs) inWindow -= course.rows[from++]!;
    if (inWindow >= enough) return atMs / bestMs;
  }
  return Number.NaN;
}

function harm(course: Course, best: Course, stepMs: number | undefined): number {
  const toMs = (stepMs ?? 0) + AFTERMATH * best.totalMs;
  if (stepMs === undefined || toMs > Math.min(best.totalMs, course.totalMs)) return Number.NaN;
  return 1 - rowsBetween(course, stepMs, toMs) / rowsBetween(best, stepMs, toMs);
}
