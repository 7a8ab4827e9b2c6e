/**
 * A value of a table as JSON can carry it: integers beyond 2^53 as text, times as ISO 8601, bytes as base64; lists,
 * structs and maps with their values treated alike.
 */
export function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  }
  if (Array.isArray(value)) return value.map(plainValue);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plainValue);
  if (value instanceof Map) return objectOf(value.entries());
  return objectOf(Object.entries(value));
}

/** fromEntries defines properties, so that a field named __proto__ stays a field. */
const objectOf = (entries: Iterable<[unknown, unknown]>): Record<string, unknown> =>
  Object.fromEntries(Array.from(entries, ([key, inner]) => [String(key), plainValue(inner)]));
