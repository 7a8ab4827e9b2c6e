// What a quantizer is calibrated on: sums and ranges of each column (element position) over the rows.
//
// A column is always added row after row, in float64, whatever the number of threads (they take columns, not rows)
// and of chunks (the sums so far come in and go out): the same rows give the same bits.
//
//             column 0   1   2   3  ...  15 | 16 ...         sixteen columns at a time, in registers
//   row 0        |       |   |   |        |
//   row 1        v       v   v   v        v
//
// Preconditions: strideBytes >= 4 * columns; targets do not overlap the source.

/** target[c] = before[c] + sum over rows of element c; float64. `before` and `target` may be the same. */
export function sumColumns(
  source: usize, strideBytes: u32, rows: u32, columns: u32, before: usize, target: usize,
): void {
  const stride = <usize>strideBytes;
  let column: u32 = 0;
  for (; column + 8 <= columns; column += 8) {
    let sum0 = v128.load(before);
    let sum1 = v128.load(before, 16);
    let sum2 = v128.load(before, 32);
    let sum3 = v128.load(before, 48);
    let p = source;
    for (let row: u32 = 0; row < rows; row++, p += stride) {
      const low = v128.load(p);
      const high = v128.load(p, 16);
      sum0 = f64x2.add(sum0, f64x2.promote_low_f32x4(low));
      sum1 = f64x2.add(sum1, f64x2.promote_low_f32x4(v128.shuffle<f64>(low, low, 1, 1)));
      sum2 = f64x2.add(sum2, f64x2.promote_low_f32x4(high));
      sum3 = f64x2.add(sum3, f64x2.promote_low_f32x4(v128.shuffle<f64>(high, high, 1, 1)));
    }
    v128.store(target, sum0);
    v128.store(target, sum1, 16);
    v128.store(target, sum2, 32);
    v128.store(target, sum3, 48);
    source += 32;
    before += 64;
    target += 64;
  }
  for (; column < columns; column++) {
    let sum = load<f64>(before);
    let p = source;
    for (let row: u32 = 0; row < rows; row++, p += stride) sum += <f64>load<f32>(p);
    store<f64>(target, sum);
    source += 4;
    before += 8;
    target += 8;
  }
}

/**
 * mins[c] and maxs[c] = least and greatest element of column c, float32; Infinity and -Infinity without any. NaN is
 * passed over; a zero is +0.
 */
export function minMaxColumns(
  source: usize, strideBytes: u32, rows: u32, columns: u32, mins: usize, maxs: usize,
): void {
  const stride = <usize>strideBytes;
  const zero = f32x4.splat(0);
  let column: u32 = 0;
  for (; column + 16 <= columns; column += 16) {
    let min0 = f32x4.splat(Infinity as f32);
    let min1 = min0;
    let min2 = min0;
    let min3 = min0;
    let max0 = f32x4.neg(min0);
    let max1 = max0;
    let max2 = max0;
    let max3 = max0;
    let p = source;
    for (let row: u32 = 0; row < rows; row++, p += stride) {
      const x0 = v128.load(p);
      const x1 = v128.load(p, 16);
      const x2 = v128.load(p, 32);
      const x3 = v128.load(p, 48);
      // pmin(a, b) is b < a ? b : a, so a NaN in b leaves a.
      min0 = f32x4.pmin(min0, x0);
      max0 = f32x4.pmax(max0, x0);
      min1 = f32x4.pmin(min1, x1);
      max1 = f32x4.pmax(max1, x1);
      min2 = f32x4.pmin(min2, x2);
      max2 = f32x4.pmax(max2, x2);
      min3 = f32x4.pmin(min3, x3);
      max3 = f32x4.pmax(max3, x3);
    }
    v128.store(mins, f32x4.add(min0, zero));
    v128.store(mins, f32x4.add(min1, zero), 16);
    v128.store(mins, f32x4.add(min2, zero), 32);
    v128.store(mins, f32x4.add(min3, zero), 48);
    v128.store(maxs, f32x4.add(max0, zero));
    v128.store(maxs, f32x4.add(max1, zero), 16);
    v128.store(maxs, f32x4.add(max2, zero), 32);
    v128.store(maxs, f32x4.add(max3, zero), 48);
    source += 64;
    mins += 64;
    maxs += 64;
  }
  for (; column < columns; column++) {
    let min = Infinity as f32;
    let max = -Infinity as f32;
    let p = source;
    for (let row: u32 = 0; row < rows; row++, p += stride) {
      const x = load<f32>(p);
      if (x < min) min = x;
      if (x > max) max = x;
    }
    store<f32>(mins, min + 0);
    store<f32>(maxs, max + 0);
    source += 4;
    mins += 4;
    maxs += 4;
  }
}
