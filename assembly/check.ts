// Is every float32 finite? It runs on every vector that enters, so it only reads.
//
// A float32 is NaN or infinite exactly when its exponent bits are all ones, that is when its bits without the sign,
// as an integer, are at least 0x7f800000. A chunk is reduced to the greatest such integer per lane (one `and`, one
// `max` per register); only a chunk that fails is searched element by element.

const ABS: u32 = 0x7fffffff;
const INFINITY_BITS: u32 = 0x7f800000;
const CHUNK_BYTES: usize = 4096;

const CONSTANTS = memory.data<u32>([
  ABS, ABS, ABS, ABS,
  INFINITY_BITS - 1, INFINITY_BITS - 1, INFINITY_BITS - 1, INFINITY_BITS - 1,
], 16);

/** `base` + the index of the first NaN or infinity among `count` contiguous float32; -1 if all are finite. */
export function firstNonFiniteFloat32(source: usize, count: u32, base: i32): i32 {
  const absMask = v128.load(CONSTANTS, 0);
  const maxFinite = v128.load(CONSTANTS, 16);
  const end = source + (<usize>count << 2);
  let p = source;
  while (p < end) {
    const chunkEnd = min(p + CHUNK_BYTES, end);
    const chunk = p;
    let most0 = i64x2.splat(0);
    let most1 = most0;
    let most2 = most0;
    let most3 = most0;
    for (; p + 64 <= chunkEnd; p += 64) {
      most0 = i32x4.max_s(most0, v128.and(absMask, v128.load(p)));
      most1 = i32x4.max_s(most1, v128.and(absMask, v128.load(p, 16)));
      most2 = i32x4.max_s(most2, v128.and(absMask, v128.load(p, 32)));
      most3 = i32x4.max_s(most3, v128.and(absMask, v128.load(p, 48)));
    }
    for (; p < chunkEnd; p += 4) most0 = i32x4.max_s(most0, v128.and(absMask, v128.load32_splat(p)));
    const most = i32x4.max_s(i32x4.max_s(most0, most1), i32x4.max_s(most2, most3));
    if (v128.any_true(i32x4.gt_s(most, maxFinite))) {
      for (p = chunk; p < chunkEnd; p += 4) {
        if ((load<u32>(p) & ABS) >= INFINITY_BITS) return base + <i32>((p - source) >> 2);
      }
    }
  }
  return -1;
}
