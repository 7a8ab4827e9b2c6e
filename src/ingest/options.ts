import { POLICY_NAMES, type PolicyName } from '../control/policies.js';
import { checkNumber, checkOneOf } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY } from '../core/limits.js';
import { type Logger, silentLogger } from '../core/logger.js';
import { type BatchExecutionRecord, METRICS, type Metric, type Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import type { Progress } from './progress.js';

export type { PolicyName };

/** How to load; everything may be left out. */
export interface IngestOptions {
  /** How the database will compare the vectors. Default `cosine`. */
  metric?: Metric;
  /** Memory for everything in flight and read ahead, bytes, whatever the size of the source. Default 512e6. */
  memoryBudgetBytes?: number;
  /** Sends with this setting throughout instead of looking for the best one. */
  fixed?: Setting;
  /** Who chooses the setting: `model-guided`, `gradient`, `aimd`, `dqn`, or `fixed` where `fixed` is given. Default `model-guided`. */
  policy?: PolicyName;
  /** What is known of the database's cost beforehand: where the policy begins. Default: the database's profile, if it has one. */
  prior?: CostModel;
  /** Called about once a second at least while it sends, at most about ten times a second, and once at the end. */
  onProgress?: (progress: Progress) => void;
  /** Called with an execution record, but for the time of day, for every stretch of one setting and every size that was refused. */
  onRecord?: (record: BatchExecutionRecord) => void;
  /** Stops the load: nothing more is read, the batches in flight are finished, and it rejects with VBO_ERR_ABORTED. */
  signal?: AbortSignal;
  /** Path of an NDJSON file for the rejected records. It is created with the first of them, for one load at a time. */
  deadLetters?: string;
  /**
   * Path of a journal of what is settled, for {@link IngestOptions.resume}. It is kept at the end, as proof. A
   * second load that would write it meanwhile is refused with VBO_ERR_IN_USE. Without one a load that was cut short can only be started again.
   */
  ledger?: string;
  /**
   * Goes on with the load that `ledger` was written for, after a crash, an abort or a failure: no record is lost,
   * none stored twice. If there is no ledger yet the load begins at the start, unless that could store records
   * twice (VBO_ERR_RESUME); if it is complete nothing is sent. Default false: an unfinished ledger is then refused
   * with VBO_ERR_LEDGER_EXISTS, unless it has settled nothing.
   */
  resume?: boolean;
  /**
   * The id of the first record of a source without ids; the others count on from there. Default 0, but only for a
   * collection that is empty: one that holds records is refused with VBO_ERR_ID_OFFSET unless it is said that these are
   * numbered from beyond its ids, or from 0 over them.
   */
  idOffset?: number;
  /** Attempts for a batch that fails in passing, 1..100. Default 5; a sink that cannot be reached is tried for two minutes anyway. */
  maxAttempts?: number;
  /** Most requests in flight, 1..1024. Default: what the sink says, else 16. */
  maxConcurrency?: number;
  /** Seed of the retry jitter. Default 1. */
  seed?: number;
  clock?: Clock;
  logger?: Logger;
}

type Optional =
  | 'fixed'
  | 'prior'
  | 'onProgress'
  | 'onRecord'
  | 'signal'
  | 'deadLetters'
  | 'ledger'
  | 'idOffset'
  | 'maxConcurrency';
export type ResolvedIngestOptions = Required<Omit<IngestOptions, Optional>> & Pick<IngestOptions, Optional>;

const DEFAULT_MEMORY_BYTES = 512e6;
const DEFAULT_ATTEMPTS = 5;

/** @throws VBO_ERR_ARGUMENT */
export function resolveIngestOptions(options: IngestOptions): ResolvedIngestOptions {
  const policy = checkOneOf(
    options.policy ?? (options.fixed ? 'fixed' : 'model-guided'),
    'policy',
    POLICY_NAMES,
  );
  if ((policy === 'fixed') !== (options.fixed !== undefined)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `policy is ${policy}, fixed is ${options.fixed ? 'given' : 'missing'}; a fixed setting and the policy "fixed" go together.`,
    );
  }
  if (options.fixed) {
    checkNumber(options.fixed.batchSize, 'fixed.batchSize', { min: 1, max: MAX_BATCH_SIZE, integer: true });
    checkNumber(options.fixed.concurrency, 'fixed.concurrency', {
      min: 1,
      max: MAX_CONCURRENCY,
      integer: true,
    });
  }
  if (options.maxConcurrency !== undefined) {
    checkNumber(options.maxConcurrency, 'maxConcurrency', { min: 1, max: MAX_CONCURRENCY, integer: true });
  }
  if (options.idOffset !== undefined) {
    checkNumber(options.idOffset, 'idOffset', { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
  }
  if (options.resume && options.ledger === undefined) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      'resume is true, ledger is missing; nothing says where to go on.',
    );
  }
  return {
    ...options,
    policy,
    resume: options.resume ?? false,
    metric: checkOneOf(options.metric ?? 'cosine', 'metric', METRICS),
    memoryBudgetBytes: checkNumber(options.memoryBudgetBytes ?? DEFAULT_MEMORY_BYTES, 'memoryBudgetBytes', {
      min: 1e6,
      max: 1e15,
    }),
    maxAttempts: checkNumber(options.maxAttempts ?? DEFAULT_ATTEMPTS, 'maxAttempts', {
      min: 1,
      max: 100,
      integer: true,
    }),
    seed: options.seed ?? 1,
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger,
  };
}
