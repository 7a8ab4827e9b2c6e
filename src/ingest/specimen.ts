import { VectorBatchError } from '../core/errors.js';
import type { Batch, Payload, Source } from './ports.js';
import { clusteredVectors } from './synthetic.js';

/** Synthetic vectors are drawn so many at most; larger batches hold them again under other ids. */
const MOST_DRAWN = 4096;

/**
 * The vectors that trials are made with: enough for one batch of the largest size, used over and over under ids that
 * never repeat.
 */
export class Specimen {
  readonly dimension: number;
  readonly hasPayloads: boolean;
  readonly #vectors: Float32Array;
  readonly #payloads: readonly (Payload | null)[] | undefined;
  readonly #rows: number;
  #nextId = 0;
  #sequence = 0;

  private constructor(vectors: Float32Array, dimension: number, payloads?: readonly (Payload | null)[]) {
    this.dimension = dimension;
    this.#vectors = vectors;
    this.#rows = vectors.length / dimension;
    this.#payloads = payloads;
    this.hasPayloads = payloads !== undefined;
  }

  /** Clustered unit vectors (see {@link clusteredVectors}), room for batches of `rows`. */
  static synthetic(rows: number, dimension: number, seed: number): Specimen {
    return Specimen.#repeat(
      clusteredVectors(Math.min(rows, MOST_DRAWN), dimension, seed),
      rows,
      dimension,
      undefined,
    );
  }

  /**
   * The first rows of a source, again and again if it has fewer than `rows`.
   * @throws VBO_ERR_DIMENSION if it has another dimension, VBO_ERR_ARGUMENT if it has no readable row
   */
  static async of(source: Source, rows: number, dimension: number): Promise<Specimen> {
    if (source.dimension !== dimension) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${source.name} has dimension ${source.dimension}; expected ${dimension}.`,
      );
    }
    const taken: Float32Array[] = [];
    const payloads: (Payload | null)[] = [];
    let hasPayloads = false;
    let count = 0;
    for await (const chunk of source) {
      const missing = rows - count;
      const vectors = chunk.vectors.slice(0, missing * dimension);
      taken.push(vectors);
      hasPayloads ||= chunk.payloads !== undefined;
      for (let row = 0; row < vectors.length / dimension; row++) payloads.push(chunk.payloads?.[row] ?? null);
      count += vectors.length / dimension;
      if (count >= rows) break;
    }
    if (count === 0)
      throw new VectorBatchError('VBO_ERR_ARGUMENT', `${source.name} holds no readable vectors.`);
    const all = new Float32Array(count * dimension);
    let offset = 0;
    for (const vectors of taken) {
      all.set(vectors, offset);
      offset += vectors.length;
    }
    return Specimen.#repeat(all, rows, dimension, hasPayloads ? payloads : undefined);
  }

  static #repeat(
    some: Float32Array,
    rows: number,
    dimension: number,
    payloads: readonly (Payload | null)[] | undefined,
  ): Specimen {
    const all = new Float32Array(rows * dimension);
    for (let offset = 0; offset < all.length; offset += some.length) {
      all.set(some.subarray(0, Math.min(some.length, all.length - offset)), offset);
    }
    const count = some.length / dimension;
    return new Specimen(
      all,
      dimension,
      payloads && Array.from({ length: rows }, (_, i) => payloads[i % count]!),
    );
  }

  /** The next batch of so many rows. */
  batch(rows: number): Batch {
    const { dimension } = this;
    const first = (this.#sequence * rows) % (this.#rows - rows + 1);
    const ids = Array.from({ length: rows }, (_, row) => this.#nextId + row);
    this.#nextId += rows;
    return {
      ...{ sequence: this.#sequence++, rows, dimension, ids },
      vectors: this.#vectors.subarray(first * dimension, (first + rows) * dimension),
      ...(this.#payloads ? { payloads: this.#payloads.slice(first, first + rows) } : {}),
    };
  }
}
