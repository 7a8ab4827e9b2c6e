/** How one element type of a file becomes float32. */
export interface ElementType {
  readonly byteLength: number;
  /**
   * Decodes `bytes` (a whole number of elements, its start aligned to 8) and returns the values: in `out`,
   * or as a view of `bytes` where the bits need no change.
   */
  decode(bytes: Buffer<ArrayBuffer>, out: Float32Array): Float32Array;
  /** Reverses the byte order of every element in place. */
  swap?(bytes: Buffer): void;
}

const filled = (out: Float32Array, values: ArrayLike<number>): Float32Array => {
  out.set(values);
  return out.subarray(0, values.length);
};

/** Element types by the kind and width that NumPy gives them. Native order is little-endian, as WebAssembly's. */
export const ELEMENT_TYPES: Readonly<Record<string, ElementType>> = {
  f2: {
    byteLength: 2,
    decode(bytes, out) {
      const table = float16Table();
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
      for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
      return out.subarray(0, halves.length);
    },
    swap: (bytes) => void bytes.swap16(),
  },
  f4: {
    byteLength: 4,
    decode: (bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
    swap: (bytes) => void bytes.swap32(),
  },
  f8: {
    byteLength: 8,
    decode: (bytes, out) => filled(out, new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)),
    swap: (bytes) => void bytes.swap64(),
  },
  i1: {
    byteLength: 1,
    decode: (bytes, out) => filled(out, new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)),
  },
  u1: { byteLength: 1, decode: (bytes, out) => filled(out, bytes) },
};

let halves: Float32Array | undefined;

/** All 65,536 halves as floats. Filled through bits, so that NaN payloads and -0 survive. */
function float16Table(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65_536);
  const bits = new Uint32Array(halves.buffer);
  for (let half = 0; half < 65_536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0x1f) bits[half] = sign | 0x7f80_0000 | (mantissa << 13);
    else if (exponent > 0) bits[half] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    else halves[half] = (sign ? -1 : 1) * mantissa * 2 ** -24;
  }
  return halves;
}
