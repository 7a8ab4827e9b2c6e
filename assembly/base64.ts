// Bytes of rows -> base64 (RFC 4648, section 4: the standard alphabet, padded), each row on its own, after Wojciech
// Muła and Daniel Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018). Twelve bytes make
// sixteen characters:
//
//   three bytes a b c as two 16-bit lanes, a b | b c, by a shuffle
//   their four 6-bit fields i j k l, each to a byte, by shifts of a lane:
//
//     a b  iiiiiijj jjjj----    i >> 10, j << 4         b c  ----kkkk kkllllll    k >> 6, l << 8
//
//   a field to its character by adding one of five distances:  A-Z 0..25  a-z 26..51  0-9 52..61  + 62  / 63
//
// The distance is looked up by max(field - 51, 0), which is 0 for the letters and 1 .. 12 for the rest; 13 marks A-Z.
//
// Preconditions: targetStride >= 4 * ceil(rowBytes / 3); source and target do not overlap.

/** The distances to lower case letters, ten digits, plus, slash, upper case letters; then masks and bounds. */
const CONSTANTS = memory.data<u8>([
  71, 252, 252, 252, 252, 252, 252, 252, 252, 252, 252, 237, 240, 65, 0, 0,
  0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0,
  0, 0, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0x3f, 0,
  0xf0, 0x03, 0x3f, 0, 0xf0, 0x03, 0x3f, 0, 0xf0, 0x03, 0x3f, 0, 0xf0, 0x03, 0x3f, 0,
  16, 0, 0, 1, 16, 0, 0, 1, 16, 0, 0, 1, 16, 0, 0, 1,
  51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51,
  26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26,
  13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13,
], 16);
const CHARACTERS = memory.data<u8>([
  65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90,
  97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120,
  121, 122, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 43, 47,
]);
const PAD: u8 = 61;

/** The characters of the first twelve bytes of `x`. */
// @ts-ignore: decorator
@inline
function encode12(
  x: v128, distances: v128, first: v128, third: v128, others: v128, factors: v128, last: v128, upper: v128, kind: v128,
): v128 {
  const lanes = i8x16.shuffle(x, x, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  const fields = v128.or(
    v128.or(
      v128.and(i32x4.shr_u(lanes, 10), first),
      v128.and(i32x4.shr_u(lanes, 6), third),
    ),
    i16x8.mul(v128.and(lanes, others), factors),
  );
  const kinds = v128.or(i8x16.sub_sat_u(fields, last), v128.and(i8x16.gt_s(upper, fields), kind));
  return i8x16.add(fields, i8x16.swizzle(distances, kinds));
}

// @ts-ignore: decorator
@inline
function character(field: u32): u8 {
  return load<u8>(CHARACTERS + (field & 63));
}

/** Rows of `rowBytes` bytes, `sourceStride` apart -> their characters, `targetStride` apart. */
export function encodeBase64(
  source: usize, sourceStride: u32, rows: u32, rowBytes: u32, target: usize, targetStride: u32,
): void {
  // Loaded, not splatted: V8 makes a splat anew in every turn of the loop.
  const distances = v128.load(CONSTANTS);
  const first = v128.load(CONSTANTS, 16);
  const third = v128.load(CONSTANTS, 32);
  const others = v128.load(CONSTANTS, 48);
  const factors = v128.load(CONSTANTS, 64);
  const last = v128.load(CONSTANTS, 80);
  const upper = v128.load(CONSTANTS, 96);
  const kind = v128.load(CONSTANTS, 112);
  for (let row: u32 = 0; row < rows; row++) {
    let p = source;
    let to = target;
    const end = source + rowBytes;
    // Sixteen bytes are read for twelve.
    for (; p + 28 <= end; p += 24, to += 32) {
      v128.store(to, encode12(v128.load(p), distances, first, third, others, factors, last, upper, kind));
      v128.store(to, encode12(v128.load(p, 12), distances, first, third, others, factors, last, upper, kind), 16);
    }
    for (; p + 3 <= end; p += 3, to += 4) {
      const bytes = (<u32>load<u8>(p) << 16) | (<u32>load<u8>(p, 1) << 8) | <u32>load<u8>(p, 2);
      store<u8>(to, character(bytes >> 18));
      store<u8>(to, character(bytes >> 12), 1);
      store<u8>(to, character(bytes >> 6), 2);
      store<u8>(to, character(bytes), 3);
    }
    if (p < end) {
      const two = p + 2 == end;
      const bytes = (<u32>load<u8>(p) << 16) | (two ? <u32>load<u8>(p, 1) << 8 : 0);
      store<u8>(to, character(bytes >> 18));
      store<u8>(to, character(bytes >> 12), 1);
      store<u8>(to, two ? character(bytes >> 6) : PAD, 2);
      store<u8>(to, PAD, 3);
    }
    source += sourceStride;
    target += targetStride;
  }
}
