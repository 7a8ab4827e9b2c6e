import type { WallClock } from '../core/clock.js';
import { toVectorBatchError, type VectorBatchError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { checkRecord } from '../model/records.js';
import type { History } from './history.js';

/** What is kept for a history that is locked; then the newest are lost. */
const MOST_PENDING = 10_000;

/**
 * Notes execution records in a history beside other work: taking one costs microseconds, and whatever is wrong with the
 * file is a warning to the logger, never an error.
 */
export class Recorder {
  readonly #history: History;
  readonly #clock: WallClock;
  readonly #logger: Logger;
  #pending: BatchExecutionRecord[] = [];
  #writing: Promise<void> | undefined;
  #failure: VectorBatchError | undefined;

  constructor(history: History, { clock, logger }: { clock: WallClock; logger: Logger }) {
    this.#history = history;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The record gets the present as its time. One that cannot be kept is left out, so that it keeps no other from the file. */
  record(record: BatchExecutionRecord): void {
    if (this.#history.isReadOnly || this.#pending.length >= MOST_PENDING) return;
    try {
      this.#pending.push({ ...checkRecord(record, 'record'), ts: this.#clock.unixMs() });
    } catch (error) {
      this.#logger.warn(
        { path: this.#history.path },
        `A measurement is not recorded: ${(error as Error).message}`,
      );
      return;
    }
    // After a failure the next flush tries again; a load does not wait for a lock over and over.
    if (!this.#failure) this.#write();
  }

  /** Waits until all is written, or cannot be; then why. */
  async flush(): Promise<VectorBatchError | undefined> {
    await this.#writing;
    this.#failure = undefined;
    this.#write();
    await this.#writing;
    return this.#failure;
  }

  #write(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const records = this.#pending;
      this.#pending = [];
      try {
        await this.#history.append(records);
      } catch (error) {
        this.#pending = [...records, ...this.#pending].slice(0, MOST_PENDING);
        this.#failure = toVectorBatchError(error, 'VBO_ERR_HISTORY', this.#history.path);
        this.#logger.warn(
          { path: this.#history.path, records: this.#pending.length },
          `What was measured is not recorded: ${this.#failure.message}`,
        );
        return;
      }
    }
  }
}
