// One float32 query against float32 rows: dot product and squared Euclidean distance.
//
// A row is summed in eight lanes: element i goes to lane i mod 8 of two registers, in order; then the registers are
// added, then the lanes as (0 + 2) + (1 + 3), then the last dimension mod 8 elements one by one. The four-row variants
// keep the same order for each row, so both variants give the same bits: which one runs is a matter of speed only.
// Four rows share each load of the query (they win in cache); one row is one stream (it wins from memory).
//
// Preconditions: strideBytes >= 4 * dimension; the query has `dimension` elements; target does not overlap.

// @ts-ignore: decorator
@inline
function addLanes(x: v128, y: v128): f32 {
  const sum = f32x4.add(x, y);
  const pair = f32x4.add(sum, v128.shuffle<f64>(sum, sum, 1, 0));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

// @ts-ignore: decorator
@inline
function addProduct(sum: v128, q: v128, p: usize): v128 {
  return f32x4.add(sum, f32x4.mul(q, v128.load(p)));
}

// @ts-ignore: decorator
@inline
function addSquare(sum: v128, q: v128, p: usize): v128 {
  const difference = f32x4.sub(q, v128.load(p));
  return f32x4.add(sum, f32x4.mul(difference, difference));
}

// @ts-ignore: decorator
@inline
function dotTail(sum: f32, q: usize, p: usize, end: usize): f32 {
  for (; p < end; p += 4, q += 4) sum += load<f32>(q) * load<f32>(p);
  return sum;
}

// @ts-ignore: decorator
@inline
function squareTail(sum: f32, q: usize, p: usize, end: usize): f32 {
  for (; p < end; p += 4, q += 4) {
    const difference = load<f32>(q) - load<f32>(p);
    sum += difference * difference;
  }
  return sum;
}

/** target[row] = sum(query * row), float32, one row at a time. */
export function dotFloat32By1(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const rowBytes = <usize>dimension << 2;
  const bulk = rowBytes & ~31;
  for (let row: u32 = 0; row < rows; row++) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    for (let i: usize = 0; i < bulk; i += 32) {
      sum0 = addProduct(sum0, v128.load(query + i), source + i);
      sum1 = addProduct(sum1, v128.load(query + i, 16), source + i + 16);
    }
    store<f32>(target, dotTail(addLanes(sum0, sum1), query + bulk, source + bulk, source + rowBytes));
    source += strideBytes;
    target += 4;
  }
}

/** {@link dotFloat32By1}, four rows at a time. */
export function dotFloat32By4(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const rowBytes = <usize>dimension << 2;
  const bulk = rowBytes & ~31;
  const stride = <usize>strideBytes;
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let b0 = f32x4.splat(0);
    let b1 = f32x4.splat(0);
    let c0 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    const a = source;
    const b = a + stride;
    const c = b + stride;
    const d = c + stride;
    for (let i: usize = 0; i < bulk; i += 32) {
      const q0 = v128.load(query + i);
      const q1 = v128.load(query + i, 16);
      a0 = addProduct(a0, q0, a + i);
      a1 = addProduct(a1, q1, a + i + 16);
      b0 = addProduct(b0, q0, b + i);
      b1 = addProduct(b1, q1, b + i + 16);
      c0 = addProduct(c0, q0, c + i);
      c1 = addProduct(c1, q1, c + i + 16);
      d0 = addProduct(d0, q0, d + i);
      d1 = addProduct(d1, q1, d + i + 16);
    }
    const q = query + bulk;
    store<f32>(target, dotTail(addLanes(a0, a1), q, a + bulk, a + rowBytes));
    store<f32>(target, dotTail(addLanes(b0, b1), q, b + bulk, b + rowBytes), 4);
    store<f32>(target, dotTail(addLanes(c0, c1), q, c + bulk, c + rowBytes), 8);
    store<f32>(target, dotTail(addLanes(d0, d1), q, d + bulk, d + rowBytes), 12);
    source += stride << 2;
    target += 16;
  }
  if (row < rows) dotFloat32By1(query, source, strideBytes, rows - row, dimension, target);
}

/** target[row] = sum((query - row)^2), float32, one row at a time. */
export function squaredL2Float32By1(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const rowBytes = <usize>dimension << 2;
  const bulk = rowBytes & ~31;
  for (let row: u32 = 0; row < rows; row++) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    for (let i: usize = 0; i < bulk; i += 32) {
      sum0 = addSquare(sum0, v128.load(query + i), source + i);
      sum1 = addSquare(sum1, v128.load(query + i, 16), source + i + 16);
    }
    store<f32>(target, squareTail(addLanes(sum0, sum1), query + bulk, source + bulk, source + rowBytes));
    source += strideBytes;
    target += 4;
  }
}

/** {@link squaredL2Float32By1}, four rows at a time. */
export function squaredL2Float32By4(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const rowBytes = <usize>dimension << 2;
  const bulk = rowBytes & ~31;
  const stride = <usize>strideBytes;
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let b0 = f32x4.splat(0);
    let b1 = f32x4.splat(0);
    let c0 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    const a = source;
    const b = a + stride;
    const c = b + stride;
    const d = c + stride;
    for (let i: usize = 0; i < bulk; i += 32) {
      const q0 = v128.load(query + i);
      const q1 = v128.load(query + i, 16);
      a0 = addSquare(a0, q0, a + i);
      a1 = addSquare(a1, q1, a + i + 16);
      b0 = addSquare(b0, q0, b + i);
      b1 = addSquare(b1, q1, b + i + 16);
      c0 = addSquare(c0, q0, c + i);
      c1 = addSquare(c1, q1, c + i + 16);
      d0 = addSquare(d0, q0, d + i);
      d1 = addSquare(d1, q1, d + i + 16);
    }
    const q = query + bulk;
    store<f32>(target, squareTail(addLanes(a0, a1), q, a + bulk, a + rowBytes));
    store<f32>(target, squareTail(addLanes(b0, b1), q, b + bulk, b + rowBytes), 4);
    store<f32>(target, squareTail(addLanes(c0, c1), q, c + bulk, c + rowBytes), 8);
    store<f32>(target, squareTail(addLanes(d0, d1), q, d + bulk, d + rowBytes), 12);
    source += stride << 2;
    target += 16;
  }
  if (row < rows) squaredL2Float32By1(query, source, strideBytes, rows - row, dimension, target);
}
