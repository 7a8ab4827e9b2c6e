import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { isUniqueViolation, messageOf, pgError, pgOutcome } from './pgvector-outcome.js';
import { RowWriter } from './pgvector-rows.js';
import { openTable, type PgEngine, type PgTable, type VectorType } from './pgvector-table.js';

/** A value is at most 1 GiB; well below, since drivers and server copy a request several times. */
const MAX_BYTES = 64 * 2 ** 20;
/** What stands before a row's elements: field count, lengths, dimension and the id. */
const NUMBER_ID_ROW_BYTES = 24;
const TEXT_ID_ROW_BYTES = 52;

export interface PgVectorSinkOptions {
  /** The sink's URL without secrets. */
  name: string;
  /** Key of the profile. */
  database: 'pgvector' | 'pglite';
  /** Table, or schema and table with a period between them. */
  table: string;
  /** Of the vector column, should the table be created. `halfvec` rounds to float16 and takes half the space. */
  type: VectorType;
  /** Whether the connection can pass a COPY on. Default true. */
  copies?: boolean;
}

/**
 * A table with a pgvector column: `id bigint | text PRIMARY KEY, vector vector(dimension) NOT NULL, payload jsonb`.
 *
 * Everything is binary. Rows are first sent as a COPY straight into the table; once that meets an id that is stored
 * already, and for batches that may be stored already, they go as arrays that one INSERT ... ON CONFLICT unnests.
 * Vectors/s at 1000 rows of 128 dimensions | 500 of 768, 1 in flight:
 *
 * | | PostgreSQL 16 | PGlite |
 * |---|---|---|
 * | INSERT of many rows as text | 17,400 \| 2,740 | 5,870 \| 820 |
 * | binary COPY into a temporary table, INSERT ... SELECT | 137,000 \| 36,700 | 73,700 \| 13,400 |
 * | arrays unnested | 168,000 \| 43,200 | 104,000 \| 23,400 |
 * | binary COPY into the table | 259,000 \| 48,600 | 162,000 \| 17,800 |
 */
export class PgVectorSink implements Sink {
  readonly name: string;
  readonly database: string;
  readonly upserts = true;
  readonly #engine: PgEngine;
  readonly #options: PgVectorSinkOptions;
  #table: PgTable | undefined;
  #writer: RowWriter | undefined;
  #canCopy = false;
  #rowBytes = TEXT_ID_ROW_BYTES;

  constructor(engine: PgEngine, options: PgVectorSinkOptions) {
    this.name = options.name;
    this.database = options.database;
    this.#engine = engine;
    this.#options = options;
  }

  /**
   * @throws VBO_ERR_MISSING_PACKAGE; VBO_ERR_SINK_UNREACHABLE; VBO_ERR_DIMENSION if the table holds vectors of another
   *   dimension; VBO_ERR_SINK if its columns do not fit otherwise or the server has no pgvector
   */
  async open(options: SinkOpenOptions): Promise<void> {
    const { table, type } = this.#options;
    try {
      await this.#engine.connect();
    } catch (error) {
      const cause = error instanceof VectorBatchError ? error : new Error(messageOf(error), { cause: error });
      throw toVectorBatchError(cause, 'VBO_ERR_SINK_UNREACHABLE', `Cannot connect to ${this.name}`);
    }
    try {
      this.#table = await openTable(this.#engine, this.name, table, type, options);
    } catch (error) {
      await this.#engine.close();
      throw pgError(this.name, error);
    }
    this.#writer = new RowWriter(this.#table.format);
    this.#canCopy = this.#options.copies !== false && this.#table.copy !== undefined;
    this.#rowBytes = options.idType === 'string' ? TEXT_ID_ROW_BYTES : NUMBER_ID_ROW_BYTES;
  }

  limits(): SinkLimits {
    return { maxBytes: MAX_BYTES, maxConcurrency: this.#engine.maxConcurrency };
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension + this.#rowBytes;
  }

  /** One statement, and so one transaction: all of the batch is stored or nothing. */
  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const table = this.#opened(this.#table);
    try {
      signal.throwIfAborted();
      if (table.copy && this.#canCopy && !batch.mayBeStored) {
        const bytesSent = await this.#copy(table.copy, batch, signal);
        if (bytesSent !== undefined) return { kind: 'ok', bytesSent };
      }
      return { kind: 'ok', bytesSent: await this.#upsert(table, batch, signal) };
    } catch (cause) {
      if (!signal.aborted) return pgOutcome(this.name, cause);
      const error = toVectorBatchError(
        signal.reason,
        'VBO_ERR_ABORTED',
        `The write to ${this.name} was aborted`,
      );
      return { kind: 'retry', error };
    }
  }

  async count(): Promise<number> {
    const [row] = await this.#run(this.#opened(this.#table).count);
    return Number(row!.count);
  }

  async finish(): Promise<void> {}

  async drop(): Promise<void> {
    await this.#run(this.#opened(this.#table).drop);
  }

  async close(): Promise<void> {
    this.#table = this.#writer = undefined;
    await this.#engine.close();
  }

  /** The bytes sent; undefined if an id was stored already. */
  async #copy(
    statement: (source: string) => string,
    batch: Batch,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const writer = this.#opened(this.#writer);
    const bytes = writer.copy(batch);
    try {
      await this.#engine.copy(statement, bytes, signal);
      writer.release([bytes]);
      return bytes.length;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      this.#canCopy = false;
      return undefined;
    }
  }

  async #upsert(table: PgTable, batch: Batch, signal: AbortSignal): Promise<number> {
    const writer = this.#opened(this.#writer);
    const values = writer.arrays(batch, table.types);
    await this.#engine.query({ text: table.upsert, values }, signal);
    // After a failure the driver may still hold them.
    writer.release(values);
    return values.reduce((sum, { length }) => sum + length, 0);
  }

  async #run(text: string): Promise<Record<string, unknown>[]> {
    try {
      return await this.#engine.query({ text });
    } catch (error) {
      throw pgError(this.name, error);
    }
  }

  #opened<T>(value: T | undefined): T {
    if (value !== undefined) return value;
    throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
  }
}
