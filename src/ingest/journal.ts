import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

const SUM_LENGTH = 16;
const NEWLINE = 0x0a;

/**
 * A file of JSON records that is only ever appended to, a record a line:
 *
 * ```
 * SUM RECORD\n        SUM = the first 16 hex digits of SHA-256(SUM of the line before + RECORD)
 * ```
 *
 * The sums are a chain: a line that was changed, removed or brought in from elsewhere breaks it. An append
 * that a crash cut short is the last line and nothing else, because the next append waits for its sync.
 */
export class Journal {
  readonly path: string;
  readonly #file: FileHandle;
  #sum: string;

  private constructor(path: string, file: FileHandle, sum: string) {
    this.path = path;
    this.#file = file;
    this.#sum = sum;
  }

  /**
   * The records of a journal without a last one that is torn; undefined if there is no file, or nothing in it.
   * @throws VBO_ERR_LEDGER_DAMAGED if another line than the last is not what was written; VBO_ERR_FILE_NOT_FOUND
   *   if it cannot be read
   */
  static async read(path: string): Promise<unknown[] | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new VectorBatchError(
        'VBO_ERR_FILE_NOT_FOUND',
        `Cannot read the ledger ${describe(path)}: ${(cause as Error).message}.`,
        { cause, details: { path } },
      );
    }
    if (bytes.length === 0) return undefined;
    const records: unknown[] = [];
    let sum = '';
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      const line = bytes.toString('utf8', start, end);
      const body = line.slice(SUM_LENGTH + 1);
      const expected = sumOf(sum, body);
      if (newline < 0 || line.slice(0, SUM_LENGTH + 1) !== `${expected} `) {
        // A crash leaves a last line without its end, or, where blocks reached the disk out of order, with holes.
        const isTorn = newline < 0 || (newline === bytes.length - 1 && line.includes('\0'));
        // The file appears by a rename, its first line complete: a first line that is not right was never ours.
        if (records.length > 0 && isTorn) break;
        throw new VectorBatchError(
          'VBO_ERR_LEDGER_DAMAGED',
          records.length === 0
            ? `${describe(path)} is not a ledger.`
            : `The ledger ${describe(path)} is damaged in line ${records.length + 1}, at byte ${start} of ${bytes.length}.`,
          { details: { path, line: records.length + 1, byteOffset: start } },
        );
      }
      sum = expected;
      records.push(JSON.parse(body));
      start = newline + 1;
    }
    return records;
  }

  /**
   * Puts a journal with these records in the place of whatever is at `path`: either the old file is there or
   * the new one, complete and synced.
   * @throws VBO_ERR_LEDGER_WRITE
   */
  static async create(path: string, records: readonly unknown[]): Promise<Journal> {
    const partial = `${path}.partial`;
    let file: FileHandle | undefined;
    try {
      file = await open(partial, 'w');
      let sum = '';
      let text = '';
      for (const record of records) {
        const body = JSON.stringify(record);
        sum = sumOf(sum, body);
        text += `${sum} ${body}\n`;
      }
      await file.writeFile(text);
      await file.sync();
      await rename(partial, path);
      await syncFolder(dirname(path));
      return new Journal(path, file, sum);
    } catch (cause) {
      await file?.close().catch(() => {});
      throw unwritable(path, cause);
    }
  }

  /**
   * Resolves when the record is on the disk. One append at a time.
   * @throws VBO_ERR_LEDGER_WRITE; the journal must not be appended to after that
   */
  async append(record: unknown): Promise<void> {
    const body = JSON.stringify(record);
    const sum = sumOf(this.#sum, body);
    try {
      await this.#file.appendFile(`${sum} ${body}\n`);
      await this.#file.datasync();
    } catch (cause) {
      throw unwritable(this.path, cause);
    }
    this.#sum = sum;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const sumOf = (before: string, body: string): string =>
  createHash('sha256')
    .update(before + body)
    .digest('hex')
    .slice(0, SUM_LENGTH);

function unwritable(path: string, cause: unknown): VectorBatchError {
  return new VectorBatchError(
    'VBO_ERR_LEDGER_WRITE',
    `Cannot write the ledger ${describe(path)}: ${(cause as Error).message}.`,
    { cause, details: { path } },
  );
}

/** A rename is on the disk when its folder is. Not every platform can sync a folder; those that cannot do without. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
