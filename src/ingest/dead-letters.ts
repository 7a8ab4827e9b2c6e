import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe } from '../core/check.js';
import { ERROR_CODES, type ErrorCode, toVectorBatchError } from '../core/errors.js';
import { FileLock } from './file-lock.js';
import type { DeadLetterMark } from './ledger-state.js';
import type { RejectedRecord } from './ports.js';

/** Lines are gathered up to this before they are written. */
const BUFFER_LENGTH = 65_536;
const NEWLINE = 0x0a;
/** Rejections kept in memory for the report. */
const MOST_KEPT = 20;

/**
 * Where rejected records go: NDJSON, one `{position, id?, code, message, vector? | raw?, payload?}` a line. The file
 * is created with the first one, replacing an older file of that name, unless it is {@link DeadLetters.resume}d.
 * Without a path the records are only counted and the first few kept for the report.
 */
export class DeadLetters {
  readonly path: string | undefined;
  /** The first rejections, for the report. */
  readonly first: RejectedRecord[] = [];
  #file: Promise<FileHandle> | undefined;
  /** Keeps others from the file. */
  #lock: FileLock | undefined;
  #lines = '';
  #byteLength = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string | undefined) {
    this.path = path;
  }

  /**
   * Goes on with the file of a load that was cut short, if it is this one. Returns the records in it that
   * came after `mark`: they were written down, but their ledger does not know. A torn last line is cut off.
   * @throws VBO_ERR_FILE_NOT_FOUND if the file cannot be read or written
   */
  async resume(mark: DeadLetterMark | undefined): Promise<{ position: number; code: ErrorCode }[]> {
    if (this.path === undefined || mark?.path !== resolve(this.path)) return [];
    try {
      this.#file = this.#open(this.path, 'a+');
      const file = await this.#file;
      const { size } = await file.stat();
      // A file that was cut short by others may end anywhere.
      const start = size < mark.byteLength ? 0 : mark.byteLength;
      const known: { position: number; code: ErrorCode }[] = [];
      let end = start;
      for await (const line of linesOf(file, start)) {
        end += line.length + 1;
        const letter = start === mark.byteLength ? letterOf(line.toString('utf8')) : undefined;
        if (letter) known.push(letter);
      }
      if (end < size) await file.truncate(end);
      this.#byteLength = end;
      return known;
    } catch (error) {
      throw this.#unwritable(error);
    }
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
    this.#lines += `${lineOf(record)}\n`;
    if (this.#lines.length >= BUFFER_LENGTH) await this.#flush();
  }

  /**
   * Has what was added reach the disk; returns how long the file is then, undefined if there is none.
   * @throws VBO_ERR_FILE_NOT_FOUND
   */
  async sync(): Promise<DeadLetterMark | undefined> {
    if (this.path === undefined || (!this.#file && this.#lines === '')) return undefined;
    await this.#flush();
    await (await this.#file)!.datasync();
    return { path: resolve(this.path), byteLength: this.#byteLength };
  }

  /** Writes what is left and has it reach the disk. */
  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      await (await this.#file?.catch(() => undefined))?.close();
      this.#lock?.release();
    }
  }

  #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    this.#file ??= this.#open(this.path!, 'w');
    const file = this.#file;
    this.#writing = this.#writing.then(async () => {
      try {
        await (await file).appendFile(lines);
        this.#byteLength += Buffer.byteLength(lines);
      } catch (error) {
        throw this.#unwritable(error);
      }
    });
    return this.#writing;
  }

  async #open(path: string, flags: string): Promise<FileHandle> {
    this.#lock = FileLock.take(path);
    return open(path, flags);
  }

  #unwritable(error: unknown): Error {
    return toVectorBatchError(
      error,
      'VBO_ERR_FILE_NOT_FOUND',
      `Cannot write dead letters to ${describe(this.path)}`,
    );
  }
}

/** The lines from a byte on that have their end, without it. */
async function* linesOf(file: FileHandle, start: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(BUFFER_LENGTH);
  let rest: Buffer = Buffer.alloc(0);
  for (let at = start; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.subarray(0, end);
      rest = rest.subarray(end + 1);
    }
  }
}

/** A payload with a circle in it, or one that throws when it is told, is left out. */
function lineOf(record: RejectedRecord): string {
  try {
    return JSON.stringify(record, spell);
  } catch {
    return JSON.stringify({ ...record, payload: null }, spell);
  }
}

/** JSON has no NaN, no infinity and no bigint; they are written as text rather than as null. */
function spell(_key: string, value: unknown): unknown {
  const isTextOnly = typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value));
  return isTextOnly ? String(value) : value;
}

/** What a line says was refused; undefined if somebody else wrote it. */
function letterOf(line: string): { position: number; code: ErrorCode } | undefined {
  try {
    const { position, code } = JSON.parse(line) as { position: unknown; code: unknown };
    const isOurs =
      Number.isSafeInteger(position) && typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
    return isOurs ? { position: position as number, code: code as ErrorCode } : undefined;
  } catch {
    return undefined;
  }
}
