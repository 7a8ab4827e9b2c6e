// The Walsh-Hadamard transform, and the random rotation made of it (RaBitQ's FhtKacRotator, Gao et al. 2025).
//
// H(1) = (1),  H(2n) = | H(n)  H(n) |     n log n additions in place: for h = 1, 2, 4, .. n / 2 the pairs (i, i + h)
//                      | H(n) -H(n) |     become (x + y, x - y). H is symmetric and H H = n.
//
//   h = 1, 2      within a register, by a swap of lanes and a flip of signs
//   h = 4, 8      between four registers: sixteen elements in the first pass, after their signs
//   h = 16 ..     three levels a pass (eight registers, h apart), then what is left of one or two
//
// A rotation pads the vector to a multiple of 64, n, with zeros and makes four rounds of
//
//   1. multiplication by the round's signs, element by element
//   2. H on 2^floor(log2 n) elements: the first ones in even rounds, the last ones in odd rounds
//   3. unless that is all of them: (x[i], x[i + n / 2]) -> (sum, difference), a rotation by 45 degrees
//
// with the factors 2^(-k/2) and 2^(-1/2) that make each step orthogonal multiplied into the signs. The inverse runs the
// steps backwards, each being its own inverse.
//
//   signs   round 0: n float32 | round 1: ... | round 3         made by src/kernels/hadamard.ts from a seed
//
// Preconditions: sizes of transforms are powers of two from 16; n is a multiple of 64; targets do not overlap.

import { zeroPadding } from "./padding";

const ROUNDS = 4;
const FLIPS = memory.data<u32>([
  0, 0x80000000, 0, 0x80000000,
  0, 0, 0x80000000, 0x80000000,
], 16);

/** Levels h = 1 and 2 of a register. */
// @ts-ignore: decorator
@inline
function within(x: v128, odd: v128, upper: v128): v128 {
  const one = f32x4.add(v128.xor(x, odd), v128.shuffle<f32>(x, x, 1, 0, 3, 2));
  return f32x4.add(v128.xor(one, upper), v128.shuffle<f64>(one, one, 1, 0));
}

/** Levels h = 1, 2, 4 and 8 of `size` elements, source * signs -> target. */
// @ts-ignore: decorator
@inline
function firstPass(source: usize, signs: usize, size: usize, target: usize): void {
  const odd = v128.load(FLIPS, 0);
  const upper = v128.load(FLIPS, 16);
  const end = target + (size << 2);
  for (; target < end; target += 64, source += 64, signs += 64) {
    const a = f32x4.mul(v128.load(source), v128.load(signs));
    const b = f32x4.mul(v128.load(source, 16), v128.load(signs, 16));
    const c = f32x4.mul(v128.load(source, 32), v128.load(signs, 32));
    const d = f32x4.mul(v128.load(source, 48), v128.load(signs, 48));
    butterfly16(a, b, c, d, odd, upper, target);
  }
}

// @ts-ignore: decorator
@inline
function butterfly16(a: v128, b: v128, c: v128, d: v128, odd: v128, upper: v128, target: usize): void {
  const ab = f32x4.add(a, b);
  const ba = f32x4.sub(a, b);
  const cd = f32x4.add(c, d);
  const dc = f32x4.sub(c, d);
  v128.store(target, within(f32x4.add(ab, cd), odd, upper));
  v128.store(target, within(f32x4.add(ba, dc), odd, upper), 16);
  v128.store(target, within(f32x4.sub(ab, cd), odd, upper), 32);
  v128.store(target, within(f32x4.sub(ba, dc), odd, upper), 48);
}

/** The levels from h = 16 on, in place. */
// @ts-ignore: decorator
@inline
function furtherPasses(base: usize, size: usize): void {
  const end = base + (size << 2);
  // In bytes from here.
  const bytes = size << 2;
  let h: usize = 64;
  for (; h << 3 <= bytes; h <<= 3) {
    for (let block = base; block < end; block += h << 3) {
      for (let p = block; p < block + h; p += 16) {
        const p1 = p + h;
        const p2 = p1 + h;
        const p3 = p2 + h;
        const p4 = p3 + h;
        const p5 = p4 + h;
        const p6 = p5 + h;
        const p7 = p6 + h;
        let a = v128.load(p);
        let b = v128.load(p1);
        let c = v128.load(p2);
        let d = v128.load(p3);
        let e = v128.load(p4);
        let f = v128.load(p5);
        let g = v128.load(p6);
        let i = v128.load(p7);
        let t = f32x4.add(a, b);
        b = f32x4.sub(a, b);
        a = f32x4.add(c, d);
        d = f32x4.sub(c, d);
        c = f32x4.sub(t, a);
        t = f32x4.add(t, a);
        a = f32x4.add(b, d);
        d = f32x4.sub(b, d);
        // t a c d: the first four after two levels.
        b = f32x4.add(e, f);
        f = f32x4.sub(e, f);
        e = f32x4.add(g, i);
        i = f32x4.sub(g, i);
        g = f32x4.sub(b, e);
        b = f32x4.add(b, e);
        e = f32x4.add(f, i);
        i = f32x4.sub(f, i);
        // b e g i: the other four.
        v128.store(p, f32x4.add(t, b));
        v128.store(p1, f32x4.add(a, e));
        v128.store(p2, f32x4.add(c, g));
        v128.store(p3, f32x4.add(d, i));
        v128.store(p4, f32x4.sub(t, b));
        v128.store(p5, f32x4.sub(a, e));
        v128.store(p6, f32x4.sub(c, g));
        v128.store(p7, f32x4.sub(d, i));
      }
    }
  }
  if (h << 2 <= bytes) {
    for (let block = base; block < end; block += h << 2) {
      for (let p = block; p < block + h; p += 16) {
        const p1 = p + h;
        const p2 = p1 + h;
        const p3 = p2 + h;
        const a = v128.load(p);
        const b = v128.load(p1);
        const c = v128.load(p2);
        const d = v128.load(p3);
        const ab = f32x4.add(a, b);
        const ba = f32x4.sub(a, b);
        const cd = f32x4.add(c, d);
        const dc = f32x4.sub(c, d);
        v128.store(p, f32x4.add(ab, cd));
        v128.store(p1, f32x4.add(ba, dc));
        v128.store(p2, f32x4.sub(ab, cd));
        v128.store(p3, f32x4.sub(ba, dc));
      }
    }
  } else if (h << 1 <= bytes) {
    for (let p = base; p < base + h; p += 16) {
      const a = v128.load(p);
      const b = v128.load(p + h);
      v128.store(p, f32x4.add(a, b));
      v128.store(p + h, f32x4.sub(a, b));
    }
  }
}

/** target = H (source * signs), row by row; `signs` are `size` float32 and carry the scale. */
export function hadamardRows(
  source: usize, sourceStride: u32, rows: u32, size: u32, target: usize, targetStride: u32, signs: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    firstPass(source, signs, size, target);
    furtherPasses(target, size);
    zeroPadding(target + (<usize>size << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

// @ts-ignore: decorator
@inline
function powerBelow(n: u32): u32 {
  return 1 << (31 - clz<u32>(n));
}

/** (x, y) -> (x + y, x - y) for the two halves of n elements. */
// @ts-ignore: decorator
@inline
function mixHalves(p: usize, n: u32): void {
  const half = <usize>n << 1;
  for (const end = p + half; p < end; p += 16) {
    const x = v128.load(p);
    const y = v128.load(p + half);
    v128.store(p, f32x4.add(x, y));
    v128.store(p + half, f32x4.sub(x, y));
  }
}

// @ts-ignore: decorator
@inline
function multiply(p: usize, signs: usize, count: usize): void {
  for (const end = p + (count << 2); p < end; p += 16, signs += 16) {
    v128.store(p, f32x4.mul(v128.load(p), v128.load(signs)));
  }
}

/** Rotates n elements in place. */
export function rotate(p: usize, n: u32, signs: usize): void {
  const size = powerBelow(n);
  for (let round = 0; round < ROUNDS; round++) {
    const skipped = n - size;
    const first: u32 = round & 1 ? skipped : 0;
    const at = <usize>first << 2;
    firstPass(p + at, signs + at, size, p + at);
    furtherPasses(p + at, size);
    if (skipped) {
      const rest = <usize>(round & 1 ? 0 : size) << 2;
      multiply(p + rest, signs + rest, skipped);
      mixHalves(p, n);
    }
    signs += <usize>n << 2;
  }
}

/** Undoes {@link rotate}, up to rounding. */
export function unrotate(p: usize, n: u32, signs: usize): void {
  const size = powerBelow(n);
  const odd = v128.load(FLIPS, 0);
  const upper = v128.load(FLIPS, 16);
  for (let round = ROUNDS - 1; round >= 0; round--) {
    if (size < n) mixHalves(p, n);
    const skipped: u32 = round & 1 ? n - size : 0;
    const first = p + (<usize>skipped << 2);
    for (let q = first; q < first + (<usize>size << 2); q += 64) {
      butterfly16(v128.load(q), v128.load(q, 16), v128.load(q, 32), v128.load(q, 48), odd, upper, q);
    }
    furtherPasses(first, size);
    multiply(p, signs + <usize>round * (<usize>n << 2), n);
  }
}

/** target = source - centre, and zeros up to `padded` elements. */
// @ts-ignore: decorator
@inline
export function subtractCentre(source: usize, centre: usize, dimension: u32, padded: u32, target: usize): void {
  const bytes = <usize>dimension << 2;
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(target + i, f32x4.sub(v128.load(source + i), v128.load(centre + i)));
  for (; i < bytes; i += 4) store<f32>(target + i, load<f32>(source + i) - load<f32>(centre + i));
  zeroPadding(target + bytes, target + (<usize>padded << 2));
}

/** target = P (source - centre): rows of `dimension` elements -> rows of `padded`. */
export function rotateRows(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  padded: u32, centre: usize, signs: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    subtractCentre(source, centre, dimension, padded, target);
    rotate(target, padded, signs);
    zeroPadding(target + (<usize>padded << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}
