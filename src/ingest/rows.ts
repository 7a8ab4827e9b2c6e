import type { Batch, Id, Payload, WriteOutcome } from './ports.js';

interface RowColumns {
  readonly ids: readonly Id[];
  readonly positions: Float64Array;
  readonly payloads: readonly (Payload | null)[] | undefined;
  /** rows x dimension, row-major, contiguous. */
  readonly vectors: Float32Array;
  /** Bytes of the rows in a request body, as the sink counts them. */
  readonly bytes: number;
}

/** The memory that rows lie in, with a count of those who still need it. */
export class Hold {
  #holders = 1;
  readonly #free: () => void;

  /** @param free gives the memory back; called once */
  constructor(free: () => void) {
    this.#free = free;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#free();
  }
}

/**
 * Rows on their way to the sink: a view of the memory they were read into. An attempt that timed out but
 * still runs holds the memory too, so that it never sees the rows of others.
 */
export class Rows {
  readonly columns: RowColumns;
  readonly hold: Hold;
  /** See `Batch.mayBeStored`. */
  mayBeStored: boolean;
  /** The last attempt to write them, which may still run although it was given up. */
  writing: Promise<WriteOutcome | undefined> | undefined;

  constructor(columns: RowColumns, hold: Hold, mayBeStored = false) {
    this.columns = columns;
    this.hold = hold;
    this.mayBeStored = mayBeStored;
  }

  get count(): number {
    return this.columns.ids.length;
  }

  get bytes(): number {
    return this.columns.bytes;
  }

  batch(sequence: number): Batch {
    const { ids, payloads, vectors } = this.columns;
    const dimension = vectors.length / ids.length;
    return {
      ...{ sequence, rows: ids.length, dimension, ids, vectors },
      ...(payloads ? { payloads } : {}),
      ...(this.mayBeStored ? { mayBeStored: true } : {}),
    };
  }

  vector(index: number): number[] {
    const dimension = this.columns.vectors.length / this.count;
    return Array.from(this.columns.vectors.subarray(index * dimension, (index + 1) * dimension));
  }

  /** The first and the second half, in the same memory. */
  halves(): [Rows, Rows] {
    const middle = Math.ceil(this.count / 2);
    return [this.#slice(0, middle), this.#slice(middle, this.count)];
  }

  #slice(from: number, to: number): Rows {
    const { ids, positions, payloads, vectors, bytes } = this.columns;
    const dimension = vectors.length / ids.length;
    return new Rows(
      {
        ids: ids.slice(from, to),
        positions: positions.subarray(from, to),
        payloads: payloads?.slice(from, to),
        vectors: vectors.subarray(from * dimension, to * dimension),
        bytes: (bytes * (to - from)) / ids.length,
      },
      this.hold,
      this.mayBeStored,
    );
  }
}
