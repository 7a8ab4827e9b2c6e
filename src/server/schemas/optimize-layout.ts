import type { Readable } from 'node:stream';
import { type Static, Type } from 'typebox';
import { ENCODING_NAMES } from '../../vectors/encoding.js';
import { LAYOUTS } from '../../vectors/vector-block.js';
import { BatchSize, closed, Dimension } from './common.js';

const EncodingName = Type.Enum([...ENCODING_NAMES]);
const LayoutName = Type.Enum([...LAYOUTS]);

/** `vectors` has been checked and packed into one Float32Array, and `dimension` found out, before the rest is looked at. */
export const OptimizeLayoutBody = Type.Object(
  {
    vectors: Type.Unsafe<Float32Array>({
      description:
        'Arrays of numbers; in MessagePack also float32 bytes (little-endian), one a vector, or all in one with `dimension`',
    }),
    dimension: Type.Optional(Dimension),
    batch_size: BatchSize,
    encoding: Type.Optional(EncodingName),
    layout: Type.Optional(LayoutName),
  },
  {
    ...closed,
    examples: [
      {
        vectors: [
          [0.1, 0.2, 0.3],
          [0.4, 0.5, 0.6],
        ],
        batch_size: 2,
        encoding: 'int8',
      },
    ],
  },
);
export type OptimizeLayoutBody = Static<typeof OptimizeLayoutBody>;

/** Of `application/octet-stream`; all else stands in the query. */
export const OptimizeLayoutBytes = Type.Unsafe<Uint8Array>({
  description: 'Float32 vectors, little-endian, one behind the other',
});

/** With `application/octet-stream`. */
export const OptimizeLayoutQuery = Type.Object(
  {
    dimension: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,5}$',
        description: 'Components of a vector; needed with application/octet-stream',
      }),
    ),
    batch_size: Type.Optional(
      Type.String({ pattern: '^[0-9]{1,7}$', description: 'Vectors per request; default 1024' }),
    ),
    encoding: Type.Optional(EncodingName),
    layout: Type.Optional(LayoutName),
  },
  closed,
);
export type OptimizeLayoutQuery = Static<typeof OptimizeLayoutQuery>;

/** What a MessagePack answer holds; an answer of bytes has the same in its headers, `x-vbo-byte-length` and so on. */
export const OptimizeLayoutAnswer = Type.Object({
  rows: Type.Integer(),
  dimension: Type.Integer(),
  encoding: Type.String(),
  layout: Type.String(),
  batch_size: Type.Integer({ description: 'After rounding to whole blocks' }),
  input_bytes: Type.Integer({ description: 'Bytes of the numbers as they were given' }),
  byte_length: Type.Integer({ description: 'Bytes of the block, padding and header included' }),
  explanation: Type.String(),
  batches: Type.Array(
    Type.Object({
      first_row: Type.Integer(),
      rows: Type.Integer(),
      byte_offset: Type.Integer(),
      byte_length: Type.Integer(),
    }),
  ),
  data: Type.Unsafe<Uint8Array>({ description: 'The block' }),
});
export type OptimizeLayoutAnswer = Static<typeof OptimizeLayoutAnswer>;

/** The other answer, in bytes. */
export const OptimizeLayoutBlock = Type.Unsafe<Readable>({
  description:
    'The block; x-vbo-rows, -dimension, -encoding, -layout, -batch-size, -input-bytes and -byte-length describe it',
});
