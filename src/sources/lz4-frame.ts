const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const IS_STORED = 0x8000_0000;
const SHORTEST_MATCH = 4;

/**
 * Decompresses one LZ4 frame (LZ4 Frame Format 1.6.3) whose contents are `byteLength` bytes. Checksums are not
 * looked at.
 * @throws Error, RangeError if the frame is damaged or of another length
 */
export function decompressLz4Frame(frame: Uint8Array, byteLength: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('the LZ4 frame lacks its magic number');
  const flags = view.getUint8(4);
  if (flags & FLAG_DICTIONARY) throw new Error('the LZ4 frame needs a dictionary');
  // Flags, block size, the content's size if it is there, and a checksum of the header.
  let position = 7 + (flags & FLAG_CONTENT_SIZE ? 8 : 0);
  const out = new Uint8Array(byteLength);
  let filled = 0;
  for (;;) {
    const word = view.getUint32(position, true);
    position += 4;
    if (word === 0) break;
    const length = (word & ~IS_STORED) >>> 0;
    const block = frame.subarray(position, position + length);
    if (block.length < length) throw new Error('the LZ4 frame ends early');
    if (word & IS_STORED) {
      out.set(block, filled);
      filled += length;
    } else {
      filled = decompressBlock(block, out, filled);
    }
    position += length + (flags & FLAG_BLOCK_CHECKSUM ? 4 : 0);
  }
  if (filled !== byteLength) throw new Error(`the LZ4 frame holds ${filled} bytes; expected ${byteLength}`);
  return out;
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
