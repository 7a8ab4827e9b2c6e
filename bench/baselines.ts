/**
 * What a good JavaScript engineer writes without WebAssembly: typed arrays, no allocation in loops, locals
 * hoisted. `kernels.ts` holds the kernels against these.
 */

export function packRows(
  source: Float32Array,
  dimension: number,
  target: Float32Array,
  stride: number,
): void {
  const rows = source.length / dimension;
  for (let row = 0; row < rows; row++) {
    target.set(source.subarray(row * dimension, (row + 1) * dimension), row * stride);
    target.fill(0, row * stride + dimension, (row + 1) * stride);
  }
}

export function rowsToBlocks(source: Float32Array, dimension: number, target: Float32Array): void {
  const rows = source.length / dimension;
  for (let v = 0; v < rows; v++) {
    const from = v * dimension;
    const to = (v >>> 6) * 64 * dimension + (v & 63);
    for (let d = 0; d < dimension; d++) target[to + d * 64] = source[from + d]!;
  }
}

export function blocksToRows(source: Float32Array, dimension: number, target: Float32Array): void {
  const rows = target.length / dimension;
  for (let v = 0; v < rows; v++) {
    const to = v * dimension;
    const from = (v >>> 6) * 64 * dimension + (v & 63);
    for (let d = 0; d < dimension; d++) target[to + d] = source[from + d * 64]!;
  }
}

const half = {
  base: new Uint16Array(512),
  shift: new Uint8Array(512),
};
for (let i = 0; i < 256; i++) {
  const e = i - 127;
  const [base, shift] =
    e < -24
      ? [0, 24]
      : e < -14
        ? [0x400 >> (-e - 14), -e - 1]
        : e <= 15
          ? [(e + 15) << 10, 13]
          : e < 128
            ? [0x7c00, 24]
            : [0x7c00, 13];
  half.base[i] = base;
  half.base[i | 256] = base | 0x8000;
  half.shift[i] = shift;
  half.shift[i | 256] = shift;
}

/** The table method (van der Zijp, "Fast Half Float Conversions"), rounding half up. */
export function encodeFloat16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const { base, shift } = half;
  for (let k = 0; k < bits.length; k++) {
    const x = bits[k]!;
    const index = x >>> 23;
    const s = shift[index]!;
    const mantissa = x & 0x7fffff;
    target[k] = base[index]! + (mantissa >>> s) + ((mantissa >>> (s - 1)) & 1);
  }
}

const halfValues = new Float32Array(65_536);
for (let h = 0; h < 65_536; h++) {
  const e = (h >>> 10) & 31;
  const m = h & 0x3ff;
  const value = e === 0 ? m * 2 ** -24 : e === 31 ? (m ? Number.NaN : Infinity) : (1024 + m) * 2 ** (e - 25);
  halfValues[h] = h & 0x8000 ? -value : value;
}

export function decodeFloat16(source: Uint16Array, target: Float32Array): void {
  for (let k = 0; k < source.length; k++) target[k] = halfValues[source[k]!]!;
}

export function minMax(source: Float32Array): number {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < source.length; k++) {
    const x = source[k]!;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return min + max;
}

export function encodeInt8(
  source: Float32Array,
  dimension: number,
  target: Uint8Array,
  terms: Int32Array,
  inverse: number,
  offset: number,
): void {
  const rows = source.length / dimension;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    let squares = 0;
    for (let k = row * dimension; k < (row + 1) * dimension; k++) {
      const scaled = (source[k]! - offset) * inverse;
      const code = scaled > 0 ? (scaled < 127 ? (scaled + 0.5) | 0 : 127) : 0;
      target[k] = code;
      sum += code;
      squares += code * code;
    }
    terms[2 * row] = sum;
    terms[2 * row + 1] = squares;
  }
}

export function decodeInt8(source: Uint8Array, target: Float32Array, alpha: number, offset: number): void {
  for (let k = 0; k < source.length; k++) target[k] = source[k]! * alpha + offset;
}

export function encodeBits(source: Float32Array, target: Uint8Array): void {
  for (let k = 0, byte = 0; k < source.length; k += 8, byte++) {
    target[byte] =
      (source[k]! > 0 ? 1 : 0) |
      (source[k + 1]! > 0 ? 2 : 0) |
      (source[k + 2]! > 0 ? 4 : 0) |
      (source[k + 3]! > 0 ? 8 : 0) |
      (source[k + 4]! > 0 ? 16 : 0) |
      (source[k + 5]! > 0 ? 32 : 0) |
      (source[k + 6]! > 0 ? 64 : 0) |
      (source[k + 7]! > 0 ? 128 : 0);
  }
}

export function decodeBits(source: Uint8Array, target: Float32Array): void {
  for (let k = 0; k < target.length; k++) target[k] = (source[k >>> 3]! >>> (k & 7)) & 1 ? 1 : -1;
}

export function hamming(query: Uint32Array, bits: Uint32Array, target: Int32Array): void {
  const words = query.length;
  for (let row = 0; row < target.length; row++) {
    let count = 0;
    const first = row * words;
    for (let w = 0; w < words; w++) {
      let x = query[w]! ^ bits[first + w]!;
      x -= (x >>> 1) & 0x55555555;
      x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
      count += Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
    }
    target[row] = count;
  }
}

export function dotRows(
  query: Float32Array | Uint8Array,
  rows: Float32Array | Uint8Array,
  target: Float32Array | Int32Array,
): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d += 4) {
      sum0 += query[d]! * rows[first + d]!;
      sum1 += query[d + 1]! * rows[first + d + 1]!;
      sum2 += query[d + 2]! * rows[first + d + 2]!;
      sum3 += query[d + 3]! * rows[first + d + 3]!;
    }
    target[row] = sum0 + sum1 + (sum2 + sum3);
  }
}

export function squaredL2Rows(
  query: Float32Array | Uint8Array,
  rows: Float32Array | Uint8Array,
  target: Float32Array | Int32Array,
): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum0 = 0;
    let sum1 = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d += 2) {
      const a = query[d]! - rows[first + d]!;
      const b = query[d + 1]! - rows[first + d + 1]!;
      sum0 += a * a;
      sum1 += b * b;
    }
    target[row] = sum0 + sum1;
  }
}

/** x - x is 0 for a finite x and NaN for any other. */
export function firstNonFinite(source: Float32Array): number {
  for (let k = 0; k < source.length; k++) {
    const x = source[k]!;
    if (x - x !== 0) return k;
  }
  return -1;
}

/** FNV-1a over 32-bit words: about the best that a 32-bit multiplier does per byte. */
export function hash(words: Uint32Array): number {
  let h = 0x811c9dc5;
  for (let k = 0; k < words.length; k++) h = Math.imul(h ^ words[k]!, 0x01000193);
  return h;
}
