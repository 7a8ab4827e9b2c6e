import { checkNumber, checkOneOf } from '../core/check.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY } from '../core/limits.js';
import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import { UNBOUNDED } from './bounds.js';
import type { DQNAgent } from './dqn-agent.js';
import { Guard, type GuardOptions } from './guard.js';
import { initialSetting } from './initial.js';
import { createPolicy, POLICY_NAMES, type PolicyName } from './policies.js';
import type { AttemptOutcome, BatchSample, Decision } from './policy.js';

/** What to control and within which limits; everything may be left out. */
export interface AdaptiveControllerOptions {
  /** Default `model-guided`. */
  policy?: PolicyName;
  /** Where to begin; for the policy `fixed`, where to stay. Default: from the prior, else 128 x 1. */
  initial?: Setting;
  /** What is known of the database's cost beforehand. */
  prior?: CostModel;
  /** For the policy `dqn`. Default: the agent that comes with the package. */
  agent?: DQNAgent;
  /** Most rows in one request, 1..1,048,576. */
  maxBatchSize?: number;
  /** Most requests in flight, 1..1024. Default 16. */
  maxConcurrency?: number;
  /** Most bytes in one request. */
  maxBatchBytes?: number;
  /** Bytes of one row in a request: what byte and memory limits are counted with. Default 4096. */
  bytesPerRow?: number;
  /** Memory that requests in flight may take, bytes. Default 128e6. */
  memoryBytes?: number;
}

/** How one attempt to write one batch went. What is left out is what the controller's setting said. */
export interface AttemptReport {
  rows: number;
  /** On any clock that does not go back, ms. */
  startMs: number;
  endMs: number;
  /** Default `ok`. */
  outcome?: AttemptOutcome;
  /** Requests in flight when it was sent, this one included. */
  inFlight?: number;
  /** The setting when it was sent. */
  setting?: Setting;
  bytes?: number;
  /** What a refusal as too large said. */
  limits?: { maxRows?: number; maxBytes?: number };
  /** Rows not sent yet, if that is known: exploring is only worth it while there are many. */
  remainingRows?: number;
}

const DEFAULT_MAX_CONCURRENCY = 16;
const DEFAULT_BYTES_PER_ROW = 4096;
const DEFAULT_MEMORY_BYTES = 128e6;

/**
 * Batch size and concurrency for a loop of your own: report every attempt, read what to send next. A policy
 * in its guard, without clock, timers or threads; the same reports always give the same settings.
 *
 * ```ts
 * const controller = new AdaptiveController({ maxBatchSize: 1000 });
 * let { batchSize, concurrency } = controller.setting;
 * // ... send; when an attempt is over:
 * ({ batchSize, concurrency } = controller.observe({ rows, startMs, endMs, inFlight }));
 * ```
 */
export class AdaptiveController {
  readonly #guard: Guard;
  readonly #bytesPerRow: number;

  /** @throws VBO_ERR_ARGUMENT */
  constructor(options: AdaptiveControllerOptions = {}) {
    const name = checkOneOf(options.policy ?? 'model-guided', 'policy', POLICY_NAMES);
    const atLeastOne = (value: number | undefined, field: string, max: number, otherwise: number) =>
      value === undefined ? otherwise : checkNumber(value, field, { min: 1, max });
    const bytesPerRow = atLeastOne(options.bytesPerRow, 'bytesPerRow', 1e12, DEFAULT_BYTES_PER_ROW);
    const maxConcurrency = Math.floor(
      atLeastOne(options.maxConcurrency, 'maxConcurrency', MAX_CONCURRENCY, DEFAULT_MAX_CONCURRENCY),
    );
    const envelope: GuardOptions = {
      maxBatchSize: Math.floor(
        atLeastOne(options.maxBatchSize, 'maxBatchSize', MAX_BATCH_SIZE, MAX_BATCH_SIZE),
      ),
      maxConcurrency,
      maxBatchBytes: atLeastOne(options.maxBatchBytes, 'maxBatchBytes', 1e15, Number.POSITIVE_INFINITY),
      bytesPerRow,
      memoryBytes: atLeastOne(options.memoryBytes, 'memoryBytes', 1e15, DEFAULT_MEMORY_BYTES),
      memoryBytesPerRow: bytesPerRow,
    };
    const { prior, agent } = options;
    const initial = options.initial ?? initialSetting(prior, { ...UNBOUNDED, ...envelope });
    checkNumber(initial.batchSize, 'initial.batchSize', { min: 1, max: MAX_BATCH_SIZE, integer: true });
    checkNumber(initial.concurrency, 'initial.concurrency', { min: 1, max: MAX_CONCURRENCY, integer: true });
    const policy = createPolicy(name, {
      initial,
      ...(prior ? { prior } : {}),
      ...(agent ? { agent } : {}),
    });
    this.#guard = new Guard(policy, envelope);
    this.#bytesPerRow = bytesPerRow;
  }

  /** What to send next, and why: may be a probe. */
  get setting(): Decision {
    return this.#guard.setting;
  }

  /** The best setting known so far: never a probe. */
  get best(): Setting {
    return this.#guard.best;
  }

  /** What was learnt about the database's cost, once there is something. */
  get model(): CostModel | undefined {
    return this.#guard.model;
  }

  /**
   * Takes the report of one attempt; returns what to send next.
   * @throws VBO_ERR_ARGUMENT
   */
  observe(report: AttemptReport): Decision {
    const { rows, startMs, endMs } = report;
    checkNumber(rows, 'rows', { min: 1, max: MAX_BATCH_SIZE, integer: true });
    checkNumber(startMs, 'startMs', { min: -1e15, max: 1e15 });
    checkNumber(endMs, 'endMs', { min: startMs, max: 1e15 });
    const { batchSize, concurrency } = report.setting ?? this.#guard.setting;
    const sample: BatchSample = {
      ...{ batchSize, concurrency, rows, startMs, endMs },
      bytes: report.bytes ?? rows * this.#bytesPerRow,
      inFlight: report.inFlight ?? concurrency,
      outcome: report.outcome ?? 'ok',
      ...(report.limits ? { limits: report.limits } : {}),
      ...(report.remainingRows === undefined ? {} : { remainingRows: report.remainingRows }),
    };
    this.#guard.observe(sample);
    return this.#guard.setting;
  }
}
