import { describe } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { importOptional } from '../core/optional.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { toJson } from './json.js';
import { type ColumnInfo, fitColumns, quoted, tableOf } from './sql-table.js';
import { sqliteOutcome } from './sqlite-outcome.js';
import { pathOfUrl } from './url.js';

const INSTALL = 'npm install libsql';
/** The text of an id in the statement's JSON and in the row: a UUID, its quotes and comma. */
const TEXT_ID_BYTES = 39;
const NUMBER_ID_BYTES = 16;
/** SQLite binds at most 10^9 bytes; well below, since a batch is copied once for the statement. */
const MAX_BYTES = 64 * 2 ** 20;
/** There is one writer. A second batch in flight is put into JSON while the first is stored: up to 1.1x. */
const MAX_CONCURRENCY = 2;
/**
 * Of a new file. Against the default of 4 KiB the same load is 1.14, 1.06 and 1.0x as fast at 128, 768 and 1536
 * dimensions, and searching touches fewer pages; with 64 KiB text ids in random order write too much.
 */
const PAGE_BYTES = 16_384;
/** How long a statement waits for another process's lock before it is reported as busy. */
const BUSY_TIMEOUT_MS = 5000;

/** The part of `libsql/promise` that is used. */
interface Database {
  exec(sql: string): Promise<void>;
  prepare(sql: string): Promise<Statement>;
  close(): void;
}

interface Statement {
  /**
   * The only call that leaves the event loop alone: `run` and `get` execute on it. Parameters must be an array: a
   * lone Buffer aborts the process.
   */
  all(parameters: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

/** Opens a database file. */
export type SqliteDriver = new (path: string, options: object) => Database;

const importDriver = async (): Promise<SqliteDriver> => {
  const module = await importOptional('libsql', () => import('libsql/promise'), INSTALL);
  return module.default as unknown as SqliteDriver;
};

/**
 * `sqlite://FILE?table=NAME`
 *
 * - `table`: default `vectors`; created if there is none: `id INTEGER | TEXT PRIMARY KEY, vector F32_BLOB(dimension),
 *   payload TEXT` (JSON). A record of an id that is stored replaces it
 *
 * @throws VBO_ERR_URL
 */
export function openSqliteSink(url: URL): SqliteSink {
  return new SqliteSink({ path: pathOfUrl(url), table: tableOf(url) });
}

export interface SqliteSinkOptions {
  /** Of the file; its folder must exist. */
  path: string;
  table: string;
}

/**
 * A table of an SQLite file, in libSQL's vector type: little-endian float32, which any SQLite reads as a blob.
 * A batch that was acknowledged survives a power cut.
 */
export class SqliteSink implements Sink {
  readonly name: string;
  readonly database = 'sqlite';
  readonly upserts = true;
  readonly #options: SqliteSinkOptions;
  readonly #importDriver: () => Promise<SqliteDriver>;
  #database: Database | undefined;
  #upserts: { plain: Statement; withPayloads: Statement | undefined } | undefined;
  #count: Statement | undefined;
  #dimension = 0;
  #idType: 'string' | 'number' = 'number';
  /** Statements run one after the other: a prepared one has but one set of parameters. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @param driver how the package is loaded; a test can hand in its own */
  constructor(options: SqliteSinkOptions, driver: () => Promise<SqliteDriver> = importDriver) {
    this.name = `sqlite://${options.path}?table=${options.table}`;
    this.#options = options;
    this.#importDriver = driver;
  }

  /**
   * @throws VBO_ERR_MISSING_PACKAGE; VBO_ERR_SINK_UNREACHABLE if the file cannot be opened; VBO_ERR_DIMENSION if the
   *   table holds vectors of another dimension; VBO_ERR_SINK if its columns do not fit otherwise
   */
  async open(options: SinkOpenOptions): Promise<void> {
    const Driver = await this.#importDriver();
    this.#dimension = options.dimension;
    this.#idType = options.idType;
    try {
      const database = new Driver(this.#options.path, {});
      this.#database = database;
      // Only the first of these has to come before the file has content; the rest is the connection's own.
      await database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      // A ledger counts on what was acknowledged: every transaction reaches the disk before it ends.
      await database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      await database.exec(this.#createTable(options));
      const columns = await this.#columns(database);
      this.#fit(columns, options);
      const hasPayloads = columns.some(({ name }) => name === 'payload');
      this.#upserts = {
        plain: await database.prepare(this.#upsertSql(false, hasPayloads)),
        withPayloads: hasPayloads ? await database.prepare(this.#upsertSql(true, true)) : undefined,
      };
      this.#count = await database.prepare(`SELECT count(*) AS count FROM ${quoted(this.#options.table)}`);
    } catch (error) {
      await this.close();
      throw toVectorBatchError(error, 'VBO_ERR_SINK_UNREACHABLE', `Cannot open ${this.name}`);
    }
  }

  limits(): SinkLimits {
    return { maxBytes: MAX_BYTES, maxConcurrency: MAX_CONCURRENCY };
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension + (this.#idType === 'string' ? TEXT_ID_BYTES : NUMBER_ID_BYTES);
  }

  /**
   * One statement, and so one transaction: all of the batch is stored or nothing. It settles when that is done,
   * whatever the signal says in between.
   */
  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    this.#opened(this.#database);
    const { vectors } = batch;
    try {
      const rows = this.#rowsJson(batch);
      const blob = Buffer.from(vectors.buffer, vectors.byteOffset, vectors.byteLength);
      return await this.#inTurn(async () => {
        if (signal.aborted) {
          const error = new VectorBatchError('VBO_ERR_ABORTED', `The write to ${this.name} was aborted.`);
          return { kind: 'retry', error };
        }
        const { plain, withPayloads } = this.#opened(this.#upserts);
        await ((batch.payloads && withPayloads) || plain).all([rows, blob]);
        return { kind: 'ok', bytesSent: blob.length + rows.length };
      });
    } catch (error) {
      if (error instanceof VectorBatchError && error.code === 'VBO_ERR_CLOSED') throw error;
      return sqliteOutcome(this.name, error);
    }
  }

  /** Reads through the table's whole index: where ids are integers that is the table itself. */
  async count(): Promise<number> {
    const [row] = await this.#inTurn(() => this.#opened(this.#count).all([]));
    return Number(row!.count);
  }

  /** Brings what is still in the write-ahead log into the file, and the file to the disk. */
  async finish(): Promise<void> {
    await this.#inTurn(() => this.#opened(this.#database).exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  async drop(): Promise<void> {
    await this.#inTurn(() => this.#opened(this.#database).exec(`DROP TABLE ${quoted(this.#options.table)}`));
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#database?.close();
    this.#database = this.#upserts = this.#count = undefined;
  }

  #createTable({ dimension, idType }: SinkOpenOptions): string {
    const id = idType === 'string' ? 'TEXT PRIMARY KEY NOT NULL' : 'INTEGER PRIMARY KEY';
    return `CREATE TABLE IF NOT EXISTS ${quoted(this.#options.table)}
      (id ${id}, vector F32_BLOB(${dimension}) NOT NULL, payload TEXT)`;
  }

  async #columns(database: Database): Promise<ColumnInfo[]> {
    const statement = await database.prepare(`
      SELECT name, type, pk, "notnull" AND dflt_value IS NULL AS required,
        (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1 AND pk > 0 OR EXISTS (
          SELECT 1 FROM pragma_index_list(?1) AS list
          WHERE list."unique" AND NOT list.partial
            AND (SELECT json_group_array(info.name) FROM pragma_index_info(list.name) AS info) = json_array(c.name)
        ) AS "unique"
      FROM pragma_table_info(?1) AS c`);
    const rows = await statement.all([this.#options.table]);
    return rows.map(({ name, type, required, unique }) => ({
      name: String(name),
      type: String(type),
      required: required === 1,
      unique: unique === 1,
    }));
  }

  #fit(columns: readonly ColumnInfo[], options: SinkOpenOptions): void {
    const { dimension, hasPayloads, idType } = options;
    fitColumns(this.name, columns, {
      id: idType === 'string' ? /CHAR|CLOB|TEXT/i : /INT/i,
      vector: /^(?:F32_BLOB|FLOAT32)\((\d+)\)$/i,
      payload: /CHAR|CLOB|TEXT|JSON/i,
      ...{ dimension, hasPayloads, idType },
      expected: `id ${idType === 'string' ? 'TEXT' : 'INTEGER'} PRIMARY KEY, vector F32_BLOB(${dimension}), payload TEXT`,
    });
  }

  /**
   * The whole batch as two parameters: ids (and payloads) as a JSON array, vectors as one blob that the statement
   * cuts into rows. Vectors/s at 128 dimensions x 1000 rows | 768 x 1000: a prepared statement per row in a
   * transaction 139,000 | 53,000, 50 rows per statement 299,000 | 67,000, this 421,000 | 91,000.
   */
  #upsertSql(withPayloads: boolean, setPayload: boolean): string {
    const vectorBytes = 4 * this.#dimension;
    const id = withPayloads ? 'value ->> 0' : 'value';
    const payload = withPayloads ? 'value ->> 1' : 'NULL';
    return `
      INSERT INTO ${quoted(this.#options.table)} (id, vector${setPayload ? ', payload' : ''})
      SELECT ${id}, substr(?2, 1 + key * ${vectorBytes}, ${vectorBytes})${setPayload ? `, ${payload}` : ''}
      FROM json_each(?1) WHERE true
      ON CONFLICT (id) DO UPDATE SET vector = excluded.vector${setPayload ? ', payload = excluded.payload' : ''}`;
  }

  /** `[id, ...]`, or `[[id, payload], ...]` where there are payloads. @throws VBO_ERR_RECORD */
  #rowsJson({ ids, payloads }: Batch): string {
    const index = ids.findIndex(
      this.#idType === 'number'
        ? (id) => !Number.isSafeInteger(id)
        : (id) => typeof id !== 'string' || id.includes('\0'),
    );
    if (index >= 0) {
      const expected =
        this.#idType === 'number' ? 'an integer' : 'text without NUL, where SQLite would cut it';
      throw new VectorBatchError('VBO_ERR_RECORD', `The id ${describe(ids[index])} is not ${expected}.`, {
        details: { index, id: ids[index] },
      });
    }
    return toJson(payloads ? ids.map((id, row) => [id, payloads[row] ?? null]) : ids);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }

  #opened<T>(value: T | undefined): T {
    if (value !== undefined) return value;
    throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
  }
}
