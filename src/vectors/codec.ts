import { decodeBfloat16, encodeBfloat16, scanBfloat16 } from '../kernels/bfloat16.js';
import { decodeBits, encodeBits } from '../kernels/bits.js';
import { decodeFloat16, encodeFloat16 } from '../kernels/float16.js';
import { INT4_WORK_BYTES } from '../kernels/int4.js';
import type { KernelCall, Kernels } from '../kernels/kernels.js';
import type { Matrix } from '../kernels/matrix.js';
import { integerQuery, integerQueryBytes } from '../kernels/query.js';
import { RABITQ_WORK_BYTES } from '../kernels/rabitq.js';
import { type At, asMatrix, type Records } from '../kernels/records.js';
import { scanBits, scanFloat16 } from '../kernels/scan.js';
import { int4Codec, rabitqCodec } from './codec-centred.js';
import { int8ColumnsCodec, int8GlobalCodec, int8RowsCodec } from './codec-int8.js';
import type { CompactHeader } from './compact-header.js';
import { type Encoding, RABITQ_BITS } from './encoding.js';

/** How vectors become records and back, and how a query meets them. Open while its calibration stays where it is. */
export interface Codec {
  encode(source: Matrix<'float32'>, records: Records, parts: number): KernelCall[];
  decode(records: Records, target: Matrix<'float32'>): KernelCall[];
  /**
   * Calls that write the dot product of the query, float32, and each record's vector to `target`, float32 each. They
   * must have run before the next scan of the same codec.
   */
  scan(query: Float32Array, records: Records, target: At): KernelCall[];
  /** Where a record holds its vector's squared length, float32, if it does. */
  readonly squareOffset?: number;
  /** Frees what the codec took. */
  close(): void;
}

/** What encoding `rows` vectors is worth in bytes scanned, the pool's measure of work. */
export function encodeWorkBytes(encoding: Encoding, rows: number, dimension: number): number {
  return rows * dimension * elementWorkBytes(encoding);
}

function elementWorkBytes(encoding: Encoding): number {
  switch (encoding) {
    case 'int4':
      return INT4_WORK_BYTES;
    case 'rabitq1':
    case 'rabitq2':
    case 'rabitq4':
      return RABITQ_WORK_BYTES[RABITQ_BITS[encoding]];
    default:
      return Float32Array.BYTES_PER_ELEMENT;
  }
}

export type CodecFormat = Omit<CompactHeader, 'bodyHash'>;

/** What a codec is made of. */
export interface CodecParts {
  readonly kernels: Kernels;
  readonly format: CodecFormat;
  /** What all vectors share, in the kernels' memory. */
  readonly shared: At;
  /** The most parts that encoding is cut into. */
  readonly parts: number;
}

/** @throws VBO_ERR_MEMORY */
export function openCodec(made: CodecParts): Codec {
  const { encoding, calibration } = made.format;
  switch (encoding) {
    case 'float16':
      return float16Codec(made);
    case 'bfloat16':
      return bfloat16Codec(made);
    case 'int8':
      if (calibration === 'vector') return int8RowsCodec(made);
      return calibration === 'dimension' ? int8ColumnsCodec(made) : int8GlobalCodec(made);
    case 'int4':
      return int4Codec(made);
    case 'binary':
      return binaryCodec(made);
    default:
      return rabitqCodec(made, RABITQ_BITS[encoding]);
  }
}

function float16Codec({ kernels, format: { dimension } }: CodecParts): Codec {
  const { arena } = kernels;
  const span = arena.allocate(4 * dimension);
  const matrix = (records: Records) => asMatrix('float16', records, dimension);
  return {
    encode: (source, records, parts) => encodeFloat16(source, matrix(records), parts),
    decode: (records, target) => decodeFloat16(matrix(records), target),
    scan(query, records, target) {
      arena.float32(span.pointer, dimension).set(query);
      return scanFloat16(span, matrix(records), target);
    },
    close: () => arena.free(span),
  };
}

function bfloat16Codec({ kernels, format: { dimension } }: CodecParts): Codec {
  const { arena } = kernels;
  const span = arena.allocate(4 * dimension);
  const matrix = (records: Records) => asMatrix('bfloat16', records, dimension);
  return {
    encode: (source, records, parts) => encodeBfloat16(source, matrix(records), parts),
    decode: (records, target) => decodeBfloat16(matrix(records), target),
    scan(query, records, target) {
      arena.float32(span.pointer, dimension).set(query);
      return scanBfloat16(span, matrix(records), target);
    },
    close: () => arena.free(span),
  };
}

function binaryCodec({ kernels, format: { dimension } }: CodecParts): Codec {
  const { arena } = kernels;
  const span = arena.allocate(integerQueryBytes(dimension));
  const matrix = (records: Records) => asMatrix('bit', records, dimension);
  return {
    encode: (source, records, parts) => encodeBits(source, matrix(records), parts),
    decode: (records, target) => decodeBits(matrix(records), target),
    scan: (query, records, target) => scanBits(integerQuery(arena, query, span), matrix(records), target),
    close: () => arena.free(span),
  };
}
