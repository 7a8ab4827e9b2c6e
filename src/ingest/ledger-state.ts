import type { ErrorCode } from '../core/errors.js';
import { type Range, RangeSet } from './range-set.js';

/** Raised whenever a ledger of before cannot be read any more. */
export const LEDGER_VERSION = 1;

/** The first record of a ledger: which load it is of. */
export interface LedgerHeader {
  readonly ledger: 'vector-batch-optimizer';
  readonly version: number;
  readonly source: {
    readonly name: string;
    readonly dimension: number;
    readonly count: number | null;
    readonly fingerprint: string | null;
  };
  /** The sink's URL without secrets. */
  readonly sink: string;
  /** What the sink was opened with; `hasIds` says whether the source has ids of its own. */
  readonly shape: {
    readonly idType: 'string' | 'number';
    readonly hasIds: boolean;
    readonly hasPayloads: boolean;
  };
  /** The id of the first record where the source has none, if it is not 0. */
  readonly idOffset?: number;
  /** Records the sink held before the load; null where it cannot tell. */
  readonly storedBefore: number | null;
}

/** What later records say; each holds what was settled since the one before. */
export interface LedgerEntry {
  /** Positions below this may have been sent. Written before they are. */
  readonly sent?: number;
  /** Positions the sink has acknowledged. */
  readonly stored?: readonly Range[];
  /** Positions in the dead letters. Written after they are there. */
  readonly rejected?: Readonly<Partial<Record<ErrorCode, readonly Range[]>>>;
  /** Where the dead letters are and how long they were when the rejected positions were written down. */
  readonly letters?: DeadLetterMark;
  /** From here on ids were not looked at for earlier ones like them: records may have replaced each other. */
  readonly unchecked?: true;
  /** Every record is settled and the sink's count was right. */
  readonly complete?: true;
}

export interface DeadLetterMark {
  readonly path: string;
  readonly byteLength: number;
}

/** All that a ledger knows of a load: the sum of its records. */
export class LedgerState {
  readonly header: LedgerHeader;
  readonly stored = new RangeSet();
  readonly rejected = new RangeSet();
  /** Stored or rejected. */
  readonly settled = new RangeSet();
  readonly rejectedByCode: Partial<Record<ErrorCode, RangeSet>> = {};
  sent = 0;
  letters: DeadLetterMark | undefined;
  isUnchecked = false;
  isComplete = false;

  constructor(header: LedgerHeader, entries: Iterable<LedgerEntry> = []) {
    this.header = header;
    for (const entry of entries) this.apply(entry);
  }

  /** Nothing was sent and nothing refused: there is nothing to resume. */
  get isBlank(): boolean {
    return this.sent === 0 && this.settled.size === 0;
  }

  /** Records that may have been stored although nobody wrote it down. */
  get inDoubt(): number {
    return this.sent - this.settled.countBelow(this.sent);
  }

  apply(entry: LedgerEntry): void {
    this.sent = Math.max(this.sent, entry.sent ?? 0);
    for (const [from, to] of entry.stored ?? []) {
      this.stored.add(from, to);
      this.settled.add(from, to);
    }
    for (const [code, ranges] of Object.entries(entry.rejected ?? {}) as [ErrorCode, Range[]][]) {
      for (const [from, to] of ranges) {
        this.settled.add(from, to);
        this.rejected.add(from, to);
        this.rejectedByCode[code] ??= new RangeSet();
        this.rejectedByCode[code].add(from, to);
      }
    }
    this.letters = entry.letters ?? this.letters;
    this.isUnchecked ||= entry.unchecked === true;
    this.isComplete ||= entry.complete === true;
  }

  /** The whole state in one entry. */
  toEntry(): LedgerEntry {
    const codes = Object.entries(this.rejectedByCode) as [ErrorCode, RangeSet][];
    return {
      sent: this.sent,
      stored: this.stored.ranges,
      ...(codes.length > 0
        ? { rejected: Object.fromEntries(codes.map(([code, set]) => [code, set.ranges])) }
        : {}),
      ...(this.letters ? { letters: this.letters } : {}),
      ...(this.isUnchecked ? { unchecked: true } : {}),
      ...(this.isComplete ? { complete: true } : {}),
    };
  }
}
