const scratch = new DataView(new ArrayBuffer(8));

/** The bfloat16 bits of the float32 with these bits: of the two neighbours the nearer one, of equally near the even one. */
export function bfloat16FromBits(bits: number): number {
  const upper = bits >>> 16;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return upper | 0x40;
  if (magnitude === 0x7f800000) return upper;
  // The next one away from zero; after the largest finite value it stands for 2^128.
  const value = valueFrom(upper & 0x7fff);
  const next = (upper & 0x7fff) === 0x7f7f ? 2 ** 128 : valueFrom((upper & 0x7fff) + 1);
  scratch.setUint32(0, magnitude);
  const x = scratch.getFloat32(0);
  const below = x - value;
  const above = next - x;
  return below < above || (below === above && (upper & 1) === 0) ? upper : upper + 1;
}

/** The float32 bits of a bfloat16. */
export const bitsFromBfloat16 = (half: number): number => (half << 16) >>> 0;

function valueFrom(half: number): number {
  scratch.setUint32(4, half << 16);
  return scratch.getFloat32(4);
}
