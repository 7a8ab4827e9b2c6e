import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import type { RejectedRecord, Source, SourceChunk } from '../ingest/ports.js';
import { ELEMENT_TYPES, type ElementType } from './elements.js';
import { FileWindow } from './file-window.js';
import { fingerprintFile } from './fingerprint.js';

/** Element types of the TEXMEX formats, by the file's extension. */
export const VECS_ELEMENTS = { fvecs: ELEMENT_TYPES.f4!, bvecs: ELEMENT_TYPES.u1! } as const;
export type VecsFormat = keyof typeof VECS_ELEMENTS;

const PREFIX_BYTES = 4;
const isPlausible = (dimension: number) => dimension >= 1 && dimension <= MAX_DIMENSION;

/**
 * Rows of a `.fvecs` (float32) or `.bvecs` (uint8) file, the formats of the TEXMEX corpora (SIFT1M, GIST1M,
 * BIGANN): every record is its own dimension as little-endian int32, then that many elements. The first
 * record sets the dimension; one with another plausible dimension is rejected and reading goes on.
 */
export class VecsSource implements Source {
  readonly name: string;
  readonly dimension: number;
  readonly count?: number;
  readonly #element: ElementType;
  readonly #chunkBytes: number;
  #progress: { readBytes: number; totalBytes: number };

  private constructor(window: FileWindow, element: ElementType, dimension: number, chunkBytes: number) {
    const { totalBytes } = window;
    const recordBytes = PREFIX_BYTES + dimension * element.byteLength;
    this.name = window.path;
    this.dimension = dimension;
    if (totalBytes % recordBytes === 0) this.count = totalBytes / recordBytes;
    this.#element = element;
    this.#chunkBytes = chunkBytes;
    this.#progress = { ...window.progress, readBytes: 0 };
  }

  /**
   * @param chunkBytes float32 bytes handed out at once
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED (in the first prefix)
   */
  static async open(path: string, format: VecsFormat, chunkBytes: number): Promise<VecsSource> {
    const window = await FileWindow.open(path, PREFIX_BYTES);
    try {
      if ((await window.refill(PREFIX_BYTES)) < PREFIX_BYTES) throw truncated(window, 0);
      const dimension = window.bytes.readInt32LE(0);
      if (!isPlausible(dimension)) throw implausible(window, 0, dimension);
      return new VecsSource(window, VECS_ELEMENTS[format], dimension, chunkBytes);
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
   * The records from `first` on. Those before are stepped over from prefix to prefix: a record may be of another
   * length than the others.
   * @throws VBO_ERR_FILE_TRUNCATED after the last complete record, if bytes follow it;
   *   VBO_ERR_FILE_FORMAT after the last good record, at one whose dimension cannot be one
   */
  async *from(first: number): AsyncGenerator<SourceChunk, void, undefined> {
    const { dimension } = this;
    const recordBytes = PREFIX_BYTES + dimension * this.#element.byteLength;
    const rowsPerChunk = Math.max(1, Math.floor(this.#chunkBytes / (4 * dimension)));
    const out = new Float32Array(rowsPerChunk * dimension);
    const window = await FileWindow.open(this.name, rowsPerChunk * recordBytes);
    try {
      let position = 0;
      let neededBytes = PREFIX_BYTES;
      while ((await window.refill(neededBytes)) > 0) {
        if (window.available < neededBytes) throw truncated(window, position);
        const positions: number[] = [];
        const rejected: RejectedRecord[] = [];
        let failure: VectorBatchError | undefined;
        while (positions.length < rowsPerChunk) {
          neededBytes = PREFIX_BYTES;
          if (window.available < neededBytes) break;
          const own = window.bytes.readInt32LE(window.start);
          if (!isPlausible(own)) {
            failure = implausible(window, position, own);
            break;
          }
          neededBytes += own * this.#element.byteLength;
          if (window.available < neededBytes) break;
          const from = window.start + PREFIX_BYTES;
          if (position < first) {
            // Settled before.
          } else if (own === dimension) {
            this.#copy(window.bytes, from, out, positions.length * dimension, own);
            positions.push(position);
          } else {
            const values = new Float32Array(own);
            this.#copy(window.bytes, from, values, 0, own);
            rejected.push({
              position,
              code: 'VBO_ERR_DIMENSION',
              message: `Row ${position} (byte ${window.offset}) has dimension ${own}; expected ${dimension}.`,
              vector: Array.from(values),
            });
          }
          window.consume(neededBytes);
          neededBytes = PREFIX_BYTES;
          position++;
        }
        this.#progress = window.progress;
        if (positions.length > 0 || rejected.length > 0) {
          yield {
            positions: rejected.length === 0 ? { first: positions[0]! } : positions,
            vectors: out.subarray(0, positions.length * dimension),
            ...(rejected.length > 0 && { rejected }),
          };
        }
        if (failure) throw failure;
      }
    } finally {
      await window.close();
    }
  }

  #copy(bytes: Buffer<ArrayBuffer>, from: number, out: Float32Array, to: number, length: number): void {
    if (this.#element.byteLength === 1) out.set(bytes.subarray(from, from + length), to);
    else out.set(new Float32Array(bytes.buffer, from, length), to);
  }
}

function truncated(window: FileWindow, row: number): VectorBatchError {
  const { path, offset, endOffset: totalBytes } = window;
  return new VectorBatchError(
    'VBO_ERR_FILE_TRUNCATED',
    `${describe(path)} ends at byte ${totalBytes}, in row ${row} (which starts at byte ${offset}).`,
    { details: { path, row, byteOffset: offset, totalBytes } },
  );
}

function implausible(window: FileWindow, row: number, dimension: number): VectorBatchError {
  const { path, offset } = window;
  return new VectorBatchError(
    'VBO_ERR_FILE_FORMAT',
    `${describe(path)} claims dimension ${dimension} for row ${row} (byte ${offset}); expected 1 to ${MAX_DIMENSION}.`,
    { details: { path, row, byteOffset: offset, dimension } },
  );
}
