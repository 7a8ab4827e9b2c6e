import type { KernelCall } from './kernels.js';
import { type Matrix, splitRows } from './matrix.js';

/** What stands before each row's elements: bytes in the kernels' memory, and the numbers to write into them. */
export interface RecordPrefix {
  readonly pointer: number;
  readonly byteLength: number;
  /** One int64 per row in memory, written big-endian `offset` bytes into the prefix. */
  readonly numbers?: { readonly pointer: number; readonly offset: number };
}

/** Bytes of one record of {@link copyRecords}. */
export function recordBytes(prefixBytes: number, dimension: number): number {
  return prefixBytes + 4 * dimension;
}

/**
 * Each row as a record: the prefix and then the elements in network byte order, big-endian. Records follow each other
 * at `target`.
 */
export function copyRecords(
  source: Matrix<'float32'>,
  prefix: RecordPrefix,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  const bytes = recordBytes(prefix.byteLength, source.dimension);
  return splitRows(source.rows, parts).map(({ first, count }) => ({
    name: 'copyRecords',
    args: [
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      source.dimension,
      target.pointer + first * bytes,
      prefix.pointer,
      prefix.byteLength,
      prefix.numbers ? prefix.numbers.pointer + 8 * first : 0,
      prefix.numbers?.offset ?? 0,
    ],
    workBytes: count * (source.strideBytes + bytes),
  }));
}
