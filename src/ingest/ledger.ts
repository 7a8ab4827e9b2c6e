import { rm } from 'node:fs/promises';
import type { Clock } from '../core/clock.js';
import type { ErrorCode } from '../core/errors.js';
import { FileLock } from './file-lock.js';
import { Journal } from './journal.js';
import {
  type DeadLetterMark,
  LEDGER_VERSION,
  type LedgerEntry,
  type LedgerHeader,
  LedgerState,
} from './ledger-state.js';
import { type Range, RangeSet } from './range-set.js';

/** Commits are at least this far apart: a sync costs the disk more than a record does. */
const COMMIT_INTERVAL_MS = 100;
/** Positions are declared as about to be sent so many at a time: as many may be in doubt after a crash. */
const RESERVE_POSITIONS = 65_536;

export interface LedgerOptions {
  readonly clock: Clock;
  /** Has the dead letters reach the disk and says how long they are: they are written before the ledger says so. */
  readonly syncLetters: () => Promise<DeadLetterMark | undefined>;
}

/**
 * What a load has settled, on the disk: a {@link Journal} that starts with a {@link LedgerHeader} and goes on
 * with {@link LedgerEntry}s. Two rules make it exact:
 *
 * - a position is counted as stored only when the entry that says so is synced, and
 * - a position is sent only when an entry that says it may have been is synced.
 *
 * So after a crash every position is either settled, or never sent, or one of the few in between, which are
 * sent again as replacements. Entries are gathered for up to 100 ms and written with one sync (group commit).
 */
export class Ledger {
  readonly #journal: Journal;
  readonly #options: LedgerOptions;
  #pending = new Pending();
  /** The commit that will take what is pending; undefined while nothing is. */
  #upcoming: Promise<void> | undefined;
  /** The last commit begun. It never rejects: whoever waits for a commit has its promise from `#enlist`. */
  #last: Promise<void> = Promise.resolve();
  #lastCommitMs = Number.NEGATIVE_INFINITY;
  #hurry = new AbortController();
  #isFailed: { readonly error: unknown } | undefined;
  /** Positions below this are declared, or will be by `#reservation`. */
  #declared: number;
  #synced: number;
  #reservation: Promise<void> = Promise.resolve();
  #isUnchecked: boolean;

  private constructor(journal: Journal, { sent, isUnchecked }: LedgerState, options: LedgerOptions) {
    this.#journal = journal;
    this.#options = options;
    this.#declared = this.#synced = sent;
    this.#isUnchecked = isUnchecked;
  }

  /**
   * What the ledger at `path` knows; undefined if there is none.
   * @throws VBO_ERR_LEDGER_DAMAGED, VBO_ERR_FILE_NOT_FOUND
   */
  static async read(path: string): Promise<LedgerState | undefined> {
    const records = await Journal.read(path);
    if (!records) return undefined;
    const [header, ...entries] = records;
    // What a later version wrote is not looked into.
    const isKnown = (header as LedgerHeader).version === LEDGER_VERSION;
    return new LedgerState(header as LedgerHeader, isKnown ? (entries as LedgerEntry[]) : []);
  }

  /**
   * Writes a ledger that says what `state` says, in the place of the one that was there.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  static async open(path: string, state: LedgerState, options: LedgerOptions): Promise<Ledger> {
    const journal = await Journal.create(
      path,
      state.isBlank ? [state.header] : [state.header, state.toEntry()],
    );
    return new Ledger(journal, state, options);
  }

  /** Removes the ledger of a load that is complete, unless another load has it by now. */
  static async removeComplete(path: string): Promise<void> {
    let lock: FileLock;
    try {
      lock = FileLock.take(path);
    } catch {
      return;
    }
    try {
      if ((await Ledger.read(path))?.isComplete) await rm(path, { force: true });
    } finally {
      lock.release();
    }
  }

  get path(): string {
    return this.#journal.path;
  }

  /**
   * Resolves when positions below `end` may be sent. Declares ahead of need, so that it rarely waits.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  async reserve(end: number): Promise<void> {
    if (end + RESERVE_POSITIONS / 2 > this.#declared) {
      const declared = end + RESERVE_POSITIONS;
      this.#declared = declared;
      this.#pending.sent = declared;
      this.#reservation = this.#enlist().then(() => {
        this.#synced = Math.max(this.#synced, declared);
      });
      // Nobody may be waiting for it yet.
      this.#reservation.catch(() => {});
      this.#hurry.abort();
    }
    if (end > this.#synced) await this.#reservation;
  }

  /** Ids are not looked at any more for earlier ones like them; the disk knows no later than that the next are stored. */
  noteUnchecked(): void {
    if (this.#isUnchecked) return;
    this.#isUnchecked = this.#pending.unchecked = true;
  }

  /**
   * Resolves when it is on the disk that these positions are stored.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  stored(ranges: readonly Range[]): Promise<void> {
    for (const [from, to] of ranges) this.#pending.stored.add(from, to);
    return this.#enlist();
  }

  /**
   * Resolves when the dead letters and the ledger have it on the disk that this position was refused.
   * @throws VBO_ERR_LEDGER_WRITE, and what syncing the dead letters throws
   */
  rejected(position: number, code: ErrorCode): Promise<void> {
    this.#pending.reject(position, code);
    return this.#enlist();
  }

  /**
   * Resolves when everything is on the disk.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  async flush(): Promise<void> {
    while (this.#upcoming) {
      this.#hurry.abort();
      await this.#upcoming;
    }
    await this.#last;
    if (this.#isFailed) throw this.#isFailed.error;
  }

  /**
   * The load is complete.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  async complete(): Promise<void> {
    this.#pending.complete = true;
    void this.#enlist().catch(() => {});
    await this.flush();
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  /** The promise of the commit that takes what is pending now. */
  #enlist(): Promise<void> {
    if (!this.#upcoming) {
      const commit = this.#commit(this.#last);
      this.#upcoming = commit;
      this.#last = commit.catch(() => {});
    }
    return this.#upcoming;
  }

  async #commit(previous: Promise<void>): Promise<void> {
    const { clock, syncLetters } = this.#options;
    await previous;
    const waitMs = this.#lastCommitMs + COMMIT_INTERVAL_MS - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, this.#hurry.signal).catch(() => {});
    this.#lastCommitMs = clock.now();
    this.#hurry = new AbortController();
    this.#upcoming = undefined;
    const pending = this.#pending;
    this.#pending = new Pending();
    if (this.#isFailed) throw this.#isFailed.error;
    try {
      const letters = pending.hasRejected ? await syncLetters() : undefined;
      await this.#journal.append(pending.toEntry(letters));
    } catch (error) {
      this.#isFailed = { error };
      throw error;
    }
  }
}

/** What the next commit will say. */
class Pending {
  sent: number | undefined;
  readonly stored = new RangeSet();
  readonly #rejected: Partial<Record<ErrorCode, RangeSet>> = {};
  unchecked = false;
  complete = false;

  get hasRejected(): boolean {
    return Object.keys(this.#rejected).length > 0;
  }

  reject(position: number, code: ErrorCode): void {
    this.#rejected[code] ??= new RangeSet();
    this.#rejected[code].add(position, position + 1);
  }

  toEntry(letters: DeadLetterMark | undefined): LedgerEntry {
    const rejected = Object.entries(this.#rejected).map(([code, set]) => [code, set.ranges]);
    return {
      ...(this.sent === undefined ? {} : { sent: this.sent }),
      ...(this.stored.size > 0 ? { stored: this.stored.ranges } : {}),
      ...(rejected.length > 0 ? { rejected: Object.fromEntries(rejected) } : {}),
      ...(letters ? { letters } : {}),
      ...(this.unchecked ? { unchecked: true } : {}),
      ...(this.complete ? { complete: true } : {}),
    };
  }
}
