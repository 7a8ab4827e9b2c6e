/** The Walsh-Hadamard transform in natural order, from the definition: H[i][j] = (-1)^popcount(i & j). */
export function hadamard(x: ArrayLike<number>): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < x.length; j++) out[i]! += parity(i & j) ? -x[j]! : x[j]!;
  }
  return out;
}

function parity(bits: number): boolean {
  let odd = false;
  for (let x = bits; x !== 0; x &= x - 1) odd = !odd;
  return odd;
}

/** The rotation of `assembly/hadamard.ts`, step by step in float64; `signs` are four rounds. */
export function rotated(x: ArrayLike<number>, signs: Float32Array): Float64Array {
  let v = Float64Array.from(x);
  const n = v.length;
  const size = 2 ** Math.floor(Math.log2(n));
  for (let round = 0; round < 4; round++) {
    v = v.map((value, d) => value * signs[round * n + d]!);
    const first = round % 2 === 0 ? 0 : n - size;
    v.set(hadamard(v.slice(first, first + size)), first);
    if (size === n) continue;
    for (let d = 0; d < n / 2; d++) {
      const [a, b] = [v[d]!, v[d + n / 2]!];
      v[d] = a + b;
      v[d + n / 2] = a - b;
    }
  }
  return v;
}
