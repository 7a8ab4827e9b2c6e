import { type FileHandle, open } from 'node:fs/promises';
import { toVectorBatchError } from '../core/errors.js';
import type { RejectedRecord } from './ports.js';

/** Lines are gathered up to this before they are written. */
const BUFFER_LENGTH = 65_536;
/** Rejections kept in memory for the report. */
const MOST_KEPT = 20;

/**
 * Where rejected records go: NDJSON, one `{position, id?, code, message, vector? | raw?, payload?}` a line. The file
 * is created with the first one, replacing an older file of that name. Without a path the records are
 * only counted and the first few kept for the report.
 */
export class DeadLetters {
  readonly path: string | undefined;
  /** The first rejections, for the report. */
  readonly first: RejectedRecord[] = [];
  #file: Promise<FileHandle> | undefined;
  #lines = '';
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string | undefined) {
    this.path = path;
  }

  /**
   * Resolves when there is room for more, not when the record is on disk.
   * @throws VBO_ERR_FILE_NOT_FOUND if the file cannot be created or written
   */
  async add(record: RejectedRecord): Promise<void> {
    if (this.first.length < MOST_KEPT) {
      const { position, id, code, message } = record;
      this.first.push({ position, ...(id === undefined ? {} : { id }), code, message });
    }
    if (this.path === undefined) return;
    this.#lines += `${JSON.stringify(record, spellNonFinite)}\n`;
    if (this.#lines.length >= BUFFER_LENGTH) await this.#flush();
  }

  /** Writes what is left and has it reach the disk. */
  async close(): Promise<void> {
    if (this.path === undefined || (!this.#file && this.#lines === '')) return;
    await this.#flush();
    const file = await this.#file!;
    await file.sync();
    await file.close();
  }

  #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    this.#file ??= open(this.path!, 'w');
    const file = this.#file;
    this.#writing = this.#writing.then(async () => {
      try {
        await (await file).appendFile(lines);
      } catch (error) {
        throw toVectorBatchError(
          error,
          'VBO_ERR_FILE_NOT_FOUND',
          `Cannot write dead letters to ${this.path}`,
        );
      }
    });
    return this.#writing;
  }
}

/** JSON has no NaN and no infinity; they are written as text rather than as null. */
function spellNonFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
