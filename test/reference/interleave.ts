/** Contiguous rows of codes -> groups of four rows, four dimensions of each side by side, missing ones zero. */
export function interleavedCodes(rows: Uint8Array, count: number, dimension: number): Uint8Array {
  const units = Math.ceil(dimension / 4);
  const groups = new Uint8Array(Math.ceil(count / 4) * units * 16);
  for (let row = 0; row < count; row++) {
    for (let d = 0; d < dimension; d++) {
      const unit = Math.floor(row / 4) * units + Math.floor(d / 4);
      groups[unit * 16 + (row % 4) * 4 + (d % 4)] = rows[row * dimension + d]!;
    }
  }
  return groups;
}
