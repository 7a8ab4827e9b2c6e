import { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import type { Bounds } from './bounds.js';
import { Guard } from './guard.js';
import type { Decision, Policy } from './policy.js';
import type { Scenario } from './scenario.js';
import { type SimulatedAnswer, SimulatedDatabase } from './simulator.js';

export interface SimulatedLoadOptions {
  /** Sends a window of requests and waits for all of them before the next, as a loop over `Promise.all` does. Default false. */
  readonly lockStep?: boolean;
  /** Most requests in flight. Default 64. */
  readonly maxConcurrency?: number;
  /** Told of every batch that was acknowledged, in order. */
  readonly onAcknowledged?: (nowMs: number, rows: number, latencyMs: number) => void;
}

interface Event {
  readonly atMs: number;
  readonly happen: () => void;
}

/** A push-back without advice is waited out this long. */
const BACK_OFF_MS = 200;
/** What a simulated machine has for requests in flight. */
const MEMORY_BYTES = 256e6;
const MOST_CONCURRENCY = 64;

/** What the machine of a simulated load allows, whatever the database says. */
export function simulatedBounds({ rows, dimension }: Scenario): Bounds {
  return {
    maxBatchSize: rows,
    maxConcurrency: MOST_CONCURRENCY,
    maxRowsInFlight: Math.floor(MEMORY_BYTES / (8 * dimension)),
  };
}

/**
 * A whole load of a scenario under a policy, inside a guard, as a discrete-event simulation: no clock, no
 * promises, a million batches in a second or so. Deterministic in `seed`.
 */
export class SimulatedLoad {
  readonly guard: Guard;
  /** Every change of the set-point. */
  readonly settings: (Decision & { readonly atMs: number })[] = [];
  readonly #database: SimulatedDatabase;
  readonly #options: SimulatedLoadOptions;
  readonly #bytesPerRow: number;
  readonly #events: Event[] = [];
  /** Refused rows wait here until they can be sent again. */
  readonly #returned: number[] = [];
  #fresh: number;
  #inFlight = 0;
  #requests = 0;
  #pushedBack = 0;
  #nowMs = 0;

  constructor(scenario: Scenario, policy: Policy, seed: number, options: SimulatedLoadOptions = {}) {
    this.#database = new SimulatedDatabase(scenario, new Random(seed));
    this.#options = options;
    this.#bytesPerRow = scenario.dimension * 4;
    this.#fresh = scenario.rows;
    const { maxBatchSize, maxConcurrency } = { ...simulatedBounds(scenario), ...options };
    this.guard = new Guard(policy, {
      ...{ maxBatchSize, maxConcurrency, maxBatchBytes: Number.POSITIVE_INFINITY },
      ...{
        bytesPerRow: this.#bytesPerRow,
        memoryBytes: MEMORY_BYTES,
        memoryBytesPerRow: 2 * this.#bytesPerRow,
      },
    });
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get requests(): number {
    return this.#requests;
  }

  get pushedBack(): number {
    return this.#pushedBack;
  }

  /** Sends what the guard grants and lets the next thing happen; false when everything is stored. */
  step(): boolean {
    this.#dispatch();
    const event = this.#events.shift();
    if (!event) return false;
    this.#nowMs = event.atMs;
    event.happen();
    return true;
  }

  #dispatch(): void {
    if (this.#options.lockStep && this.#inFlight > 0) return;
    const { setting } = this.guard;
    const last = this.settings.at(-1);
    if (last?.batchSize !== setting.batchSize || last.concurrency !== setting.concurrency) {
      this.settings.push({ ...setting, atMs: this.#nowMs });
    }
    while (this.#inFlight < setting.concurrency) {
      let rows = this.#returned.pop();
      if (rows === undefined) {
        if (this.#fresh === 0) return;
        rows = Math.min(setting.batchSize, this.#fresh);
        this.#fresh -= rows;
      }
      this.#send(rows, setting);
    }
  }

  #send(rows: number, { batchSize, concurrency }: Setting): void {
    const startMs = this.#nowMs;
    const inFlight = ++this.#inFlight;
    this.#requests++;
    const bytes = rows * this.#bytesPerRow;
    const answer: SimulatedAnswer = this.#database.request(startMs, rows, bytes, inFlight);
    const endMs = startMs + answer.latencyMs;
    this.#schedule(endMs, () => {
      this.guard.observe({
        batchSize,
        rows,
        bytes,
        concurrency,
        inFlight,
        startMs,
        endMs,
        outcome: answer.kind,
        limits: answer.kind === 'shrink' ? answer.limits : undefined,
        remainingRows: this.#fresh,
      });
      this.#inFlight--;
      if (answer.kind === 'ok') {
        this.#options.onAcknowledged?.(endMs, rows, answer.latencyMs);
      } else if (answer.kind === 'shrink') {
        this.#returned.push(Math.ceil(rows / 2));
        if (rows > 1) this.#returned.push(Math.floor(rows / 2));
      } else {
        // The batch keeps its permit while it waits, as in a real load.
        this.#pushedBack++;
        this.#inFlight++;
        this.#schedule(endMs + (answer.retryAfterMs ?? BACK_OFF_MS), () => {
          this.#inFlight--;
          this.#returned.push(rows);
        });
      }
    });
  }

  #schedule(atMs: number, happen: () => void): void {
    let index = this.#events.length;
    while (index > 0 && this.#events[index - 1]!.atMs > atMs) index--;
    this.#events.splice(index, 0, { atMs, happen });
  }
}
