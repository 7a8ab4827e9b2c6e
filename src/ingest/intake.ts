import { VectorBatchError } from '../core/errors.js';
import type { Metric } from '../core/types.js';
import { firstNonFiniteRow } from '../kernels/check.js';
import type { Kernels } from '../kernels/kernels.js';
import { matrixAt } from '../kernels/matrix.js';
import { callTask } from '../kernels/task.js';
import { DuplicateFilter } from './duplicates.js';
import type { LedgerState } from './ledger-state.js';
import type { Id, RejectedRecord, Source, SourceChunk } from './ports.js';
import type { IncomingRows } from './read-ahead.js';

export interface IntakeOptions {
  readonly kernels: Kernels;
  readonly source: Source;
  readonly metric: Metric;
  readonly idType: 'string' | 'number';
  /** The id of the record at position 0, where the source has none. */
  readonly idOffset: number;
  /** What earlier runs of a resumed load have settled. */
  readonly past: LedgerState | undefined;
  /** Memory for remembering ids. */
  readonly duplicatesBytes: number;
}

/** Looks at every record once, on its way in: what is refused here never reaches the sink. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #duplicates: DuplicateFilter;
  #rejected: RejectedRecord[] = [];
  #zeroVectors = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#duplicates = new DuplicateFilter(options.duplicatesBytes);
  }

  /** Records refused since the last call. */
  takeRejected(): RejectedRecord[] {
    const rejected = this.#rejected;
    this.#rejected = [];
    return rejected;
  }

  /** The ids of the records from now on are not looked at for earlier ones like them. */
  get isUnchecked(): boolean {
    return this.#duplicates.full;
  }

  /** What the report should mention although nothing was refused for it. */
  warnings(): string[] {
    const warnings: string[] = [];
    if (this.#zeroVectors > 0) {
      warnings.push(
        `${this.#zeroVectors} zero vectors were loaded; they have no direction, so cosine search cannot rank them (VBO_ERR_ZERO_VECTOR).`,
      );
    }
    if (this.isUnchecked) {
      warnings.push(
        `Duplicate ids were looked for among the first records only: the ids after them do not fit the memory budget.`,
      );
    }
    return warnings;
  }

  /**
   * The rows of a chunk that are to be sent: in one piece, but for those that an earlier run has settled. What
   * the source itself rejected is set aside.
   * @throws VBO_ERR_DIMENSION if the chunk is not rows x dimension
   */
  rowsOf(chunk: SourceChunk): IncomingRows[] {
    const { source, past } = this.#options;
    const { dimension, name } = source;
    const { vectors, ids, payloads, positions, rejected } = chunk;
    const count = vectors.length / dimension;
    if (
      !Number.isInteger(count) ||
      (ids && ids.length !== count) ||
      (payloads && payloads.length !== count)
    ) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${name} gave ${vectors.length} values, ${ids?.length ?? 'no'} ids and ${payloads?.length ?? 'no'} payloads; expected rows of ${dimension} values, each with its id and payload.`,
      );
    }
    for (const record of rejected ?? []) {
      if (!past?.settled.has(record.position)) this.#rejected.push(record);
    }
    const position =
      'first' in positions ? (row: number) => positions.first + row : (row: number) => positions[row]!;
    const incoming = { count, vectors, ids: ids && this.#alignIds(ids), payloads, position };
    return past ? this.#unsettled(incoming, past) : [incoming];
  }

  /** The runs of rows that are not settled. The ids of those that are stored are remembered: one of the same id is a duplicate. */
  #unsettled(incoming: IncomingRows, past: LedgerState): IncomingRows[] {
    const { count, position } = incoming;
    const runs: IncomingRows[] = [];
    let start = 0;
    for (let row = 0; row <= count; row++) {
      if (row < count && !past.settled.has(position(row))) continue;
      if (row > start) runs.push(sliceRows(incoming, start, row, this.#options.source.dimension));
      if (row < count && incoming.ids && past.stored.has(position(row))) {
        this.#duplicates.add(incoming.ids[row]!);
      }
      start = row + 1;
    }
    return runs;
  }

  /** See `ReadAheadOptions.inspect`. */
  readonly inspect = (pointer: number, rows: number, incoming: IncomingRows, from: number): number[] => {
    const unfit = new Set(this.#nonFinite(pointer, rows, incoming, from));
    if (incoming.ids) {
      for (let row = 0; row < rows; row++) {
        const reason = unfit.has(row) ? undefined : this.#refuseId(incoming.ids[from + row]!);
        if (!reason) continue;
        unfit.add(row);
        this.#reject(incoming, from + row, reason.code, reason.message);
      }
    }
    if (this.#options.metric === 'cosine') this.#countZeros(incoming, from, rows);
    return [...unfit].sort((a, b) => a - b);
  };

  #nonFinite(pointer: number, rows: number, incoming: IncomingRows, from: number): number[] {
    const { kernels, source } = this.#options;
    const { dimension } = source;
    const found: number[] = [];
    for (let start = 0; start < rows; ) {
      const rest = matrixAt('float32', { pointer }, start * dimension * 4, rows - start, dimension);
      const index = callTask(kernels, firstNonFiniteRow(rest));
      if (index < 0) break;
      const row = start + index;
      const vector = incoming.vectors.subarray((from + row) * dimension, (from + row + 1) * dimension);
      const component = vector.findIndex((value) => !Number.isFinite(value));
      const message = `Component ${component} is ${vector[component]}; expected finite numbers.`;
      this.#reject(incoming, from + row, 'VBO_ERR_NOT_FINITE', message);
      found.push(row);
      start = row + 1;
    }
    return found;
  }

  #refuseId(id: Id): Pick<RejectedRecord, 'code' | 'message'> | undefined {
    if (typeof id !== this.#options.idType) {
      return {
        code: 'VBO_ERR_RECORD',
        message: `The id ${JSON.stringify(id)} is a ${typeof id}; the ids before it are numbers.`,
      };
    }
    if (this.#duplicates.add(id)) return undefined;
    return {
      code: 'VBO_ERR_DUPLICATE_ID',
      message: `The id ${JSON.stringify(id)} occurred before; the first record is kept.`,
    };
  }

  #reject(incoming: IncomingRows, row: number, code: RejectedRecord['code'], message: string): void {
    const { idOffset, source } = this.#options;
    const { dimension } = source;
    const position = incoming.position(row);
    this.#rejected.push({
      position,
      id: incoming.ids?.[row] ?? position + idOffset,
      code,
      message,
      vector: Array.from(incoming.vectors.subarray(row * dimension, (row + 1) * dimension)),
      ...(incoming.payloads ? { payload: incoming.payloads[row] ?? null } : {}),
    });
  }

  #countZeros({ vectors }: IncomingRows, from: number, rows: number): void {
    const { dimension } = this.#options.source;
    for (let row = from; row < from + rows; row++) {
      const start = row * dimension;
      if (vectors[start] !== 0) continue;
      let column = 1;
      while (column < dimension && vectors[start + column] === 0) column++;
      if (column === dimension) this.#zeroVectors++;
    }
  }

  /** Where ids are text, numbers among them become text; a text among numbers is refused later, one by one. */
  #alignIds(ids: readonly Id[]): readonly Id[] {
    if (this.#options.idType === 'number' || ids.every((id) => typeof id === 'string')) return ids;
    return ids.map(String);
  }
}

function sliceRows(incoming: IncomingRows, from: number, to: number, dimension: number): IncomingRows {
  return {
    count: to - from,
    vectors: incoming.vectors.subarray(from * dimension, to * dimension),
    ids: incoming.ids?.slice(from, to),
    payloads: incoming.payloads?.slice(from, to),
    position: (row) => incoming.position(from + row),
  };
}
