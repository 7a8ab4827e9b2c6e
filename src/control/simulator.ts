import type { Random } from '../core/random.js';
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

/**
 * A database as a queueing model:
 *
 * ```
 * latency = service(rows) * contention(inFlight) * knee^max(0, inFlight - k) * (1 + slowdown * stored)
 *           * (1 - jitter + jitter * Exp(1)) + stall
 * ```
 *
 * The knee and the jitter are those of Vector's simulated sink; service and contention those of the cost model.
 */
export class SimulatedDatabase {
  readonly #scenario: Scenario;
  readonly #random: Random;
  #stored = 0;
  #requests = 0;
  #nextStall: number;

  constructor(scenario: Scenario, random: Random) {
    this.#scenario = scenario;
    this.#random = random;
    this.#nextStall = scenario.stall?.everyRows ?? Number.POSITIVE_INFINITY;
  }

  /** Records stored so far. */
  get stored(): number {
    return this.#stored;
  }

  /** Answers a request of `rows` vectors and `bytes` that arrives at `nowMs` as one of `inFlight`. An accepted request counts as stored. */
  request(nowMs: number, rows: number, bytes: number, inFlight: number): SimulatedAnswer {
    const { limits, pushBack } = this.#scenario;
    if (rows > (limits?.maxRows ?? Infinity) || bytes > (limits?.maxBytes ?? Infinity)) {
      const { tells, ...values } = limits!;
      return { kind: 'shrink', latencyMs: REFUSAL_MS, ...(tells ? { limits: values } : {}) };
    }
    if (pushBack && inFlight > pushBack.inFlight) {
      const { retryAfterMs } = pushBack;
      return {
        kind: 'backOff',
        latencyMs: REFUSAL_MS,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
    }
    const latencyMs = this.#latencyMs(nowMs, rows, inFlight);
    this.#stored += rows;
    this.#requests++;
    return { kind: 'ok', latencyMs };
  }

  #latencyMs(nowMs: number, rows: number, inFlight: number): number {
    const { cost, knee, jitter = 0, slowdownPerMillion = 0, warmUp, stall, steps = [] } = this.#scenario;
    let { fixedMs, perVectorMs } = cost;
    for (const step of steps) {
      if (nowMs < step.atMs) continue;
      fixedMs *= step.fixed;
      perVectorMs *= step.perVector;
    }
    let latencyMs = serviceMs({ ...cost, fixedMs, perVectorMs }, rows) * contention(cost, inFlight);
    if (knee) latencyMs *= knee.base ** Math.max(0, inFlight - knee.inFlight);
    latencyMs *= 1 + (slowdownPerMillion * this.#stored) / 1e6;
    latencyMs *= 1 - jitter + jitter * this.#random.exponential();
    if (warmUp && this.#requests < warmUp.batches) latencyMs *= warmUp.factor;
    if (stall && this.#stored >= this.#nextStall) {
      this.#nextStall += stall.everyRows;
      latencyMs += stall.ms;
    }
    return latencyMs;
  }
}
