import type { Clock } from '../core/clock.js';

/** The part of `libsql/promise` that is used. Its `all` and `exec` leave the event loop alone, `run` and `get` do not. */
interface Driver {
  exec(sql: string): Promise<void>;
  /** `all` takes its parameters as an array only: a lone Buffer aborts the process. */
  prepare(sql: string): Promise<{ all(parameters: readonly unknown[]): Promise<Row[]> }>;
  close(): void;
}

export type Row = Record<string, string | number | null>;

/** How long to wait for another process's lock. */
export interface Patience {
  readonly busyTimeoutMs: number;
  readonly clock: Clock;
}

export interface DatabaseOptions {
  readonly busyTimeoutMs: number;
  /** Takes the file as it is, and writes neither to it nor beside it. */
  readonly isImmutable: boolean;
}

const RETRY_MS = 50;

/**
 * One connection to an SQLite file. Statements run off the event loop and one at a time: the caller sees to that. What
 * was committed survives `kill -9`; a power cut may take the last moments, never the file.
 */
export class Database {
  readonly #driver: Driver;
  readonly #statements = new Map<string, ReturnType<Driver['prepare']>>();

  private constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** @throws the driver's errors, here and below; see {@link failureOf} */
  static async open(path: string, { busyTimeoutMs, isImmutable }: DatabaseOptions): Promise<Database> {
    const { default: Constructor } = await import('libsql/promise');
    const name = isImmutable ? `file:${encodeURI(path)}?immutable=1` : path;
    return new Database(new Constructor(name, { timeout: busyTimeoutMs }) as unknown as Driver);
  }

  /** Lets many read while one writes. SQLite itself does not wait for another process that makes the same switch. */
  async useWriteAheadLog({ busyTimeoutMs, clock }: Patience): Promise<void> {
    const endMs = clock.now() + busyTimeoutMs;
    while (!(await isDone(this.#driver.exec('PRAGMA journal_mode = WAL'), clock.now() >= endMs))) {
      await clock.sleep(RETRY_MS);
    }
    // A checkpoint within a commit would hold up the event loop.
    await this.#driver.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  }

  /** All rows of a statement; its text is prepared once. */
  async all(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#driver.prepare(sql);
      this.#statements.set(sql, statement);
      statement.catch(() => this.#statements.delete(sql));
    }
    return (await statement).all(parameters);
  }

  exec(sql: string): Promise<void> {
    return this.#driver.exec(sql);
  }

  /** Brings the write-ahead log into the file, as far as other connections allow. */
  async checkpoint(): Promise<void> {
    await this.#driver.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  close(): void {
    this.#driver.close();
  }
}

/** Whether it is; false if a lock is in the way and there is still time. */
async function isDone(work: Promise<void>, isLastTry: boolean): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isLastTry || failureOf(error) !== 'busy') throw error;
    return false;
  }
}

/** What a driver's error says about the file; the numbers are SQLite's primary result codes. */
export function failureOf(error: unknown): 'damaged' | 'busy' | 'readOnly' | 'full' | 'other' {
  const { rawCode = 0, message = '' } = error as { rawCode?: number; message?: string };
  switch (rawCode & 0xff) {
    case 11:
    case 26:
      return 'damaged';
    case 5:
    case 6:
      return 'busy';
    case 3:
    case 8:
    case 14:
      return 'readOnly';
    case 13:
      return 'full';
    default:
      // The driver hands an error of opening the file on as text.
      return /unable to open/i.test(message) ? 'readOnly' : 'other';
  }
}
