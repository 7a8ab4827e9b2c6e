import { FileBytes } from './file-bytes.js';
import { GUNZIP_START_BYTES, GunzipBytes, isGzip } from './gunzip.js';

/**
 * A window that slides over a file in one reused buffer: whatever the file's size, memory is the window's. What a
 * gzip file holds is seen as if it were not compressed.
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
  /** Infinity where it is not known: the file is compressed. */
  readonly totalBytes: number;
  /** The storage. Replaced when the window grows; its first byte is always aligned. */
  bytes: Buffer<ArrayBuffer>;
  start = 0;
  end = 0;
  readonly #file: FileBytes;
  readonly #gunzip: GunzipBytes | undefined;
  #nextOffset = 0;
  /** A read found nothing: the end, even if the file was longer when it was opened. */
  #isExhausted = false;
  /** Why nothing more can be read; thrown when what is at hand does not suffice. */
  #failure: unknown;

  private constructor(file: FileBytes, gunzip: GunzipBytes | undefined, capacityBytes: number) {
    this.path = file.path;
    this.#file = file;
    this.#gunzip = gunzip;
    this.totalBytes = gunzip ? Number.POSITIVE_INFINITY : file.totalBytes;
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /**
   * @param raw shows a gzip file as it is
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY
   */
  static async open(path: string, capacityBytes: number, { raw = false } = {}): Promise<FileWindow> {
    const file = await FileBytes.open(path);
    const start = Buffer.alloc(raw ? 0 : GUNZIP_START_BYTES);
    if (start.length > 0) await file.readInto(start, 0, 0);
    return new FileWindow(file, isGzip(start) ? new GunzipBytes(path) : undefined, capacityBytes);
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

  /** What the file holds is compressed. */
  get isCompressed(): boolean {
    return this.#gunzip !== undefined;
  }

  /** Position after the last byte that was read: where the file ends, once it did. */
  get endOffset(): number {
    return this.#nextOffset;
  }

  /** Bytes on disk: how many were used, and all. */
  get progress(): { readBytes: number; totalBytes: number } {
    const readBytes = this.#gunzip ? this.#gunzip.compressedBytes : this.offset;
    return { readBytes, totalBytes: this.#file.totalBytes };
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
   * @throws VBO_ERR_FILE_TRUNCATED, VBO_ERR_FILE_FORMAT if compressed data is damaged before `minBytes` are at hand
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
    const from = this.#gunzip ?? this.#file;
    while (this.end < this.bytes.length && this.#failure === undefined) {
      let bytesRead = 0;
      try {
        bytesRead = await from.readInto(this.bytes, this.end, this.#nextOffset);
      } catch (error) {
        this.#failure = error;
        break;
      }
      if (bytesRead === 0) {
        this.#isExhausted = true;
        break;
      }
      this.end += bytesRead;
      this.#nextOffset += bytesRead;
    }
    if (this.#failure !== undefined && this.end < minBytes) throw this.#failure;
    return this.end;
  }

  async close(): Promise<void> {
    this.#gunzip?.close();
    await this.#file.close();
  }
}
