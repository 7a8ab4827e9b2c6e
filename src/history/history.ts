import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkNumber } from '../core/check.js';
import { type Clock, systemClock, type WallClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { type Logger, silentLogger } from '../core/logger.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { formatDuration } from '../core/units.js';
import { type Aggregate, aggregateRecords } from '../model/aggregate.js';
import { findProfile } from '../model/profiles.js';
import { checkRecord } from '../model/records.js';
import { Database, failureOf } from './database.js';
import {
  type ExportReport,
  exportRecords,
  type ImportOptions,
  type ImportReport,
  importRecords,
} from './record-files.js';
import { INSERT, recordOf, rowOf } from './record-row.js';
import { isCurrent, migrate } from './schema.js';
import { setAside } from './set-aside.js';

export interface HistoryOptions {
  /** Time of day of records that do not say when they were made, and patience with locks. Default: the machine's. */
  clock?: Clock & WallClock;
  logger?: Logger;
  /** Records older than this are removed, ms. Default: 365 days. */
  maxAgeMs?: number;
  /** Of more records than this the oldest are removed. Default 200,000. */
  maxRecords?: number;
  /** How long to wait for another process's lock, ms. Default 5000. */
  busyTimeoutMs?: number;
}

/** Which records; all that is left out does not narrow. */
export interface RecordFilter {
  /** A name or alias of a database; records under its other names are meant too. */
  databaseType?: string;
  vectorDimension?: number;
  /** Made at this time or later, Unix ms. */
  sinceMs?: number;
  /** At most so many, the newest. */
  limit?: number;
}

/** Enough to tell whether anything was added or removed. */
export interface HistoryState {
  readonly count: number;
  readonly newestId: number;
}

/** Where tests and callers without a file keep theirs. */
export const MEMORY = ':memory:';

const DEFAULT_MAX_AGE_MS = 365 * 86_400_000;
const DEFAULT_MAX_RECORDS = 200_000;
const DEFAULT_BUSY_TIMEOUT_MS = 5000;
/** Rows of one statement: about 15 ms of another thread's time, 2 ms of the event loop's. */
const CHUNK_ROWS = 500;
/** Between two removals of what is too old or too much, and two checkpoints. */
const UPKEEP_ROWS = 2000;

/**
 * Execution records in an SQLite file. Several processes may use one file at once. A file that turns out to be damaged
 * is renamed, with a warning to the logger, and an empty one takes its place. One that cannot be written is read, with
 * a warning, and refuses what is appended.
 */
export class History {
  readonly path: string;
  readonly #options: Required<HistoryOptions>;
  #database: Database | undefined;
  #isReadOnly = false;
  /** The file's inode: what stands under the path later may be another file. */
  #fileId: number | undefined;
  #rowsSinceUpkeep = UPKEEP_ROWS;
  /** Statements run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(path: string, options: Required<HistoryOptions>) {
    this.path = path;
    this.#options = options;
  }

  /**
   * @param path of the file, which is created if there is none, its folders too; or `:memory:`
   * @throws VBO_ERR_ARGUMENT; VBO_ERR_HISTORY if the file can neither be opened nor created, is locked for longer than
   *   `busyTimeoutMs`, or belongs to another program or a newer version of this one
   */
  static async open(path: string, options: HistoryOptions = {}): Promise<History> {
    const history = new History(path, {
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      maxAgeMs: checkNumber(options.maxAgeMs ?? DEFAULT_MAX_AGE_MS, 'maxAgeMs', { min: 1, max: 1e15 }),
      maxRecords: checkNumber(options.maxRecords ?? DEFAULT_MAX_RECORDS, 'maxRecords', {
        ...{ min: 1, max: 1e9, integer: true },
      }),
      busyTimeoutMs: checkNumber(options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS, 'busyTimeoutMs', {
        ...{ min: 0, max: 600_000, integer: true },
      }),
    });
    await history.#open();
    return history;
  }

  /** Nothing can be appended. */
  get isReadOnly(): boolean {
    return this.#isReadOnly;
  }

  /**
   * Keeps the records. What has been kept before, time stamp included, is passed over; records without a time stamp get
   * the present one. Resolves, with the number of new ones, when they are in the file.
   * @throws VBO_ERR_ARGUMENT with the index of the first record that is not valid, and none is kept; VBO_ERR_HISTORY if
   *   the file cannot be written, then of many records the first thousands may be kept
   */
  async append(records: readonly BatchExecutionRecord[]): Promise<number> {
    for (const [index, record] of records.entries()) checkRecord(record, `records[${index}]`);
    let added = 0;
    for (let first = 0; first < records.length; first += CHUNK_ROWS) {
      const nowMs = this.#options.clock.unixMs();
      const rows = records.slice(first, first + CHUNK_ROWS).map((record) => rowOf(record, nowMs));
      added += await this.#use(async (database) => {
        const { length } = await this.#writable(database).all(INSERT, [JSON.stringify(rows)]);
        this.#rowsSinceUpkeep += length;
        if (this.#rowsSinceUpkeep >= UPKEEP_ROWS) await this.#upkeep(database);
        return length;
      });
    }
    return added;
  }

  /**
   * The newest first.
   * @throws VBO_ERR_HISTORY
   */
  async records(filter: RecordFilter = {}): Promise<BatchExecutionRecord[]> {
    const records: BatchExecutionRecord[] = [];
    for await (const page of this.pages(filter)) records.push(...page);
    return records;
  }

  /**
   * The same as {@link records} in pieces, for more of them than memory should hold.
   * @throws VBO_ERR_HISTORY
   */
  async *pages(filter: RecordFilter = {}): AsyncGenerator<BatchExecutionRecord[]> {
    const { where, parameters } = conditionOf(filter);
    let left = filter.limit ?? Number.MAX_SAFE_INTEGER;
    let last = { ts: Number.MAX_SAFE_INTEGER, id: 0 };
    while (left > 0) {
      const page = await this.#use((database) =>
        database.all(
          `SELECT * FROM records WHERE ${where} AND (ts, id) < (?, ?) ORDER BY ts DESC, id DESC LIMIT ?`,
          [...parameters, last.ts, last.id, Math.min(left, CHUNK_ROWS)],
        ),
      );
      if (page.length === 0) return;
      const { ts, id } = page.at(-1)!;
      last = { ts: ts as number, id: id as number };
      left -= page.length;
      yield page.map(recordOf);
    }
  }

  /**
   * What the records say about each setting. See {@link aggregateRecords}.
   * @throws VBO_ERR_HISTORY
   */
  async aggregates(filter: RecordFilter = {}): Promise<Aggregate[]> {
    return aggregateRecords(await this.records(filter));
  }

  /** @throws VBO_ERR_HISTORY */
  async count(filter: Omit<RecordFilter, 'limit'> = {}): Promise<number> {
    const { where, parameters } = conditionOf(filter);
    const [row] = await this.#use((database) =>
      database.all(`SELECT count(*) AS count FROM records WHERE ${where}`, parameters),
    );
    return row!.count as number;
  }

  /** @throws VBO_ERR_HISTORY */
  async state(): Promise<HistoryState> {
    const [row] = await this.#use((database) =>
      database.all('SELECT count(*) AS count, coalesce(max(id), 0) AS newestId FROM records'),
    );
    return { count: row!.count as number, newestId: row!.newestId as number };
  }

  /**
   * Adds the records of an NDJSON or Parquet file; see {@link importRecords}.
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_FORMAT, VBO_ERR_HISTORY, VBO_ERR_ABORTED
   */
  importFile(path: string, options: ImportOptions = {}): Promise<ImportReport> {
    return importRecords(path, this, options);
  }

  /**
   * Writes the records, the newest first, as NDJSON or Parquet; see {@link exportRecords}.
   * @throws VBO_ERR_FILE_NOT_FOUND if the file cannot be written, VBO_ERR_FILE_FORMAT, VBO_ERR_HISTORY
   */
  exportFile(path: string, filter: RecordFilter = {}): Promise<ExportReport> {
    return exportRecords(path, this.pages(filter));
  }

  /** Waits for what is under way. The history cannot be used afterwards. */
  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isReadOnly) await this.#database?.checkpoint().catch(() => {});
      this.#database?.close();
      this.#database = undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (failureOf(error) !== 'damaged') throw this.#failure(error);
      await this.#startAfresh(error);
    }
  }

  async #connect(): Promise<void> {
    const { busyTimeoutMs, clock, logger } = this.#options;
    const isFile = this.path !== MEMORY;
    if (isFile) {
      this.#fileId = await fileIdOf(this.path);
      this.#isReadOnly = !(await isWritable(this.path, this.#fileId !== undefined));
    }
    const database = await Database.open(this.path, { busyTimeoutMs, isImmutable: this.#isReadOnly });
    try {
      const isUpToDate = await isCurrent(database, this.path);
      if (!this.#isReadOnly) {
        await database.useWriteAheadLog({ busyTimeoutMs, clock });
        if (!isUpToDate) await migrate(database, this.path);
        if (isFile) this.#fileId = await fileIdOf(this.path);
      } else if (isUpToDate) {
        logger.warn({ path: this.path }, `The history ${this.path} is read-only: nothing will be recorded.`);
      } else {
        throw new VectorBatchError(
          'VBO_ERR_HISTORY',
          `The history ${this.path} is of an older version and cannot be written, so not be brought up to date.`,
        );
      }
    } catch (error) {
      database.close();
      throw error;
    }
    this.#database = database;
  }

  /** Puts a damaged file out of the way and begins a new one. */
  async #startAfresh(damage: unknown): Promise<void> {
    const { clock, logger } = this.#options;
    this.#database?.close();
    this.#database = undefined;
    try {
      const moved = await setAside(this.path, this.#fileId, clock.unixMs());
      if (moved !== undefined) {
        logger.warn(
          { path: this.path, moved, reason: (damage as Error).message },
          `The history ${this.path} is damaged (${(damage as Error).message}). It was renamed to ${moved}, and a new one begun.`,
        );
      }
      await this.#connect();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Runs a statement in its turn; if the file proves damaged, once more on a new one. */
  #use<T>(work: (database: Database) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      try {
        return await work(this.#opened());
      } catch (error) {
        if (failureOf(error) !== 'damaged') throw this.#failure(error);
        await this.#startAfresh(error);
        return await work(this.#opened());
      }
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }

  #opened(): Database {
    if (this.#database) return this.#database;
    throw new VectorBatchError('VBO_ERR_CLOSED', `The history ${this.path} is closed.`);
  }

  #writable(database: Database): Database {
    if (!this.#isReadOnly) return database;
    throw new VectorBatchError('VBO_ERR_HISTORY', `The history ${this.path} is read-only.`);
  }

  /** Removes what is too old or too much. */
  async #upkeep(database: Database): Promise<void> {
    const { clock, maxAgeMs, maxRecords } = this.#options;
    this.#rowsSinceUpkeep = 0;
    await database.all('DELETE FROM records WHERE ts < ?', [clock.unixMs() - maxAgeMs]);
    await database.all(
      'DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY ts DESC, id DESC LIMIT -1 OFFSET ?)',
      [maxRecords],
    );
    await database.checkpoint();
  }

  #failure(error: unknown): VectorBatchError {
    if (error instanceof VectorBatchError) return error;
    const reason = {
      busy: `another process has locked it for longer than ${formatDuration(this.#options.busyTimeoutMs)}`,
      readOnly: 'it cannot be opened or written',
      full: 'the disk is full',
      damaged: 'it is damaged',
      other: 'SQLite failed',
    }[failureOf(error)];
    return toVectorBatchError(error, 'VBO_ERR_HISTORY', `The history ${this.path}: ${reason}`);
  }
}

function conditionOf({ databaseType, vectorDimension, sinceMs }: RecordFilter): {
  where: string;
  parameters: unknown[];
} {
  const conditions = ['true'];
  const parameters: unknown[] = [];
  if (databaseType !== undefined) {
    const names = namesOf(databaseType);
    conditions.push(`database_type IN (${names.map(() => '?').join(', ')})`);
    parameters.push(...names);
  }
  if (vectorDimension !== undefined) {
    conditions.push('vector_dimension = ?');
    parameters.push(vectorDimension);
  }
  if (sinceMs !== undefined) {
    conditions.push('ts >= ?');
    parameters.push(sinceMs);
  }
  return { where: conditions.join(' AND '), parameters };
}

/** Every name that a database goes by in records. */
function namesOf(databaseType: string): readonly string[] {
  const profile = findProfile(databaseType);
  return profile ? [profile.name, ...profile.aliases] : [databaseType];
}

const fileIdOf = async (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );

async function isWritable(path: string, exists: boolean): Promise<boolean> {
  if (!exists) {
    await mkdir(dirname(path), { recursive: true }).catch((error) => {
      throw toVectorBatchError(error, 'VBO_ERR_HISTORY', `The history ${path} cannot be created`);
    });
    return true;
  }
  // SQLite keeps its log beside the file.
  const places = [path, dirname(path)].map((place) => access(place, constants.W_OK));
  return Promise.all(places).then(
    () => true,
    () => false,
  );
}
