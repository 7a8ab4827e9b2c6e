// Least and greatest element of float32 rows: the calibration of the quantizers.
//
// NaN is ignored: pmin(a, x) = x < a ? x : a keeps the accumulator when x is NaN. Infinities count. No element, or
// NaN only: (+Infinity, -Infinity). A zero result is +0, so that the answer does not depend on the order of the scan.
//
// Precondition: strideBytes >= 4 * dimension.

// @ts-ignore: decorator
@inline
function leastLane(x: v128): f32 {
  let least = f32x4.extract_lane(x, 0);
  least = f32x4.extract_lane(x, 1) < least ? f32x4.extract_lane(x, 1) : least;
  least = f32x4.extract_lane(x, 2) < least ? f32x4.extract_lane(x, 2) : least;
  return f32x4.extract_lane(x, 3) < least ? f32x4.extract_lane(x, 3) : least;
}

/** Writes min, then max, as two float32 to `target`. */
export function minMaxFloat32(source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize): void {
  let min0 = f32x4.splat(Infinity);
  let min1 = min0;
  let min2 = min0;
  let min3 = min0;
  let max0 = f32x4.splat(-Infinity);
  let max1 = max0;
  let max2 = max0;
  let max3 = max0;
  for (let row: u32 = 0; row < rows; row++) {
    let p = source;
    const end = source + (<usize>dimension << 2);
    for (; p + 64 <= end; p += 64) {
      const x0 = v128.load(p);
      const x1 = v128.load(p, 16);
      const x2 = v128.load(p, 32);
      const x3 = v128.load(p, 48);
      min0 = f32x4.pmin(min0, x0);
      max0 = f32x4.pmax(max0, x0);
      min1 = f32x4.pmin(min1, x1);
      max1 = f32x4.pmax(max1, x1);
      min2 = f32x4.pmin(min2, x2);
      max2 = f32x4.pmax(max2, x2);
      min3 = f32x4.pmin(min3, x3);
      max3 = f32x4.pmax(max3, x3);
    }
    for (; p < end; p += 4) {
      const x = v128.load32_splat(p);
      min0 = f32x4.pmin(min0, x);
      max0 = f32x4.pmax(max0, x);
    }
    source += strideBytes;
  }
  const least = f32x4.pmin(f32x4.pmin(min0, min1), f32x4.pmin(min2, min3));
  const most = f32x4.pmax(f32x4.pmax(max0, max1), f32x4.pmax(max2, max3));
  store<f32>(target, leastLane(least) + <f32>0);
  store<f32>(target, <f32>0 - leastLane(f32x4.neg(most)), 4);
}
