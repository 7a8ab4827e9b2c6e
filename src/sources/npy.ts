import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Source, SourceChunk } from '../ingest/ports.js';
import { FileWindow } from './file-window.js';
import { fingerprintFile } from './fingerprint.js';
import { type NpyHeader, readNpyHeader } from './npy-header.js';

/**
 * Rows of a two-dimensional NumPy array file (rows x dimension). Float32 in native order is handed out as
 * it lies in the read buffer; other element types are converted. Values are not judged: NaN passes through.
 */
export class NpySource implements Source {
  readonly name: string;
  readonly dimension: number;
  /** Complete rows in the file, at most as many as the header promises; what it promises if the file is compressed. */
  readonly count: number;
  readonly #header: NpyHeader;
  readonly #chunkBytes: number;
  #progress: { readBytes: number; totalBytes: number };

  private constructor(window: FileWindow, header: NpyHeader, chunkBytes: number) {
    const rowBytes = header.dimension * header.element.byteLength;
    this.name = window.path;
    this.dimension = header.dimension;
    this.count = Math.min(header.rows, Math.floor((window.totalBytes - header.dataOffset) / rowBytes));
    this.#header = header;
    this.#chunkBytes = chunkBytes;
    this.#progress = { ...window.progress, readBytes: 0 };
  }

  /**
   * @param chunkBytes float32 bytes handed out at once
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED (in the header)
   */
  static async open(path: string, chunkBytes: number): Promise<NpySource> {
    const window = await FileWindow.open(path, 1024);
    try {
      return new NpySource(window, await readNpyHeader(window), chunkBytes);
    } finally {
      await window.close();
    }
  }

  progress(): { readBytes: number; totalBytes: number } {
    return this.#progress;
  }

  fingerprint(): Promise<string> {
    return fingerprintFile(this.name);
  }

  [Symbol.asyncIterator](): AsyncGenerator<SourceChunk, void, undefined> {
    return this.from(0);
  }

  /**
   * The rows from `position` on; what is before them is not read.
   * @throws VBO_ERR_FILE_TRUNCATED after the last complete row, if the header promises more;
   *   VBO_ERR_FILE_FORMAT after the last row, if bytes follow it: they would be lost in silence
   */
  async *from(position: number): AsyncGenerator<SourceChunk, void, undefined> {
    const { rows, dimension, element, bigEndian, dataOffset } = this.#header;
    const path = this.name;
    const rowBytes = dimension * element.byteLength;
    const rowsPerChunk = Math.max(1, Math.floor(this.#chunkBytes / (4 * dimension)));
    const out = new Float32Array(rowsPerChunk * dimension);
    const window = await FileWindow.open(path, rowsPerChunk * rowBytes);
    try {
      const start = Math.min(position, this.count);
      window.seek(dataOffset + start * rowBytes);
      for (let row = start; row < rows; ) {
        const complete = Math.min(Math.floor((await window.refill(rowBytes)) / rowBytes), rows - row);
        if (complete === 0) {
          throw new VectorBatchError(
            'VBO_ERR_FILE_TRUNCATED',
            `${describe(path)} ends at byte ${window.endOffset}, in row ${row} of ${rows} (which starts at byte ${window.offset}).`,
            { details: { path, row, rows, byteOffset: window.offset, totalBytes: window.endOffset } },
          );
        }
        const bytes = window.bytes.subarray(0, complete * rowBytes);
        if (bigEndian) element.swap?.(bytes);
        window.consume(bytes.length);
        this.#progress = window.progress;
        yield { positions: { first: row }, vectors: element.decode(bytes, out) };
        row += complete;
      }
      if ((await window.refill(1)) > 0) {
        const { offset, endOffset, totalBytes } = window;
        const rest = Number.isFinite(totalBytes) ? totalBytes - offset : `at least ${endOffset - offset}`;
        throw new VectorBatchError(
          'VBO_ERR_FILE_FORMAT',
          `${describe(path)} holds ${rest} bytes after the ${rows} rows its header promises; they were not read.`,
          { details: { path, rows, byteOffset: offset, totalBytes } },
        );
      }
    } finally {
      await window.close();
    }
  }
}
