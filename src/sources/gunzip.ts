import { createReadStream, type ReadStream } from 'node:fs';
import { createGunzip, type Gunzip } from 'node:zlib';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

/** What has to be seen of a file to tell whether it is gzip. */
export const GUNZIP_START_BYTES = 3;

/** The magic number and the only method there is, deflate (RFC 1952). */
export const isGzip = (start: Uint8Array): boolean =>
  start[0] === 0x1f && start[1] === 0x8b && start[2] === 8;

/** What a gzip file holds, from the start to the end; going back starts anew. */
export class GunzipBytes {
  readonly path: string;
  #file: ReadStream;
  #stream: Gunzip;
  #chunks: AsyncIterator<Buffer>;
  /** What was decompressed and not read yet, and where that is. */
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(path: string) {
    this.path = path;
    [this.#file, this.#stream, this.#chunks] = this.#start();
  }

  /** Compressed bytes read so far. */
  get compressedBytes(): number {
    return this.#file.bytesRead;
  }

  /**
   * Reads into `buffer` from its `start` on; returns how many bytes there were, 0 at the end.
   * @throws VBO_ERR_FILE_TRUNCATED if the compressed data ends early, VBO_ERR_FILE_FORMAT if it is damaged; all that
   *   could be decompressed before was read by then
   */
  async readInto(buffer: Buffer, start: number, position: number): Promise<number> {
    if (position < this.#position) {
      this.close();
      this.#position = 0;
      this.#rest = Buffer.alloc(0);
      [this.#file, this.#stream, this.#chunks] = this.#start();
    }
    for (;;) {
      const skipped = Math.min(position - this.#position, this.#rest.length);
      this.#position += skipped;
      this.#rest = this.#rest.subarray(skipped);
      if (this.#rest.length > 0) break;
      const next = await this.#chunks.next().catch((cause) => {
        throw this.#failure(cause);
      });
      if (next.done) return 0;
      this.#rest = next.value;
    }
    const read = this.#rest.copy(buffer, start);
    this.#position += read;
    this.#rest = this.#rest.subarray(read);
    return read;
  }

  close(): void {
    this.#file.destroy();
    this.#stream.destroy();
  }

  #start(): [ReadStream, Gunzip, AsyncIterator<Buffer>] {
    const file = createReadStream(this.path);
    const stream = file.pipe(createGunzip());
    file.on('error', (error) => stream.destroy(error));
    // Looked at by whoever reads; a stream that is closed early has nobody who does.
    stream.on('error', () => {});
    return [file, stream, stream[Symbol.asyncIterator]()];
  }

  #failure(cause: NodeJS.ErrnoException): VectorBatchError {
    const isCut = cause.code === 'Z_BUF_ERROR';
    return new VectorBatchError(
      isCut ? 'VBO_ERR_FILE_TRUNCATED' : 'VBO_ERR_FILE_FORMAT',
      isCut
        ? `${describe(this.path)} ends in the middle of its compressed data, at byte ${this.#file.bytesRead}; what came before was read.`
        : `${describe(this.path)} is damaged: ${cause.message} (gzip), after ${this.#position} bytes that were decompressed and read.`,
      { cause, details: { path: this.path, byteOffset: this.#file.bytesRead } },
    );
  }
}
