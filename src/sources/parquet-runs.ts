/**
 * Decodes the hybrid of run lengths and packed bits that Parquet stores levels, dictionary indices and booleans in
 * (https://parquet.apache.org/docs/file-format/data-pages/encodings/, RLE), from `start` on, until `out` is full.
 *
 * ```
 * run     varint: length << 1      | value, in whole bytes
 * packed  varint: groups << 1 | 1  | groups x 8 values of bitWidth bits, the lowest bit first
 * ```
 *
 * @throws Error if the bytes end before, or a run is longer than what is missing
 */
export function decodeRuns(
  bytes: Uint8Array,
  start: number,
  end: number,
  bitWidth: number,
  out: Uint8Array | Uint32Array,
): void {
  if (bitWidth > 32 || end > bytes.length) throw new Error(`runs of ${bitWidth} bits end at byte ${end}`);
  let position = start;
  for (let filled = 0; filled < out.length; ) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      if (position >= end || shift > 28) throw new Error(`${out.length - filled} values are missing`);
      const byte = bytes[position++]!;
      header |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const missing = out.length - filled;
    if (header & 1) {
      const values = (header >>> 1) * 8;
      const count = Math.min(values, missing);
      if (count === 0 || position + Math.ceil((count * bitWidth) / 8) > end) {
        throw new Error(`${missing} values are missing`);
      }
      unpack(bytes, position, bitWidth, out, filled, count);
      position += (values * bitWidth) / 8;
      filled += count;
    } else {
      const count = header >>> 1;
      const width = Math.ceil(bitWidth / 8);
      if (count === 0 || count > missing || position + width > end) {
        throw new Error(`a run of ${count} values where ${missing} are missing`);
      }
      let value = 0;
      for (let i = 0; i < width; i++) value += bytes[position++]! * 2 ** (8 * i);
      out.fill(value, filled, filled + count);
      filled += count;
    }
  }
}

function unpack(
  bytes: Uint8Array,
  start: number,
  bitWidth: number,
  out: Uint8Array | Uint32Array,
  first: number,
  count: number,
): void {
  const mask = bitWidth === 32 ? 0xffff_ffff : 2 ** bitWidth - 1;
  let position = start;
  let held = 0;
  let heldBits = 0;
  if (bitWidth <= 24) {
    for (let i = 0; i < count; i++) {
      while (heldBits < bitWidth) {
        held |= bytes[position++]! << heldBits;
        heldBits += 8;
      }
      out[first + i] = held & mask;
      held >>>= bitWidth;
      heldBits -= bitWidth;
    }
    return;
  }
  // Wider values do not fit beside a byte in 32 bits: in doubles, exactly, below 2^53.
  for (let i = 0; i < count; i++) {
    while (heldBits < bitWidth) {
      held += bytes[position++]! * 2 ** heldBits;
      heldBits += 8;
    }
    const value = held % 2 ** bitWidth;
    out[first + i] = value;
    held = (held - value) / 2 ** bitWidth;
    heldBits -= bitWidth;
  }
}
