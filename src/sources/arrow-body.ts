import { compressors } from 'hyparquet-compressors';
import { VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { BatchLayout } from './arrow-messages.js';
import type { FileBytes } from './file-bytes.js';
import { Lz4Frame } from './lz4-frame.js';
import { Scratch } from './scratch.js';

/** Before a compressed buffer: its length when decompressed, -1 if it is not compressed after all. */
const LENGTH_BYTES = 8;

/**
 * The buffers of a record batch, read in pieces where they lie in the file. One that is compressed with LZ4 is
 * decompressed as it is read; with ZSTD as a whole, when a piece of it is first asked for, and kept.
 */
export class ArrowBody {
  readonly layout: BatchLayout;
  readonly #file: FileBytes;
  readonly #offset: number;
  readonly #bodyLength: number;
  readonly #memoryBytes: number;
  readonly #scratch: Map<number, Scratch> | undefined;
  readonly #decompressed = new Map<number, Uint8Array>();
  readonly #frames = new Map<number, Lz4Frame | undefined>();
  #heldBytes = 0;

  /**
   * @param memoryBytes that decompressed buffers may take
   * @param scratch memory for what is read, by buffer; without it every read is in memory of its own
   */
  constructor(
    file: FileBytes,
    place: { bodyOffset: number; bodyLength: number; layout: BatchLayout },
    memoryBytes: number,
    scratch?: Map<number, Scratch>,
  ) {
    this.layout = place.layout;
    this.#file = file;
    this.#offset = place.bodyOffset;
    this.#bodyLength = place.bodyLength;
    this.#memoryBytes = memoryBytes;
    this.#scratch = scratch;
  }

  /**
   * Bytes `from`..`to` of a buffer, whose start is aligned; none of a buffer that is empty. With `scratch` they are
   * valid until the next of the same buffer are read.
   */
  async read(buffer: number, from: number, to: number): Promise<Uint8Array> {
    const place = this.layout.buffers[buffer];
    if (!place) throw new Error(`it has ${this.layout.buffers.length} buffers, fewer than its schema needs`);
    if (place.length === 0) return new Uint8Array(0);
    if (!(from >= 0 && to >= from && place.offset >= 0 && place.offset + place.length <= this.#bodyLength)) {
      throw new Error(`buffer ${buffer} lies outside its body`);
    }
    if (this.layout.codec === 'lz4') {
      const frame = await this.#frame(buffer, place);
      if (frame) return this.#copy(buffer, await frame.read(from, to));
      const start = this.#offset + place.offset + LENGTH_BYTES;
      return this.#file.read(start + from, to - from, this.#scratchOf(buffer));
    }
    if (this.layout.codec) {
      const bytes = await this.#decompress(buffer, place);
      if (to > bytes.length) throw new Error(`buffer ${buffer} ends at byte ${bytes.length} of ${to}`);
      return this.#copy(buffer, bytes.subarray(from, to));
    }
    if (to > place.length) throw new Error(`buffer ${buffer} ends at byte ${place.length} of ${to}`);
    return this.#file.read(this.#offset + place.offset + from, to - from, this.#scratchOf(buffer));
  }

  #scratchOf(buffer: number): Scratch | undefined {
    if (!this.#scratch) return undefined;
    let own = this.#scratch.get(buffer);
    if (!own) {
      own = new Scratch();
      this.#scratch.set(buffer, own);
    }
    return own;
  }

  /** Where a view of decompressed bytes starts is any place: what is handed out is aligned. */
  #copy(buffer: number, bytes: Uint8Array): Uint8Array {
    const copy = this.#scratchOf(buffer)?.take(bytes.length) ?? new Uint8Array(bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** The frame of a buffer; undefined if it is not compressed after all. */
  async #frame(buffer: number, place: { offset: number; length: number }): Promise<Lz4Frame | undefined> {
    if (this.#frames.has(buffer)) return this.#frames.get(buffer);
    const start = this.#offset + place.offset + LENGTH_BYTES;
    const head = await this.#file.read(start - LENGTH_BYTES, LENGTH_BYTES);
    const byteLength = Number(head.readBigInt64LE(0));
    const end = start + place.length - LENGTH_BYTES;
    const scratch = new Scratch();
    const read = (position: number, length: number) =>
      this.#file.read(start + position, Math.max(0, Math.min(length, end - start - position)), scratch);
    const frame = byteLength === -1 ? undefined : new Lz4Frame(read, byteLength);
    this.#frames.set(buffer, frame);
    return frame;
  }

  async #decompress(buffer: number, place: { offset: number; length: number }): Promise<Uint8Array> {
    const known = this.#decompressed.get(buffer);
    if (known) return known;
    const bytes = await this.#file.read(this.#offset + place.offset, place.length);
    const byteLength = Number(bytes.readBigInt64LE(0));
    // Not a Buffer: its slice() would not copy.
    const data = new Uint8Array(bytes.buffer, LENGTH_BYTES);
    if (byteLength > 1000 * data.length || byteLength < -1) {
      throw new Error(`buffer ${buffer} claims ${byteLength} bytes in ${data.length}`);
    }
    this.#heldBytes += Math.max(byteLength, 0) + data.length;
    if (this.#heldBytes > this.#memoryBytes) {
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `A record batch of ${this.layout.rows} rows in ${JSON.stringify(this.#file.path)} is compressed with ZSTD: decompressing its columns takes ${formatBytes(this.#heldBytes)} or more, ${formatBytes(this.#memoryBytes)} are allowed. Allow more, or write the file with smaller batches, uncompressed or with LZ4.`,
        { details: { neededBytes: this.#heldBytes, memoryBytes: this.#memoryBytes } },
      );
    }
    const out = byteLength === -1 ? data : compressors.ZSTD!(data, byteLength);
    if (byteLength !== -1 && out.length !== byteLength) {
      throw new Error(`buffer ${buffer} holds ${out.length} bytes; expected ${byteLength}`);
    }
    this.#decompressed.set(buffer, out);
    return out;
  }
}
