/** Lower triangular root of a symmetric positive definite `n` x `n` matrix, row-major. */
export function cholesky(matrix: Float64Array, n: number): Float64Array {
  const root = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= root[i * n + k]! * root[j * n + k]!;
      root[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / root[j * n + j]!;
    }
  }
  return root;
}

/** Inverse of a symmetric positive definite `n` x `n` matrix, row-major. */
export function inverse(matrix: Float64Array, n: number): Float64Array {
  const root = cholesky(matrix, n);
  const result = new Float64Array(n * n);
  const column = new Float64Array(n);
  for (let c = 0; c < n; c++) {
    for (let i = 0; i < n; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = 0; k < i; k++) sum -= root[i * n + k]! * column[k]!;
      column[i] = sum / root[i * n + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = column[i]!;
      for (let k = i + 1; k < n; k++) sum -= root[k * n + i]! * result[k * n + c]!;
      result[i * n + c] = sum / root[i * n + i]!;
    }
  }
  return result;
}
