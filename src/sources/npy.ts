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
  /** Complete rows in the file, at most as many as the header promises. */
  readonly count: number;
  readonly #header: NpyHeader;
  readonly #chunkBytes: number;
  readonly #totalBytes: number;
  #readBytes = 0;

  private constructor(path: string, header: NpyHeader, totalBytes: number, chunkBytes: number) {
    const rowBytes = header.dimension * header.element.byteLength;
    this.name = path;
    this.dimension = header.dimension;
    this.count = Math.min(header.rows, Math.floor((totalBytes - header.dataOffset) / rowBytes));
    this.#header = header;
    this.#chunkBytes = chunkBytes;
    this.#totalBytes = totalBytes;
  }

  /**
   * @param chunkBytes float32 bytes handed out at once
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED (in the header)
   */
  static async open(path: string, chunkBytes: number): Promise<NpySource> {
    const window = await FileWindow.open(path, 1024);
    try {
      return new NpySource(path, await readNpyHeader(window), window.totalBytes, chunkBytes);
    } finally {
      await window.close();
    }
  }

  progress(): { readBytes: number; totalBytes: number } {
    return { readBytes: this.#readBytes, totalBytes: this.#totalBytes };
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
            `${describe(path)} ends at byte ${window.totalBytes}, in row ${row} of ${rows} (which starts at byte ${window.offset}).`,
            { details: { path, row, rows, byteOffset: window.offset, totalBytes: window.totalBytes } },
          );
        }
        const bytes = window.bytes.subarray(0, complete * rowBytes);
        if (bigEndian) element.swap?.(bytes);
        window.consume(bytes.length);
        this.#readBytes = window.offset;
        yield { positions: { first: row }, vectors: element.decode(bytes, out) };
        row += complete;
      }
      if (window.offset < window.totalBytes) {
        throw new VectorBatchError(
          'VBO_ERR_FILE_FORMAT',
          `${describe(path)} holds ${window.totalBytes - window.offset} bytes after the ${rows} rows its header promises; they were not read.`,
          { details: { path, rows, byteOffset: window.offset, totalBytes: window.totalBytes } },
        );
      }
    } finally {
      await window.close();
    }
  }
}
