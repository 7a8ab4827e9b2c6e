/** The greatest cosine of r and a code of `bits` bits, over every factor t at which a magnitude changes. */
export function bestCosine(r: ArrayLike<number>, bits: number): number {
  const magnitudes = Array.from(r, Math.abs);
  const most = 2 ** (bits - 1) - 1;
  const length = Math.sqrt(magnitudes.reduce((sum, x) => sum + x * x, 0));
  const changes = magnitudes.flatMap((x, d) =>
    x > 0 ? Array.from({ length: most }, (_, k) => ({ t: (k + 1) / x, d, k: k + 1 })) : [],
  );
  changes.sort((a, b) => a.t - b.t);
  const levels = magnitudes.map(() => 0);
  let dot = magnitudes.reduce((sum, x) => sum + x / 2, 0);
  let square = magnitudes.length / 4;
  let best = dot / Math.sqrt(square);
  for (const { d, k } of changes) {
    dot += magnitudes[d]! * (k - levels[d]!);
    square += (k + 0.5) ** 2 - (levels[d]! + 0.5) ** 2;
    levels[d] = k;
    best = Math.max(best, dot / Math.sqrt(square));
  }
  return best / length;
}

/** The codes of a record's code bytes, 0 .. 2^bits - 1. */
export function unpackCodes(bytes: Uint8Array, padded: number, bits: number): number[] {
  const group = (padded * bits) / 8;
  return Array.from({ length: padded }, (_, d) =>
    bits === 1
      ? (bytes[d >> 3]! >> (d & 7)) & 1
      : (bytes[d % group]! >> (bits * Math.floor(d / group))) & (2 ** bits - 1),
  );
}

/** What a code stands for before scaling: z = u - (2^bits - 1) / 2. */
export const centredCode = (u: number, bits: number): number => u - (2 ** bits - 1) / 2;
