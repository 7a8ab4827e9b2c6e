import { Readable } from 'node:stream';
import { encode } from '@msgpack/msgpack';
import { toWire } from '../../core/wire.js';
import type { MemoryLayout } from '../../optimizer/memory-layout.js';

/** Copied out of the kernels' memory and sent at a time. */
const PIECE_BYTES = 262_144;
const BIN_32 = 0xc6;
const FIX_MAP = 0x80;

/** The numbers of a layout, without its block and its batches. */
export function factsOf(layout: MemoryLayout) {
  const { rows, dimension, encoding, batchSize, inputBytes, byteLength, explanation } = layout;
  const names = { encoding, layout: layout.layout };
  return { rows, dimension, ...names, batchSize, inputBytes, byteLength, explanation };
}

/** The block's bytes, piece by piece; its memory is given back when the last is read or the reader goes away. */
export function blockStream(layout: MemoryLayout, before?: Uint8Array): Readable {
  const { block, byteLength } = layout;
  let at = 0;
  const stream = new Readable({
    highWaterMark: PIECE_BYTES,
    read() {
      // In a turn of its own: a reader who takes all at once would hold up everybody else until the last piece.
      setImmediate(() => {
        if (this.destroyed) return;
        const end = Math.min(byteLength, at + PIECE_BYTES);
        // Copied: the memory is shared and will be another's.
        if (at < end) this.push(Buffer.from(block.bytes().subarray(at, end)));
        at = end;
        if (at === byteLength) this.push(null);
      });
    },
  });
  if (before) stream.push(Buffer.from(before));
  stream.once('close', () => block.dispose());
  return stream;
}

/**
 * What stands in front of the block in a MessagePack answer: the facts as a map that has one entry more, `data`, whose
 * bytes are to follow. So a large block need not be held a second time.
 */
export function messagePackHead(layout: MemoryLayout): Uint8Array {
  // By hand what `toWire` does: there may be many.
  const batches = layout.batches.map(({ firstRow, rows, byteOffset, byteLength }) => ({
    first_row: firstRow,
    rows,
    byte_offset: byteOffset,
    byte_length: byteLength,
  }));
  const facts = encode({ ...(toWire(factsOf(layout)) as object), batches });
  const key = encode('data');
  const head = new Uint8Array(facts.byteLength + key.byteLength + 5);
  head.set(facts);
  // Fewer than fifteen entries: their number stands in the first byte.
  head[0] = FIX_MAP | ((facts[0]! & 0x0f) + 1);
  head.set(key, facts.byteLength);
  const bin = facts.byteLength + key.byteLength;
  head[bin] = BIN_32;
  new DataView(head.buffer).setUint32(bin + 1, layout.byteLength);
  return head;
}
