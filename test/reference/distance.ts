/** Dot product in float64, and the sum of the absolute products: the scale of float32 rounding errors. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): { value: number; scale: number } {
  let value = 0;
  let scale = 0;
  for (let d = 0; d < a.length; d++) {
    value += a[d]! * b[d]!;
    scale += Math.abs(a[d]! * b[d]!);
  }
  return { value, scale };
}

/** Squared Euclidean distance in float64. */
export function squaredL2(a: ArrayLike<number>, b: ArrayLike<number>): { value: number; scale: number } {
  let value = 0;
  for (let d = 0; d < a.length; d++) value += (a[d]! - b[d]!) ** 2;
  return { value, scale: value };
}
