import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { toVectorBatchError, VectorBatchError } from '../../core/errors.js';
import { logFailure } from '../failure-log.js';
import { type AuditEvent, type AuditHead, EMPTY, headBehind, lineOf } from './chain.js';
import { formatHead, headPath, readHead } from './verify.js';

/** The head file is at most this much behind the log. */
const HEAD_MS = 1000;
/** More than a line ever has. */
const TAIL_BYTES = 65_536;
const LINE_FEED = 0x0a;

/**
 * An append-only log of what callers changed and what they were refused, one JSON object a line, each with a hash
 * that covers the one before. Lines are written in the order of the events and together where several wait.
 */
export class AuditLog {
  readonly path: string;
  readonly #file: FileHandle;
  /** Of the last line that was handed in: the next one follows it. */
  #next: AuditHead;
  /** Of the last line in the file. */
  #head: AuditHead;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  #failure: VectorBatchError | undefined;
  #headTimer: NodeJS.Timeout | undefined;
  #marking: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, head: AuditHead) {
    this.path = path;
    this.#file = file;
    this.#next = head;
    this.#head = head;
  }

  /**
   * Opens a log to go on with, or a new one. A last line that a crash cut short is taken away.
   * @throws VBO_ERR_AUDIT if the file was tampered with, or cannot be read and written
   */
  static async open(path: string): Promise<AuditLog> {
    try {
      const file = await open(path, 'a+', 0o600);
      const head = await headOf(file).catch(async (error) => {
        await file.close();
        throw error;
      });
      const marked = await readHead(headPath(path));
      if (marked && (marked.seq > head.seq || (marked.seq === head.seq && marked.hash !== head.hash))) {
        await file.close();
        throw new VectorBatchError(
          'VBO_ERR_AUDIT',
          `The audit log ends at line ${head.seq}; by ${headPath(path)} it went on to line ${marked.seq}. Keep both as evidence and name another file.`,
        );
      }
      const log = new AuditLog(path, file, head);
      await log.append({ event: 'start' });
      return log;
    } catch (error) {
      throw toVectorBatchError(error, 'VBO_ERR_AUDIT', `The audit log ${path} cannot be opened`);
    }
  }

  /** Where the file ends. */
  get head(): AuditHead {
    return this.#head;
  }

  /** Why nothing can be written any more. What changes something must be refused from then on. */
  get failure(): VectorBatchError | undefined {
    return this.#failure;
  }

  /** Resolves when the line is in the file, and also when it cannot be: `failure` says so. */
  append(event: AuditEvent): Promise<void> {
    const { text, head } = lineOf(event, new Date().toISOString(), this.#next);
    this.#next = head;
    this.#waiting.push(text);
    this.#writing ??= this.#write();
    return this.#writing;
  }

  /** Writes that the service stops, and all that waits. */
  async close(): Promise<void> {
    await this.append({ event: 'stop' });
    clearTimeout(this.#headTimer);
    await this.#marking;
    await this.#mark();
    await this.#file.close();
  }

  async #write(): Promise<void> {
    // What else is appended in this turn of the event loop goes into the same write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      const last = this.#next;
      this.#waiting = [];
      if (this.#failure) continue;
      try {
        await this.#file.appendFile(lines.join(''));
        this.#head = last;
      } catch (error) {
        this.#fail(error);
        // Some of the lines may be in the file, and a piece of the next.
        this.#head = await headOf(this.#file).catch(() => this.#head);
      }
    }
    this.#writing = undefined;
    this.#headTimer ??= setTimeout(() => {
      this.#headTimer = undefined;
      this.#marking = this.#mark();
    }, HEAD_MS).unref();
  }

  /**
   * Replaces the head file in one step, once what it vouches for is on the disk: a head ahead of its log looks like lines
   * that were removed. Without one the log is only less well guarded, so that it cannot be written is no failure.
   */
  async #mark(): Promise<void> {
    if (this.#failure) return;
    const path = headPath(this.path);
    const head = `${formatHead(this.#head)}\n`;
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#fail(error);
      return;
    }
    try {
      await writeFile(`${path}.new`, head, { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch {}
  }

  #fail(error: unknown): void {
    this.#failure = toVectorBatchError(error, 'VBO_ERR_AUDIT', 'The audit log cannot be written');
    logFailure('Nothing is changed any more.', this.#failure);
  }
}

/**
 * Where a log ends, by its last line alone: `vbo audit verify` reads all of it. Everything behind the last line feed is a
 * line that a crash cut short.
 */
async function headOf(file: FileHandle): Promise<AuditHead> {
  const { size } = await file.stat();
  const length = Math.min(size, TAIL_BYTES);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  const end = buffer.lastIndexOf(LINE_FEED) + 1;
  if (end < length) await file.truncate(size - length + end);
  if (end === 0) return EMPTY;
  const text = buffer.toString('utf8', buffer.lastIndexOf(LINE_FEED, end - 2) + 1, end - 1);
  const head = headBehind(text);
  if (typeof head === 'string') throw new VectorBatchError('VBO_ERR_AUDIT', `Its last line ${head}.`);
  return head;
}
