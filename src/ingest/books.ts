import type { Clock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import type { DeadLetters } from './dead-letters.js';
import { Ledger } from './ledger.js';
import type { LedgerState } from './ledger-state.js';
import type { RejectedRecord, Written } from './ports.js';
import { rangesOf } from './range-set.js';
import type { Rows } from './rows.js';
import type { Tally } from './tally.js';

/**
 * Too many rejections stop the load: more than this share of the records met, by the intake of those read and by
 * the sink of those answered for, and at least so many.
 */
const ERROR_BUDGET = 0.1;
const FEWEST_ERRORS = 100;

/**
 * Writes down what became of every record: in the tally, in the dead letters, and in the ledger if there is one.
 * With a ledger nothing is tallied as acknowledged before it is on the disk that it is.
 */
export class Books {
  readonly #tally: Tally;
  readonly #letters: DeadLetters;
  /** Called with what ends the load: a ledger or dead letters that cannot be written, the error budget. */
  readonly #fail: (error: VectorBatchError) => void;
  #ledger: Ledger | undefined;
  /** Positions below this were sent by an earlier run, as far as they are not settled. */
  #sentBefore = 0;
  /** What the sink has answered for in this run, on the disk or not. */
  #accepted = 0;
  #refused = 0;

  constructor(tally: Tally, letters: DeadLetters, fail: (error: VectorBatchError) => void) {
    this.#tally = tally;
    this.#letters = letters;
    this.#fail = fail;
  }

  /**
   * Begins or goes on with a ledger.
   * @throws VBO_ERR_LEDGER_WRITE; VBO_ERR_FILE_NOT_FOUND if the dead letters cannot be read
   */
  async open(path: string, state: LedgerState, clock: Clock): Promise<void> {
    for (const { position, code } of await this.#letters.resume(state.letters)) {
      if (!state.settled.has(position)) state.apply({ rejected: { [code]: [[position, position + 1]] } });
    }
    this.#sentBefore = state.sent;
    this.#ledger = await Ledger.open(path, state, { clock, syncLetters: () => this.#letters.sync() });
  }

  /**
   * Resolves when the rows may be sent.
   * @param isUnchecked their ids may have occurred before
   * @throws VBO_ERR_LEDGER_WRITE
   */
  async announce(rows: Rows, isUnchecked: boolean): Promise<void> {
    if (isUnchecked) this.#ledger?.noteUnchecked();
    const { positions } = rows.columns;
    rows.mayBeStored ||= positions[0]! < this.#sentBefore;
    await this.#ledger?.reserve(positions.at(-1)! + 1);
  }

  async acknowledge(rows: Rows, { bytesSent, rejected = [] }: Written): Promise<void> {
    const { ids, positions, payloads } = rows.columns;
    this.#tally.bytesSent += bytesSent;
    const refused = new Set(rejected.map(({ index }) => index));
    const accepted = rows.count - refused.size;
    this.#accepted += accepted;
    if (this.#ledger) {
      const stored = refused.size === 0 ? positions : positions.filter((_, index) => !refused.has(index));
      this.#ledger.stored(rangesOf(stored)).then(() => {
        this.#tally.acknowledged += accepted;
      }, this.#fail);
    } else {
      this.#tally.acknowledged += accepted;
    }
    for (const { index, code, message } of rejected) {
      this.#refused++;
      await this.reject({
        ...{ position: positions[index]!, id: ids[index]!, code, message, vector: rows.vector(index) },
        ...(payloads ? { payload: payloads[index] ?? null } : {}),
      });
    }
  }

  async reject(record: RejectedRecord): Promise<void> {
    this.#tally.reject(record.code);
    try {
      await this.#letters.add(record);
    } catch (error) {
      this.#fail(toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', 'Dead letters'));
      return;
    }
    this.#ledger?.rejected(record.position, record.code).catch(this.#fail);
    this.#checkBudget(record);
  }

  /**
   * Resolves when everything is on the disk, and so in the tally.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  async flush(): Promise<void> {
    await this.#ledger?.flush();
  }

  /** Every record is settled. */
  async complete(): Promise<void> {
    await this.#ledger?.complete();
  }

  /** Brings both files to their end, whatever becomes of the other. */
  async close(): Promise<void> {
    const closing = [
      async () => this.#ledger?.flush(),
      async () => this.#ledger?.close(),
      () => this.#letters.close(),
    ];
    for (const close of closing) {
      await close().catch((error) =>
        this.#fail(toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', 'Dead letters')),
      );
    }
  }

  #checkBudget({ code, message }: RejectedRecord): void {
    const { rejected, items, rejectedByCode } = this.#tally;
    const bySink = this.#refused;
    const answered = this.#accepted + bySink;
    const isTooMany = rejected - bySink > ERROR_BUDGET * items || bySink > ERROR_BUDGET * answered;
    if (rejected < FEWEST_ERRORS || !isTooMany) return;
    this.#fail(
      new VectorBatchError(
        'VBO_ERR_ERROR_BUDGET',
        `${formatCount(rejected)} of ${formatCount(items)} records were rejected, most lately with ${code}: ${message}`,
        { details: { rejected, items, rejectedByCode } },
      ),
    );
  }
}
