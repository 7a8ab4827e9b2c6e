import { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import { contention, serviceMs } from '../model/cost.js';
import type { Scenario } from './scenario.js';

/** What the simulated database does with a request; decided when the request arrives. */
export type SimulatedAnswer =
  | { readonly kind: 'ok'; readonly latencyMs: number }
  | {
      readonly kind: 'shrink';
      readonly latencyMs: number;
      readonly limits?: { maxRows?: number; maxBytes?: number };
    }
  | { readonly kind: 'backOff'; readonly latencyMs: number; readonly retryAfterMs?: number };

/** A refusal comes back at once. */
const REFUSAL_MS = 0.5;

/** Time of a request at a moment of a scenario, leaving out chance, neighbours, stalls and warm-up. */
export function expectedMs(scenario: Scenario, setting: Setting, nowMs = 0, stored = 0): number {
  const { batchSize, concurrency } = setting;
  const { cost, surface, knee, slowdownPerMillion = 0, steps = [] } = scenario;
  let latencyMs: number;
  if (surface) {
    latencyMs = (1000 * batchSize * concurrency) / surface(setting);
  } else {
    let { fixedMs, perVectorMs } = cost;
    for (const step of steps) {
      if (nowMs < step.atMs) continue;
      fixedMs *= step.fixed;
      perVectorMs *= step.perVector;
    }
    latencyMs = serviceMs({ ...cost, fixedMs, perVectorMs }, batchSize) * contention(cost, concurrency);
  }
  if (knee) latencyMs *= knee.base ** Math.max(0, concurrency - knee.inFlight);
  return latencyMs * (1 + (slowdownPerMillion * stored) / 1e6);
}

const isWithin = ({ fromMs, forMs }: { fromMs: number; forMs: number }, nowMs: number): boolean =>
  nowMs >= fromMs && nowMs < fromMs + forMs;

const refusal = ({ retryAfterMs }: { retryAfterMs?: number }): SimulatedAnswer => ({
  ...{ kind: 'backOff', latencyMs: REFUSAL_MS },
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

/**
 * A database as a queueing model:
 *
 * ```
 * latency = service(rows) * contention(inFlight) * knee^max(0, inFlight - k) * (1 + slowdown * stored)
 *           * (1 - jitter + jitter * Exp(1)) * wander(now) * neighbour(now) + stall
 * ```
 *
 * The knee and the jitter are those of Vector's simulated sink; service and contention those of the cost
 * model, or read off a recorded sweep.
 */
export class SimulatedDatabase {
  readonly #scenario: Scenario;
  readonly #random: Random;
  /** Where the wandering starts: it depends on the time alone, not on how many requests came before. */
  readonly #wanderSeed: number;
  #wander = { period: -1, factor: 1 };
  #stored = 0;
  #requests = 0;
  #nextStall: number;

  constructor(scenario: Scenario, random: Random) {
    this.#scenario = scenario;
    this.#random = random;
    this.#wanderSeed = random.uint32();
    this.#nextStall = scenario.stall?.everyRows ?? Number.POSITIVE_INFINITY;
  }

  /** Records stored so far. */
  get stored(): number {
    return this.#stored;
  }

  /** Answers a request of `rows` vectors and `bytes` that arrives at `nowMs` as one of `inFlight`. An accepted request counts as stored. */
  request(nowMs: number, rows: number, bytes: number, inFlight: number): SimulatedAnswer {
    const { limits, pushBack, refusals } = this.#scenario;
    if (rows > (limits?.maxRows ?? Infinity) || bytes > (limits?.maxBytes ?? Infinity)) {
      const { tells, ...values } = limits!;
      return { kind: 'shrink', latencyMs: REFUSAL_MS, ...(tells ? { limits: values } : {}) };
    }
    if (pushBack && inFlight > pushBack.inFlight) return refusal(pushBack);
    if (refusals && isWithin(refusals, nowMs) && this.#random.next() < refusals.share) {
      return refusal(refusals);
    }
    const latencyMs = this.#latencyMs(nowMs, rows, inFlight);
    this.#stored += rows;
    this.#requests++;
    return { kind: 'ok', latencyMs };
  }

  #latencyMs(nowMs: number, rows: number, inFlight: number): number {
    const { jitter = 0, warmUp, stall } = this.#scenario;
    let latencyMs = expectedMs(
      this.#scenario,
      { batchSize: rows, concurrency: inFlight },
      nowMs,
      this.#stored,
    );
    latencyMs *= 1 - jitter + jitter * this.#random.exponential();
    latencyMs *= this.#moodAt(nowMs);
    if (warmUp && this.#requests < warmUp.batches) latencyMs *= warmUp.factor;
    if (stall && this.#stored >= this.#nextStall) {
      this.#nextStall += stall.everyRows;
      latencyMs += stall.ms;
    }
    return latencyMs;
  }

  /** What the machine and its neighbours do to every request of the moment. */
  #moodAt(nowMs: number): number {
    const { wander, neighbour } = this.#scenario;
    let mood = 1;
    if (wander) {
      const period = Math.floor(nowMs / wander.forMs);
      if (period !== this.#wander.period) {
        const z = new Random(this.#wanderSeed + period).normal();
        this.#wander = { period, factor: Math.exp(wander.sd * (z - wander.sd / 2)) };
      }
      mood *= this.#wander.factor;
    }
    if (neighbour && nowMs % neighbour.everyMs >= neighbour.everyMs - neighbour.forMs)
      mood *= neighbour.factor;
    return mood;
  }
}
