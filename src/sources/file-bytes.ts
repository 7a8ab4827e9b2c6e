import { type FileHandle, open } from 'node:fs/promises';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Scratch } from './scratch.js';

/** A file open for reading at any position. */
export class FileBytes {
  readonly path: string;
  readonly totalBytes: number;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, totalBytes: number) {
    this.path = path;
    this.#handle = handle;
    this.totalBytes = totalBytes;
  }

  /** @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY */
  static async open(path: string): Promise<FileBytes> {
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
      return new FileBytes(path, handle, stat.size);
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

  /** Reads into `buffer` from its `start` on; returns how many bytes there were, 0 at the end of the file. */
  async readInto(buffer: Buffer, start: number, position: number): Promise<number> {
    return (await this.#handle.read(buffer, start, buffer.length - start, position)).bytesRead;
  }

  /**
   * Exactly these bytes, whose start is aligned, in memory of their own or in that of `scratch`.
   * @throws VBO_ERR_FILE_TRUNCATED if the file ends before
   */
  async read(position: number, byteLength: number, scratch?: Scratch): Promise<Buffer<ArrayBuffer>> {
    const bytes = scratch?.take(byteLength) ?? Buffer.allocUnsafeSlow(byteLength);
    for (let filled = 0; filled < byteLength; ) {
      const read = await this.readInto(bytes, filled, position + filled);
      if (read === 0) {
        throw new VectorBatchError(
          'VBO_ERR_FILE_TRUNCATED',
          `${describe(this.path)} ends at byte ${position + filled}; expected ${byteLength} bytes from byte ${position} on.`,
          { details: { path: this.path, byteOffset: position, totalBytes: this.totalBytes } },
        );
      }
      filled += read;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
