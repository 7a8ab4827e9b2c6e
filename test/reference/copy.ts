/** A tuple of PostgreSQL's binary COPY with pgvector's `vector`, field by field; without an id, the field alone. */
export function copyTuple(vector: Float32Array, id?: bigint): Uint8Array {
  const out = new DataView(new ArrayBuffer((id === undefined ? 0 : 14) + 8 + 4 * vector.length));
  let at = 0;
  const int16 = (value: number) => {
    out.setInt16(at, value);
    at += 2;
  };
  const int32 = (value: number) => {
    out.setInt32(at, value);
    at += 4;
  };
  if (id !== undefined) {
    int16(2);
    int32(8);
    out.setBigInt64(at, id);
    at += 8;
  }
  int32(2 + 2 + 4 * vector.length);
  int16(vector.length);
  int16(0);
  for (const x of vector) {
    out.setFloat32(at, x);
    at += 4;
  }
  return new Uint8Array(out.buffer);
}
