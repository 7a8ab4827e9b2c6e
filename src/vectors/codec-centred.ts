import { paddedDimension, rotateRows, rotationSignCount, rotationSigns } from '../kernels/hadamard.js';
import { decodeInt4, encodeInt4, INT4_SQUARE_OFFSET, int4ScratchBytes, scanInt4 } from '../kernels/int4.js';
import { integerQuery, integerQueryBytes } from '../kernels/query.js';
import {
  decodeRabitq,
  encodeRabitq,
  RABITQ_SQUARE_OFFSET,
  type RabitqBits,
  rabitqScratchBytes,
  scanRabitq,
} from '../kernels/rabitq.js';
import { asMatrix } from '../kernels/records.js';
import type { Codec, CodecParts } from './codec.js';

// Both estimate <q - centre, x - centre> and add <centre, x>, which the record holds, and
// <centre, q> - |centre|^2, which the query fixes.

/** What the query fixes: <centre, q> - |centre|^2. */
function constantOf(query: Float32Array, centre: Float32Array): number {
  return query.reduce((sum, q, d) => sum + (q - centre[d]!) * centre[d]!, 0);
}

export function int4Codec({ kernels, format: { dimension }, shared, parts: most }: CodecParts): Codec {
  const { arena } = kernels;
  const scratch = arena.allocate(Math.max(most * int4ScratchBytes(dimension), integerQueryBytes(dimension)));
  const centre = arena.float32(shared.pointer, dimension).slice();
  return {
    squareOffset: INT4_SQUARE_OFFSET,
    encode: (source, records, parts) => encodeInt4(source, records, shared, scratch, parts),
    decode: (records, target) => decodeInt4(records, target, shared),
    scan(values, records, target) {
      const query = integerQuery(
        arena,
        values.map((q, d) => q - centre[d]!),
        scratch,
      );
      return scanInt4(query, records, dimension, target, constantOf(values, centre));
    },
    close: () => arena.free(scratch),
  };
}

/**
 * ```
 * | signs of the rotation | a query, as it comes | rotated | as integers | scratch of each part |
 * ```
 */
export function rabitqCodec(
  { kernels, format: { dimension, seed }, shared, parts: most }: CodecParts,
  bits: RabitqBits,
): Codec {
  const { arena } = kernels;
  const padded = paddedDimension(dimension);
  const signBytes = 4 * rotationSignCount(padded);
  const span = arena.allocate(
    signBytes + 8 * padded + integerQueryBytes(padded) + most * rabitqScratchBytes(dimension),
  );
  const queryAt = { pointer: span.pointer + signBytes };
  const rotatedAt = { pointer: queryAt.pointer + 4 * padded };
  const integersAt = { pointer: rotatedAt.pointer + 4 * padded };
  const scratch = { pointer: integersAt.pointer + integerQueryBytes(padded) };
  arena.float32(span.pointer, rotationSignCount(padded)).set(rotationSigns(padded, seed));
  const frame = { bits, centre: shared, signs: span, scratch };
  const centre = arena.float32(shared.pointer, dimension).slice();
  const centreSquare = centre.reduce((sum, c) => sum + c * c, 0);
  return {
    squareOffset: RABITQ_SQUARE_OFFSET,
    encode: (source, records, parts) => encodeRabitq(source, records, frame, parts),
    decode: (records, target) => decodeRabitq(records, target, frame, centreSquare),
    scan(values, records, target) {
      arena.float32(queryAt.pointer, dimension).set(values);
      const one = (at: { pointer: number }, length: number) =>
        asMatrix('float32', { pointer: at.pointer, rows: 1, strideBytes: 4 * length }, length);
      const turn = rotateRows(one(queryAt, dimension), one(rotatedAt, padded), shared, frame.signs);
      for (const call of turn) kernels.call(call);
      const query = integerQuery(arena, arena.float32(rotatedAt.pointer, padded), integersAt);
      return scanRabitq(query, records, dimension, bits, target, constantOf(values, centre));
    },
    close: () => arena.free(span),
  };
}
