// Sums of products of a query and codes of 1, 2, 4 and 8 bits: what every scan of codes comes down to.
//
// The query is 16-bit integers, q ~ scale * q16 with |q16| <= 32767 (src/kernels/query.ts): products with codes are exact,
// and two of them are multiplied and added by one instruction. A lane takes a quarter of the products; it is emptied into
// float32 before it could pass 2^31:
//
//   code     largest     emptied after
//   1 bit      1         262,144 elements: never
//   2 bits     3          87,384 elements: never
//   4 bits    15          16,384 elements
//   8 bits   255           1,024 elements
//
// How codes lie in bytes is drawn in the files of their encodings. Precondition: the query has as many elements as there
// are codes; of two bits a multiple of 64.

/** 1024 / 4 * 32767 * 255 < 2^31. */
const BYTE_RUN: usize = 1024;
/** 16384 / 4 * 32767 * 15 < 2^31. */
const NIBBLE_RUN: usize = 16384;

// @ts-ignore: decorator
@inline
function addLanes(x: v128): f32 {
  const lanes = f32x4.convert_i32x4_s(x);
  const pair = f32x4.add(lanes, v128.shuffle<f64>(lanes, lanes, 1, 0));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

// @ts-ignore: decorator
@inline
function addProducts(sum: v128, q: usize, codes: v128): v128 {
  const low = i32x4.dot_i16x8_s(v128.load(q), i16x8.extend_low_i8x16_u(codes));
  const high = i32x4.dot_i16x8_s(v128.load(q, 16), i16x8.extend_high_i8x16_u(codes));
  return i32x4.add(i32x4.add(sum, low), high);
}

/** sum(q16 * code) over `dimension` codes at `p`. Exact up to {@link BYTE_RUN} elements, then rounded to float32 per run. */
// @ts-ignore: decorator
@inline
export function sumBytes(query: usize, p: usize, dimension: u32): f32 {
  const end = p + <usize>dimension;
  const bulk = p + (<usize>dimension & ~15);
  let q = query;
  let total: f32 = 0;
  while (p < bulk) {
    const run = min(bulk, p + BYTE_RUN);
    let sum = i64x2.splat(0);
    for (; p < run; p += 16, q += 32) sum = addProducts(sum, q, v128.load(p));
    total += addLanes(sum);
  }
  let tail: i32 = 0;
  for (; p < end; p++, q += 2) tail += <i32>load<i16>(q) * <i32>load<u8>(p);
  return total + <f32>tail;
}

/** sum(q16 * code) over `dimension` 4-bit codes in halves; exact up to {@link NIBBLE_RUN} elements. */
// @ts-ignore: decorator
@inline
export function sumNibbles(query: usize, codes: usize, dimension: u32): f32 {
  const half = (<usize>dimension + 1) >> 1;
  const upper = query + (half << 1);
  const nibbles = i8x16.splat(15);
  const bulk = half & ~15;
  let j: usize = 0;
  let total: f32 = 0;
  while (j < bulk) {
    const run = min(bulk, j + (NIBBLE_RUN >> 1));
    let sum = i64x2.splat(0);
    for (; j < run; j += 16) {
      const pairs = v128.load(codes + j);
      const low = v128.and(pairs, nibbles);
      const high = v128.and(i16x8.shr_u(pairs, 4), nibbles);
      const q = query + (j << 1);
      const u = upper + (j << 1);
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q), i16x8.extend_low_i8x16_u(low)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q, 16), i16x8.extend_high_i8x16_u(low)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(u), i16x8.extend_low_i8x16_u(high)));
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(u, 16), i16x8.extend_high_i8x16_u(high)));
    }
    total += addLanes(sum);
  }
  const rest = <usize>dimension - half;
  let tail: i32 = 0;
  for (; j < half; j++) {
    const pair = <i32>load<u8>(codes + j);
    tail += <i32>load<i16>(query + (j << 1)) * (pair & 15);
    if (j < rest) tail += <i32>load<i16>(upper + (j << 1)) * (pair >> 4);
  }
  return total + <f32>tail;
}

/** sum(q16 * code) over n elements of two bits. A lane stays below 2^31 up to n = 87,384. */
// @ts-ignore: decorator
@inline
export function sumPairs(query: usize, codes: usize, n: u32): f32 {
  const mask = i8x16.splat(3);
  // Of the query, in bytes: a quarter of n elements of two bytes.
  const quarter = <usize>n >> 1;
  let sum = i64x2.splat(0);
  for (const end = query + quarter; query < end; query += 32, codes += 16) {
    const packed = v128.load(codes);
    const a = v128.and(packed, mask);
    const b = v128.and(i16x8.shr_u(packed, 2), mask);
    const c = v128.and(i16x8.shr_u(packed, 4), mask);
    const d = v128.and(i16x8.shr_u(packed, 6), mask);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(query), i16x8.extend_low_i8x16_u(a)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(query, 16), i16x8.extend_high_i8x16_u(a)));
    const q1 = query + quarter;
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q1), i16x8.extend_low_i8x16_u(b)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q1, 16), i16x8.extend_high_i8x16_u(b)));
    const q2 = q1 + quarter;
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q2), i16x8.extend_low_i8x16_u(c)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q2, 16), i16x8.extend_high_i8x16_u(c)));
    const q3 = q2 + quarter;
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q3), i16x8.extend_low_i8x16_u(d)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q3, 16), i16x8.extend_high_i8x16_u(d)));
  }
  return addLanes(sum);
}

/** sum of q16 where the bit is set, of `dimension` bits, least significant first. */
// @ts-ignore: decorator
@inline
export function sumBits(query: usize, bits: usize, dimension: u32): f32 {
  const masks = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  const bulk = bits + (<usize>dimension >> 3);
  let sum0 = i64x2.splat(0);
  let sum1 = i64x2.splat(0);
  let p = bits;
  for (; p + 2 <= bulk; p += 2, query += 32) {
    // -1 where the bit is set: the sums come out negative.
    const set0 = i16x8.eq(v128.and(i16x8.splat(load<u8>(p)), masks), masks);
    const set1 = i16x8.eq(v128.and(i16x8.splat(load<u8>(p, 1)), masks), masks);
    sum0 = i32x4.add(sum0, i32x4.dot_i16x8_s(v128.load(query), set0));
    sum1 = i32x4.add(sum1, i32x4.dot_i16x8_s(v128.load(query, 16), set1));
  }
  let tail: i32 = 0;
  for (let d: u32 = <u32>(p - bits) << 3; d < dimension; d++, query += 2) {
    if ((load<u8>(bits + (d >> 3)) >> <u8>(d & 7)) & 1) tail += <i32>load<i16>(query);
  }
  return <f32>tail - addLanes(i32x4.add(sum0, sum1));
}
