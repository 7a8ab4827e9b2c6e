import { type FileHandle, open } from 'node:fs/promises';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

/**
 * A window that slides over a file in one reused buffer: whatever the file's size, memory is the window's.
 *
 * ```
 * buffer  | unread bytes ............. | free |
 *         start                        end    capacity
 * ```
 *
 * `refill` moves what is unread to the front, so after it `start` is 0 and records keep their alignment.
 */
export class FileWindow {
  readonly path: string;
  readonly totalBytes: number;
  /** The storage. Replaced when the window grows; its first byte is always aligned. */
  bytes: Buffer<ArrayBuffer>;
  start = 0;
  end = 0;
  readonly #handle: FileHandle;
  #nextOffset = 0;
  /** A read found nothing: the end, even if the file was longer when it was opened. */
  #isExhausted = false;

  private constructor(path: string, handle: FileHandle, totalBytes: number, capacityBytes: number) {
    this.path = path;
    this.#handle = handle;
    this.totalBytes = totalBytes;
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY */
  static async open(path: string, capacityBytes: number): Promise<FileWindow> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'r');
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error('it is not a regular file');
      if (stat.size === 0) {
        throw new VectorBatchError('VBO_ERR_FILE_EMPTY', `${describe(path)} is empty: 0 bytes.`, {
          details: { path },
        });
      }
      return new FileWindow(path, handle, stat.size, capacityBytes);
    } catch (cause) {
      await handle?.close();
      if (cause instanceof VectorBatchError) throw cause;
      throw new VectorBatchError(
        'VBO_ERR_FILE_NOT_FOUND',
        `Cannot read ${describe(path)}: ${(cause as Error).message}.`,
        { cause, details: { path } },
      );
    }
  }

  /** Unread bytes at hand. */
  get available(): number {
    return this.end - this.start;
  }

  /** Position in the file of the first unread byte. */
  get offset(): number {
    return this.#nextOffset - this.available;
  }

  /** Whether the buffer holds the file's last byte. */
  get atEnd(): boolean {
    return this.#isExhausted || this.#nextOffset >= this.totalBytes;
  }

  /** Drops what is unread and continues at `offset`. */
  seek(offset: number): void {
    this.start = this.end = 0;
    this.#nextOffset = offset;
    this.#isExhausted = false;
  }

  consume(byteLength: number): void {
    this.start += byteLength;
  }

  /**
   * Fills the buffer from the file and returns the unread bytes at hand: fewer than `minBytes` only where
   * the file ends. Grows the buffer if it cannot hold `minBytes`.
   */
  async refill(minBytes: number): Promise<number> {
    if (minBytes > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(minBytes, 2 * this.bytes.length));
      this.bytes.copy(larger, 0, this.start, this.end);
      this.bytes = larger;
    } else if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
    }
    this.end -= this.start;
    this.start = 0;
    while (this.end < this.bytes.length) {
      const { bytesRead } = await this.#handle.read(
        this.bytes,
        this.end,
        this.bytes.length - this.end,
        this.#nextOffset,
      );
      if (bytesRead === 0) {
        this.#isExhausted = true;
        break;
      }
      this.end += bytesRead;
      this.#nextOffset += bytesRead;
    }
    return this.end;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
