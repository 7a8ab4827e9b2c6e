/**
 * What a good JavaScript engineer writes for the same result without WebAssembly: one plain loop over typed arrays per
 * job, locals hoisted, nothing allocated inside, each function only ever called with the same types of arrays (V8
 * compiles a loop that sees two kinds of array to much slower code). `kernels.ts` holds the kernels against these.
 *
 * Where a kernel rounds in float32, the plain loop computes in float64: it may differ in the last bit, never in the
 * work done.
 */

/** Rows `stride` elements apart, padding zeroed: `set` per row, the engine's memmove. */
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

/** The same from an array per row. */
export function packArrays(source: readonly Float32Array[], target: Float32Array, stride: number): void {
  for (let row = 0; row < source.length; row++) {
    const vector = source[row]!;
    target.set(vector, row * stride);
    for (let k = row * stride + vector.length; k < (row + 1) * stride; k++) target[k] = 0;
  }
}

/** One `set` per row. */
export function unpackRows(
  source: Float32Array,
  stride: number,
  target: Float32Array,
  dimension: number,
): void {
  const rows = target.length / dimension;
  for (let row = 0; row < rows; row++) {
    target.set(source.subarray(row * stride, row * stride + dimension), row * dimension);
  }
}

/** The transpose to blocks of 64 vectors: rows read in order, one store per line. */
export function rowsToBlocks(source: Float32Array, dimension: number, target: Float32Array): void {
  const rows = source.length / dimension;
  for (let v = 0; v < rows; v++) {
    const from = v * dimension;
    const to = (v >>> 6) * 64 * dimension + (v & 63);
    for (let d = 0; d < dimension; d++) target[to + d * 64] = source[from + d]!;
  }
}

/** The way back: rows written in order. */
export function blocksToRows(source: Float32Array, dimension: number, target: Float32Array): void {
  const rows = target.length / dimension;
  for (let v = 0; v < rows; v++) {
    const to = v * dimension;
    const from = (v >>> 6) * 64 * dimension + (v & 63);
    for (let d = 0; d < dimension; d++) target[to + d] = source[from + d * 64]!;
  }
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/**
 * Integer arithmetic on the bits, to nearest even: one branch that normal numbers take (F. Giesen,
 * "float_to_half_fast3_rtne"; the same steps as the kernel's). It beats the table method.
 */
export function encodeFloat16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let k = 0; k < bits.length; k++) {
    const x = bits[k]!;
    const a = x & 0x7fffffff;
    let magnitude: number;
    if (a >= 0x38800000 && a < 0x47800000) {
      magnitude = (a - 0x37fff001 + ((a >>> 13) & 1)) >>> 13;
    } else if (a < 0x38800000) {
      scratchBits[0] = a;
      scratch[0] = scratch[0]! + 0.5;
      magnitude = scratchBits[0]! - 0x3f000000;
    } else {
      magnitude = a > 0x7f800000 ? 0x7e00 | ((a >>> 13) & 0x1ff) : 0x7c00;
    }
    target[k] = magnitude | ((x >>> 16) & 0x8000);
  }
}

const halfValues = new Float32Array(65_536);
for (let h = 0; h < 65_536; h++) {
  const e = (h >>> 10) & 31;
  const m = h & 0x3ff;
  const value = e === 0 ? m * 2 ** -24 : e === 31 ? (m ? Number.NaN : Infinity) : (1024 + m) * 2 ** (e - 25);
  halfValues[h] = h & 0x8000 ? -value : value;
}

/** One table of all 65,536 values. */
export function decodeFloat16(source: Uint16Array, target: Float32Array): void {
  for (let k = 0; k < source.length; k++) target[k] = halfValues[source[k]!]!;
}

/** Two comparisons an element. */
export function minMax(source: Float32Array): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < source.length; k++) {
    const x = source[k]!;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return { min, max };
}

/** Scale, clamp, round half up. */
export function encodeInt8(source: Float32Array, target: Uint8Array, inverse: number, offset: number): void {
  for (let k = 0; k < source.length; k++) {
    const scaled = (source[k]! - offset) * inverse;
    target[k] = scaled > 0 ? (scaled < 127 ? (scaled + 0.5) | 0 : 127) : 0;
  }
}

/** {@link encodeInt8} that keeps the sum of each row's codes and of their squares. */
export function encodeInt8WithTerms(
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

/** One multiplication and one addition an element. */
export function decodeInt8(source: Uint8Array, target: Float32Array, alpha: number, offset: number): void {
  for (let k = 0; k < source.length; k++) target[k] = source[k]! * alpha + offset;
}

/** Eight comparisons a byte; rows start at multiples of `strideBytes`. */
export function encodeBits(
  source: Float32Array,
  dimension: number,
  target: Uint8Array,
  strideBytes: number,
): void {
  const rows = source.length / dimension;
  for (let row = 0; row < rows; row++) {
    let k = row * dimension;
    let to = row * strideBytes;
    const end = k + dimension;
    for (; k + 8 <= end; k += 8) {
      target[to++] =
        (source[k]! > 0 ? 1 : 0) |
        (source[k + 1]! > 0 ? 2 : 0) |
        (source[k + 2]! > 0 ? 4 : 0) |
        (source[k + 3]! > 0 ? 8 : 0) |
        (source[k + 4]! > 0 ? 16 : 0) |
        (source[k + 5]! > 0 ? 32 : 0) |
        (source[k + 6]! > 0 ? 64 : 0) |
        (source[k + 7]! > 0 ? 128 : 0);
    }
    if (k === end) continue;
    let byte = 0;
    for (let bit = 1; k < end; k++, bit <<= 1) if (source[k]! > 0) byte |= bit;
    target[to] = byte;
  }
}

/** One shift and one choice an element. */
export function decodeBits(
  source: Uint8Array,
  strideBytes: number,
  target: Float32Array,
  dimension: number,
): void {
  const rows = target.length / dimension;
  for (let row = 0; row < rows; row++) {
    const from = row * strideBytes;
    const to = row * dimension;
    for (let d = 0; d < dimension; d++) target[to + d] = (source[from + (d >>> 3)]! >>> (d & 7)) & 1 ? 1 : -1;
  }
}

/** 32 bits at a time, bits counted in parallel inside the word ("Hacker's Delight", 5-1). */
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

/** One multiplication and one addition an element. */
export function dotFloat32(query: Float32Array, rows: Float32Array, target: Float32Array): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d++) sum += query[d]! * rows[first + d]!;
    target[row] = sum;
  }
}

/** One difference and its square an element. */
export function squaredL2Float32(query: Float32Array, rows: Float32Array, target: Float32Array): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d++) {
      const difference = query[d]! - rows[first + d]!;
      sum += difference * difference;
    }
    target[row] = sum;
  }
}

/** {@link dotFloat32} of codes, in integers. */
export function dotInt8(query: Uint8Array, rows: Uint8Array, target: Int32Array): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d++) sum = (sum + query[d]! * rows[first + d]!) | 0;
    target[row] = sum;
  }
}

/** {@link squaredL2Float32} of codes, in integers. */
export function squaredL2Int8(query: Uint8Array, rows: Uint8Array, target: Int32Array): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d++) {
      const difference = query[d]! - rows[first + d]!;
      sum = (sum + difference * difference) | 0;
    }
    target[row] = sum;
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

/** FNV-1a over 32-bit words, not the kernel's XXH64: about the best that a 32-bit multiplier does per byte. */
export function hash(words: Uint32Array): number {
  let h = 0x811c9dc5;
  for (let k = 0; k < words.length; k++) h = Math.imul(h ^ words[k]!, 0x01000193);
  return h;
}
