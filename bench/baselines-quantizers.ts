/**
 * What a good JavaScript engineer writes of the quantizers without WebAssembly: typed arrays, no allocation in loops,
 * locals hoisted, the same algorithms with the same number of passes. `quantizers.ts` holds the kernels against these.
 */

export function encodeBfloat16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let k = 0; k < bits.length; k++) {
    const x = bits[k]!;
    target[k] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
}

export function decodeBfloat16(source: Uint16Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let k = 0; k < source.length; k++) bits[k] = source[k]! << 16;
}

const widened = new Uint32Array(4);
const widenedFloats = new Float32Array(widened.buffer);

export function scanBfloat16(query: Float32Array, rows: Uint16Array, target: Float32Array): void {
  const dimension = query.length;
  for (let row = 0; row < target.length; row++) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d += 4) {
      widened[0] = rows[first + d]! << 16;
      widened[1] = rows[first + d + 1]! << 16;
      widened[2] = rows[first + d + 2]! << 16;
      widened[3] = rows[first + d + 3]! << 16;
      sum0 += query[d]! * widenedFloats[0]!;
      sum1 += query[d + 1]! * widenedFloats[1]!;
      sum2 += query[d + 2]! * widenedFloats[2]!;
      sum3 += query[d + 3]! * widenedFloats[3]!;
    }
    target[row] = sum0 + sum1 + (sum2 + sum3);
  }
}

export function encodeInt8Rows(
  source: Float32Array,
  dimension: number,
  target: Uint8Array,
  intervals: Float32Array,
): void {
  for (let row = 0, first = 0; first < source.length; row++, first += dimension) {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    const end = first + dimension;
    for (let k = first; k < end; k++) {
      const x = source[k]!;
      if (x < min) min = x;
      if (x > max) max = x;
    }
    const step = (max - min) / 255;
    const inverse = step > 0 ? 1 / step : 0;
    for (let k = first; k < end; k++) {
      const scaled = (source[k]! - min) * inverse;
      target[k] = scaled < 255 ? (scaled + 0.5) | 0 : 255;
    }
    intervals[2 * row] = min;
    intervals[2 * row + 1] = step;
  }
}

export function decodeInt8Rows(
  source: Uint8Array,
  dimension: number,
  intervals: Float32Array,
  target: Float32Array,
): void {
  for (let row = 0, k = 0; k < source.length; row++) {
    const lower = intervals[2 * row]!;
    const step = intervals[2 * row + 1]!;
    for (const end = k + dimension; k < end; k++) target[k] = source[k]! * step + lower;
  }
}

export function scanInt8Rows(
  query: Float32Array,
  codes: Uint8Array,
  intervals: Float32Array,
  target: Float32Array,
): void {
  const dimension = query.length;
  let querySum = 0;
  for (let d = 0; d < dimension; d++) querySum += query[d]!;
  for (let row = 0; row < target.length; row++) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    const first = row * dimension;
    for (let d = 0; d < dimension; d += 4) {
      sum0 += query[d]! * codes[first + d]!;
      sum1 += query[d + 1]! * codes[first + d + 1]!;
      sum2 += query[d + 2]! * codes[first + d + 2]!;
      sum3 += query[d + 3]! * codes[first + d + 3]!;
    }
    target[row] = intervals[2 * row + 1]! * (sum0 + sum1 + (sum2 + sum3)) + intervals[2 * row]! * querySum;
  }
}

export function encodeInt8Columns(
  source: Float32Array,
  dimension: number,
  target: Uint8Array,
  lowers: Float32Array,
  inverses: Float32Array,
): void {
  for (let first = 0; first < source.length; first += dimension) {
    for (let d = 0; d < dimension; d++) {
      const scaled = (source[first + d]! - lowers[d]!) * inverses[d]!;
      target[first + d] = scaled > 0 ? (scaled < 255 ? (scaled + 0.5) | 0 : 255) : 0;
    }
  }
}

const LAMBDA = 0.1;
const centred = new Float32Array(65_536);

/** Optimized scalar quantization as in `assembly/int4.ts`, at most five steps. */
export function encodeInt4(
  source: Float32Array,
  centre: Float32Array,
  target: Uint8Array,
  factors: Float32Array,
): void {
  const dimension = centre.length;
  const half = dimension / 2;
  const v = centred;
  for (let row = 0, first = 0; first < source.length; row++, first += dimension) {
    let sum = 0;
    let square = 0;
    let norm = 0;
    let dot = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let d = 0; d < dimension; d++) {
      const x = source[first + d]!;
      const c = centre[d]!;
      const y = x - c;
      v[d] = y;
      sum += y;
      square += y * y;
      norm += x * x;
      dot += x * c;
      if (y < min) min = y;
      if (y > max) max = y;
    }
    const mean = sum / dimension;
    const width = 2.514 * Math.sqrt(Math.max(0, square / dimension - mean * mean));
    let a = Math.max(min, mean - width);
    let b = Math.min(max, mean + width);
    let best = Number.POSITIVE_INFINITY;
    let lower = a;
    let step = 0;
    for (let i = 0; i <= 5; i++) {
      const s = (b - a) / 15;
      if (!(s > 0)) break;
      const inverse = 1 / s;
      let codes = 0;
      let codeSquares = 0;
      let products = 0;
      for (let d = 0; d < dimension; d++) {
        const y = v[d]!;
        const scaled = (y - a) * inverse;
        const k = scaled > 0 ? (scaled < 15 ? (scaled + 0.5) | 0 : 15) : 0;
        codes += k;
        codeSquares += k * k;
        products += y * k;
      }
      const t = codes / 15;
      const C = codeSquares / 225;
      const A = dimension - 2 * t + C;
      const B = t - C;
      const Y = products / 15;
      const X = sum - Y;
      const along = square - a * X - b * Y;
      const loss =
        ((1 - LAMBDA) * along * along) / square +
        LAMBDA * (along - a * X - b * Y + a * a * A + 2 * a * b * B + b * b * C);
      if (!(loss < best)) break;
      best = loss;
      lower = a;
      step = s;
      const kappa = (1 - LAMBDA) / square;
      const m0 = kappa * X * X + LAMBDA * A;
      const m1 = kappa * X * Y + LAMBDA * B;
      const m2 = kappa * Y * Y + LAMBDA * C;
      const determinant = m0 * m2 - m1 * m1;
      if (!(determinant > 1e-12 * m0 * m2)) break;
      a = (m2 * X - m1 * Y) / determinant;
      b = (m0 * Y - m1 * X) / determinant;
    }
    factors[4 * row] = lower;
    factors[4 * row + 1] = step;
    factors[4 * row + 2] = dot;
    factors[4 * row + 3] = norm;
    const inverse = step > 0 ? 1 / step : 0;
    const to = row * half;
    for (let j = 0; j < half; j++) {
      const x = (v[j]! - lower) * inverse;
      const y = (v[j + half]! - lower) * inverse;
      const low = x > 0 ? (x < 15 ? (x + 0.5) | 0 : 15) : 0;
      const high = y > 0 ? (y < 15 ? (y + 0.5) | 0 : 15) : 0;
      target[to + j] = low | (high << 4);
    }
  }
}

export function decodeInt4(
  source: Uint8Array,
  factors: Float32Array,
  centre: Float32Array,
  target: Float32Array,
): void {
  const dimension = centre.length;
  const half = dimension / 2;
  for (let row = 0, from = 0; from < source.length; row++, from += half) {
    const lower = factors[4 * row]!;
    const step = factors[4 * row + 1]!;
    const to = row * dimension;
    for (let j = 0; j < half; j++) {
      const pair = source[from + j]!;
      target[to + j] = (pair & 15) * step + lower + centre[j]!;
      target[to + half + j] = (pair >>> 4) * step + lower + centre[half + j]!;
    }
  }
}

export function scanInt4(
  query: Float32Array,
  codes: Uint8Array,
  factors: Float32Array,
  target: Float32Array,
): void {
  const half = query.length / 2;
  let querySum = 0;
  for (let d = 0; d < query.length; d++) querySum += query[d]!;
  for (let row = 0; row < target.length; row++) {
    const sum = sumNibbles(query, codes, row * half, half);
    target[row] = factors[4 * row + 1]! * sum + factors[4 * row]! * querySum + factors[4 * row + 2]!;
  }
}

function sumNibbles(query: Float32Array, codes: Uint8Array, first: number, half: number): number {
  let sum0 = 0;
  let sum1 = 0;
  for (let j = 0; j < half; j++) {
    const pair = codes[first + j]!;
    sum0 += query[j]! * (pair & 15);
    sum1 += query[j + half]! * (pair >>> 4);
  }
  return sum0 + sum1;
}

export function hadamardRows(
  source: Float32Array,
  size: number,
  signs: Float32Array,
  target: Float32Array,
): void {
  for (let first = 0; first < source.length; first += size) {
    for (let d = 0; d < size; d++) target[first + d] = source[first + d]! * signs[d]!;
    transform(target, first, size);
  }
}

/** Two levels at a time, in place. */
function transform(x: Float32Array, first: number, size: number): void {
  const end = first + size;
  let h = 1;
  for (; 4 * h <= size; h *= 4) {
    for (let block = first; block < end; block += 4 * h) {
      for (let i = block; i < block + h; i++) {
        const a = x[i]!;
        const b = x[i + h]!;
        const c = x[i + 2 * h]!;
        const d = x[i + 3 * h]!;
        const ab = a + b;
        const ba = a - b;
        const cd = c + d;
        const dc = c - d;
        x[i] = ab + cd;
        x[i + h] = ba + dc;
        x[i + 2 * h] = ab - cd;
        x[i + 3 * h] = ba - dc;
      }
    }
  }
  if (h < size) {
    for (let i = first; i < first + h; i++) {
      const a = x[i]!;
      const b = x[i + h]!;
      x[i] = a + b;
      x[i + h] = a - b;
    }
  }
}

const CANDIDATES = Array.from({ length: 12 }, (_, i) => 2 ** ((i - 5) / 6));
const CLOSER = [-2, -1, 1, 2].map((i) => 2 ** (i / 30));

export function encodeRabitq(
  source: Float32Array,
  centre: Float32Array,
  signs: Float32Array,
  bits: number,
  r: Float32Array,
  target: Uint8Array,
  factors: Float32Array,
): void {
  const dimension = centre.length;
  const n = r.length;
  const size = 2 ** Math.floor(Math.log2(n));
  const bytes = (n * bits) / 8;
  const most = 2 ** (bits - 1) - 1;
  for (let row = 0; row * dimension < source.length; row++) {
    const from = row * dimension;
    let dot = 0;
    let norm = 0;
    for (let d = 0; d < dimension; d++) {
      const x = source[from + d]!;
      const c = centre[d]!;
      r[d] = x - c;
      dot += x * c;
      norm += x * x;
    }
    for (let d = dimension; d < n; d++) r[d] = 0;
    for (let round = 0; round < 4; round++) {
      for (let d = 0; d < n; d++) r[d]! *= signs[round * n + d]!;
      transform(r, round % 2 === 0 ? 0 : n - size, size);
      if (size === n) continue;
      for (let d = 0; d < n / 2; d++) {
        const a = r[d]!;
        const b = r[d + n / 2]!;
        r[d] = a + b;
        r[d + n / 2] = a - b;
      }
    }
    let square = 0;
    for (let d = 0; d < n; d++) square += r[d]! * r[d]!;
    let t = 0;
    if (bits > 1) {
      const start = (bits === 2 ? 1.0043 : 2.983) / Math.sqrt(square / n);
      let best = -1;
      for (const candidate of CANDIDATES) {
        const found = score(r, start * candidate, most);
        if (found > best) [best, t] = [found, start * candidate];
      }
      const around = t;
      for (const candidate of CLOSER) {
        const found = score(r, around * candidate, most);
        if (found > best) [best, t] = [found, around * candidate];
      }
    }
    const first = row * bytes;
    const half = 2 ** (bits - 1);
    let along = 0;
    for (let j = 0; j < bytes; j++) target[first + j] = 0;
    for (let d = 0; d < n; d++) {
      const x = r[d]!;
      const scaled = Math.abs(x) * t;
      const k = scaled < most ? scaled | 0 : most;
      along += Math.abs(x) * (k + 0.5);
      const u = x < 0 ? half - 1 - k : half + k;
      if (bits === 1) target[first + (d >>> 3)]! |= u << (d & 7);
      else if (bits === 2) target[first + (d % bytes)]! |= u << (2 * ((d / bytes) | 0));
      else target[first + (d < bytes ? d : d - bytes)]! |= d < bytes ? u : u << 4;
    }
    factors[4 * row] = square / along;
    factors[4 * row + 1] = dot;
    factors[4 * row + 2] = norm;
  }
}

function score(r: Float32Array, t: number, most: number): number {
  let dot = 0;
  let square = 0;
  for (let d = 0; d < r.length; d++) {
    const a = Math.abs(r[d]!);
    const scaled = a * t;
    const z = (scaled < most ? scaled | 0 : most) + 0.5;
    dot += a * z;
    square += z * z;
  }
  return (dot * dot) / square;
}

export function scanRabitq(
  query: Float32Array,
  codes: Uint8Array,
  factors: Float32Array,
  bits: number,
  target: Float32Array,
): void {
  const n = query.length;
  const bytes = (n * bits) / 8;
  let querySum = 0;
  for (let d = 0; d < n; d++) querySum += query[d]!;
  const shift = ((2 ** bits - 1) / 2) * querySum;
  for (let row = 0; row < target.length; row++) {
    const first = row * bytes;
    let sum = 0;
    if (bits === 4) sum = sumNibbles(query, codes, first, bytes);
    else if (bits === 2) {
      for (let j = 0; j < bytes; j++) {
        const byte = codes[first + j]!;
        sum +=
          query[j]! * (byte & 3) +
          query[j + bytes]! * ((byte >>> 2) & 3) +
          query[j + 2 * bytes]! * ((byte >>> 4) & 3) +
          query[j + 3 * bytes]! * (byte >>> 6);
      }
    } else {
      for (let j = 0, d = 0; j < bytes; j++, d += 8) {
        const byte = codes[first + j]!;
        sum +=
          (byte & 1) * query[d]! +
          ((byte >>> 1) & 1) * query[d + 1]! +
          ((byte >>> 2) & 1) * query[d + 2]! +
          ((byte >>> 3) & 1) * query[d + 3]! +
          ((byte >>> 4) & 1) * query[d + 4]! +
          ((byte >>> 5) & 1) * query[d + 5]! +
          ((byte >>> 6) & 1) * query[d + 6]! +
          (byte >>> 7) * query[d + 7]!;
      }
    }
    target[row] = factors[4 * row]! * (sum - shift) + factors[4 * row + 1]!;
  }
}

/** The k greatest by insertion into a short sorted list: nearly every score is turned away by its last. */
export function topK(scores: Float32Array, k: number): Int32Array {
  const rows = new Int32Array(k);
  const best = new Float64Array(k).fill(Number.NEGATIVE_INFINITY);
  for (let row = 0; row < scores.length; row++) {
    const score = scores[row]!;
    if (!(score > best[k - 1]!)) continue;
    let i = k - 1;
    for (; i > 0 && best[i - 1]! < score; i--) {
      best[i] = best[i - 1]!;
      rows[i] = rows[i - 1]!;
    }
    best[i] = score;
    rows[i] = row;
  }
  return rows;
}
