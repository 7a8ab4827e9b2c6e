/** Contiguous rows -> blocks of 64 vectors, dimension-major inside, missing vectors zero; as bits. */
export function dimensionBlocks(rows: Uint32Array, count: number, dimension: number): Uint32Array {
  const blocks = new Uint32Array(Math.ceil(count / 64) * 64 * dimension);
  for (let v = 0; v < count; v++) {
    for (let d = 0; d < dimension; d++) {
      blocks[(Math.floor(v / 64) * dimension + d) * 64 + (v % 64)] = rows[v * dimension + d]!;
    }
  }
  return blocks;
}
