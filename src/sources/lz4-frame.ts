const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const IS_STORED = 0x8000_0000;
const SHORTEST_MATCH = 4;
/** Magic number, flags, block size, the content's size (if it is there), a checksum of these. */
const MOST_HEADER_BYTES = 15;
/** How far back a match can reach. */
const HISTORY_BYTES = 65_536;

/** Bytes of the frame, valid until the next are read; may be fewer at its end. */
export type ReadFrame = (position: number, byteLength: number) => Promise<Uint8Array>;

/**
 * What one LZ4 frame holds (LZ4 Frame Format 1.6.3), decompressed block by block as it is read: memory is a block's
 * and what is asked for. Reading on is cheap, going back begins anew. Checksums are not looked at.
 */
export class Lz4Frame {
  readonly #read: ReadFrame;
  /** What the frame is said to hold. */
  readonly #byteLength: number;
  /** Where the next block lies in the frame; 0 before the header was read. */
  #position = 0;
  #blockBytes = 0;
  #checksumBytes = 0;
  /** Decompressed bytes `#heldFrom`..`#heldTo`, at the start of `#held`. */
  #held = new Uint8Array(0);
  #heldFrom = 0;
  #heldTo = 0;

  constructor(read: ReadFrame, byteLength: number) {
    this.#read = read;
    this.#byteLength = byteLength;
  }

  /**
   * Bytes `from`..`to`, valid until the next are read.
   * @throws Error, RangeError if the frame is damaged or of another length
   */
  async read(from: number, to: number): Promise<Uint8Array> {
    if (to > this.#byteLength) throw new Error(`the LZ4 frame holds ${this.#byteLength} bytes of ${to}`);
    if (this.#position === 0 || from < this.#heldFrom) await this.#start();
    while (this.#heldTo < to) await this.#next(from);
    return this.#held.subarray(from - this.#heldFrom, to - this.#heldFrom);
  }

  async #start(): Promise<void> {
    const header = await this.#read(0, MOST_HEADER_BYTES);
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    if (view.getUint32(0, true) !== MAGIC) throw new Error('the LZ4 frame lacks its magic number');
    const flags = view.getUint8(4);
    if (flags & FLAG_DICTIONARY) throw new Error('the LZ4 frame needs a dictionary');
    const size = (view.getUint8(5) >>> 4) & 7;
    if (size < 4) throw new Error(`the LZ4 frame has blocks of the unknown size ${size}`);
    this.#blockBytes = 2 ** (8 + 2 * size);
    this.#checksumBytes = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0;
    this.#position = 7 + (flags & FLAG_CONTENT_SIZE ? 8 : 0);
    this.#heldFrom = this.#heldTo = 0;
  }

  /** Decompresses a block behind what is held; of that, what is before `from` and out of reach goes. */
  async #next(from: number): Promise<void> {
    const head = await this.#read(this.#position, 4);
    const word = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0, true);
    const length = (word & ~IS_STORED) >>> 0;
    if (word === 0 || length > this.#blockBytes) throw new Error('the LZ4 frame ends early');
    const block = await this.#read(this.#position + 4, length);
    if (block.length < length) throw new Error('the LZ4 frame ends early');
    this.#position += 4 + length + this.#checksumBytes;

    const keepFrom = Math.max(this.#heldFrom, Math.min(from, this.#heldTo - HISTORY_BYTES));
    const kept = this.#held.subarray(keepFrom - this.#heldFrom, this.#heldTo - this.#heldFrom);
    if (kept.length + this.#blockBytes > this.#held.length) {
      const larger = new Uint8Array(2 * (kept.length + this.#blockBytes));
      larger.set(kept);
      this.#held = larger;
    } else {
      this.#held.set(kept);
    }
    this.#heldFrom = keepFrom;
    if (word & IS_STORED) {
      this.#held.set(block, kept.length);
      this.#heldTo += length;
    } else {
      this.#heldTo = keepFrom + decompressBlock(block, this.#held, kept.length);
    }
    if (this.#heldTo > this.#byteLength)
      throw new Error(`the LZ4 frame holds more than ${this.#byteLength} bytes`);
  }
}

/** A block's matches may reach back into the blocks before it. Returns where its output ends. */
function decompressBlock(block: Uint8Array, out: Uint8Array, start: number): number {
  let filled = start;
  for (let i = 0; i < block.length; ) {
    const token = block[i++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        more = block[i++]!;
        literals += more;
      } while (more === 255);
    }
    out.set(block.subarray(i, i + literals), filled);
    i += literals;
    filled += literals;
    if (i >= block.length) break;
    const distance = block[i]! | (block[i + 1]! << 8);
    i += 2;
    let length = token & 15;
    if (length === 15) {
      let more: number;
      do {
        more = block[i++]!;
        length += more;
      } while (more === 255);
    }
    length += SHORTEST_MATCH;
    if (!(distance > 0 && distance <= filled && filled + length <= out.length)) {
      throw new Error('the LZ4 frame is damaged');
    }
    if (distance >= length) {
      out.copyWithin(filled, filled - distance, filled - distance + length);
      filled += length;
    } else {
      // The match overlaps what it makes: byte by byte.
      for (const end = filled + length; filled < end; filled++) out[filled] = out[filled - distance]!;
    }
  }
  return filled;
}
