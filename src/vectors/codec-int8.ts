import { calibrateInt8, decodeInt8, encodeInt8 } from '../kernels/int8.js';
import {
  decodeInt8Columns,
  decodeInt8Rows,
  encodeInt8Columns,
  encodeInt8Rows,
  scanInt8,
  scanInt8Rows,
} from '../kernels/int8-rows.js';
import { integerQuery, integerQueryBytes } from '../kernels/query.js';
import { asMatrix, type Records } from '../kernels/records.js';
import type { Codec, CodecParts } from './codec.js';

/** int8 with one interval for all elements. */
export function int8GlobalCodec({ kernels, format: { dimension, range } }: CodecParts): Codec {
  const { arena } = kernels;
  const span = arena.allocate(integerQueryBytes(dimension));
  const calibration = calibrateInt8(range);
  const matrix = (records: Records) => asMatrix('int8', records, dimension);
  return {
    encode: (source, records, parts) => encodeInt8(source, matrix(records), null, calibration, parts),
    decode: (records, target) => decodeInt8(matrix(records), target, calibration),
    scan(values, records, target) {
      const query = integerQuery(arena, values, span);
      return scanInt8(query, matrix(records), target, {
        scale: calibration.alpha * query.scale,
        constant: calibration.offset * query.sum,
      });
    },
    close: () => arena.free(span),
  };
}

/** int8 with an interval for each vector. */
export function int8RowsCodec({ kernels, format: { dimension } }: CodecParts): Codec {
  const { arena } = kernels;
  const span = arena.allocate(integerQueryBytes(dimension));
  return {
    encode: encodeInt8Rows,
    decode: decodeInt8Rows,
    scan: (query, records, target) =>
      scanInt8Rows(integerQuery(arena, query, span), records, dimension, target),
    close: () => arena.free(span),
  };
}

/** int8 with an interval for each dimension. */
export function int8ColumnsCodec({ kernels, format: { dimension }, shared }: CodecParts): Codec {
  const { arena } = kernels;
  const inverses = arena.allocate(4 * dimension + integerQueryBytes(dimension));
  const queryAt = { pointer: inverses.pointer + 4 * dimension };
  const lowers = shared;
  const steps = { pointer: shared.pointer + 4 * dimension };
  const [lower, step] = [lowers, steps].map(({ pointer }) => arena.float32(pointer, dimension).slice()) as [
    Float32Array,
    Float32Array,
  ];
  // The step is 0 unless its inverse is a float32; see columnStep.
  arena.float32(inverses.pointer, dimension).set(step.map((x) => (x === 0 ? 0 : 1 / x)));
  const matrix = (records: Records) => asMatrix('int8', records, dimension);
  return {
    encode: (source, records, parts) => encodeInt8Columns(source, matrix(records), lowers, inverses, parts),
    decode: (records, target) => decodeInt8Columns(matrix(records), target, { lowers, steps }),
    scan(values, records, target) {
      const query = integerQuery(
        arena,
        values.map((q, d) => q * step[d]!),
        queryAt,
      );
      const constant = values.reduce((sum, q, d) => sum + q * lower[d]!, 0);
      return scanInt8(query, matrix(records), target, { scale: query.scale, constant });
    },
    close: () => arena.free(inverses),
  };
}
