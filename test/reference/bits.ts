/** The sign bits of a vector, least significant first. */
export function signBits(vector: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(vector.length / 8));
  for (let d = 0; d < vector.length; d++) if (vector[d]! > 0) bytes[d >> 3]! |= 1 << (d & 7);
  return bytes;
}

export function hammingDistance(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) for (let x = a[i]! ^ b[i]!; x !== 0; x &= x - 1) count++;
  return count;
}
