// From dot products to the best k rows.
//
//   cosine   dot / (|q| sqrt(n_row))             n_row = |x|^2
//   l2       -(|q|^2 - 2 dot + n_row)            negative, so that greater is always better
//
// The k best are kept in a heap whose root is the worst of them; a row enters if it beats the root. Sixteen scores are
// held against the root at once, so nearly all rows cost a quarter of a comparison.
//
//   heap   k pairs { f32 score, u32 row }; in the end best first. Among equals the smaller row is better.
//
// NaN counts as -Infinity. Preconditions: 1 <= k <= count; nothing overlaps.

/** scores[i] = scores[i] * inverseLength / sqrt(squares[i]); 0 where squares[i] is not above 0. */
export function cosineScores(scores: usize, squares: usize, count: u32, inverseLength: f32): void {
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(inverseLength);
  const end = scores + (<usize>count << 2);
  for (; scores + 16 <= end; scores += 16, squares += 16) {
    const square = v128.load(squares);
    const cosine = f32x4.div(f32x4.mul(v128.load(scores), scale), f32x4.sqrt(square));
    v128.store(scores, v128.and(cosine, f32x4.gt(square, zero)));
  }
  for (; scores < end; scores += 4, squares += 4) {
    const square = load<f32>(squares);
    store<f32>(scores, square > 0 ? load<f32>(scores) * inverseLength / sqrt<f32>(square) : 0);
  }
}

/** scores[i] = min(0, 2 scores[i] - squares[i] - querySquare): the negative squared distance. */
export function l2Scores(scores: usize, squares: usize, count: u32, querySquare: f32): void {
  const zero = f32x4.splat(0);
  const squareOfQuery = f32x4.splat(querySquare);
  const end = scores + (<usize>count << 2);
  for (; scores + 16 <= end; scores += 16, squares += 16) {
    const dot = v128.load(scores);
    const negative = f32x4.sub(f32x4.sub(f32x4.add(dot, dot), v128.load(squares)), squareOfQuery);
    v128.store(scores, f32x4.pmin(negative, zero));
  }
  for (; scores < end; scores += 4, squares += 4) {
    const dot = load<f32>(scores);
    const negative = dot + dot - load<f32>(squares) - querySquare;
    store<f32>(scores, negative > 0 ? 0 : negative);
  }
}

/** Is pair a worse than pair b? */
// @ts-ignore: decorator
@inline
function worse(a: usize, b: usize): bool {
  const x = load<f32>(a);
  const y = load<f32>(b);
  return x < y || (x == y && load<u32>(a, 4) > load<u32>(b, 4));
}

// @ts-ignore: decorator
@inline
function swap(a: usize, b: usize): void {
  const x = load<u64>(a);
  store<u64>(a, load<u64>(b));
  store<u64>(b, x);
}

/** Restores the heap of `count` pairs below `parent`. */
function siftDown(heap: usize, parent: u32, count: u32): void {
  for (;;) {
    let child: u32 = (parent << 1) + 1;
    if (child >= count) return;
    if (child + 1 < count && worse(heap + (<usize>child << 3) + 8, heap + (<usize>child << 3))) child++;
    const p = heap + (<usize>parent << 3);
    const c = heap + (<usize>child << 3);
    if (!worse(c, p)) return;
    swap(c, p);
    parent = child;
  }
}

/** heap = the k best of `count` scores, best first. */
export function topK(scores: usize, count: u32, k: u32, heap: usize): void {
  let row: u32 = 0;
  for (; row < k; row++) {
    const score = load<f32>(scores + (<usize>row << 2));
    store<f32>(heap + (<usize>row << 3), score == score ? score : -Infinity as f32);
    store<u32>(heap + (<usize>row << 3), row, 4);
  }
  for (let parent: u32 = k >> 1; parent > 0; parent--) siftDown(heap, parent - 1, k);
  let root = load<f32>(heap);
  let p = scores + (<usize>row << 2);
  const end = scores + (<usize>count << 2);
  while (p < end) {
    if (p + 64 <= end) {
      const roots = f32x4.splat(root);
      const better = v128.or(
        v128.or(f32x4.gt(v128.load(p), roots), f32x4.gt(v128.load(p, 16), roots)),
        v128.or(f32x4.gt(v128.load(p, 32), roots), f32x4.gt(v128.load(p, 48), roots)),
      );
      if (!v128.any_true(better)) {
        p += 64;
        row += 16;
        continue;
      }
    }
    for (const stop = min(p + 64, end); p < stop; p += 4, row++) {
      const score = load<f32>(p);
      if (!(score > root)) continue;
      store<f32>(heap, score);
      store<u32>(heap, row, 4);
      siftDown(heap, 0, k);
      root = load<f32>(heap);
    }
  }
  // The worst of what is left goes to the end, time and again.
  for (let left: u32 = k; left > 1; left--) {
    swap(heap, heap + (<usize>(left - 1) << 3));
    siftDown(heap, 0, left - 1);
  }
}
