import { describe, expect, it } from 'vitest';
import { copyRecords, recordBytes } from '../../src/kernels/copy.js';
import { arena, expectSameBytes, fill, holds, runAll, scoped, seededVectors } from './support.js';

describe('records of big-endian elements', () => {
  it('equal those of a plain loop for any bits, prefix, number, shape, stride and split', () => {
    holds((shape) =>
      scoped(({ matrix, span }) => {
        const { rows, dimension, layout, parts, seed } = shape;
        const source = matrix('float32', rows, dimension, layout);
        const data = seededVectors(shape);
        fill(source, data);
        const prefixBytes = seed % 21;
        const withNumbers = prefixBytes >= 8;
        const offset = prefixBytes - 8;
        const prefix = span(prefixBytes);
        arena.bytes(prefix.pointer, prefixBytes).forEach((_, k, bytes) => {
          bytes[k] = k + 1;
        });
        const numbers = span(8 * rows);
        const values = BigInt64Array.from({ length: rows }, (_, row) => BigInt(seed - row) * 987_654_321n);
        arena.bytes(numbers.pointer, 8 * rows).set(new Uint8Array(values.buffer));

        const record = recordBytes(prefixBytes, dimension);
        const target = span(rows * record + 64);
        const from = {
          pointer: prefix.pointer,
          byteLength: prefixBytes,
          ...(withNumbers && { numbers: { pointer: numbers.pointer, offset } }),
        };
        runAll(copyRecords(source, from, target, parts));

        const bits = new Uint32Array(data.buffer);
        const expected = new DataView(new ArrayBuffer(rows * record));
        for (let row = 0; row < rows; row++) {
          const start = row * record;
          for (let k = 0; k < prefixBytes; k++) expected.setUint8(start + k, k + 1);
          if (withNumbers) expected.setBigInt64(start + offset, values[row]!);
          for (let d = 0; d < dimension; d++) {
            expected.setUint32(start + prefixBytes + 4 * d, bits[row * dimension + d]!);
          }
        }
        expectSameBytes(arena.bytes(target.pointer, rows * record), expected);
        expect(arena.bytes(target.pointer + rows * record, 64).every((byte) => byte === 0xa5)).toBe(true);
      }),
    );
  });
});
