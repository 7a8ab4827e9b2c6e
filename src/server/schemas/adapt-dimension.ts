import { type Static, Type } from 'typebox';
import { BatchSize, closed, Dimension, Megabytes } from './common.js';

export const AdaptDimensionBody = Type.Object(
  { vector_dimension: Dimension, base_batch_size: BatchSize, memory_constraints: Megabytes },
  {
    ...closed,
    examples: [{ vector_dimension: 1536, base_batch_size: 512, memory_constraints: 64 }],
  },
);
export type AdaptDimensionBody = Static<typeof AdaptDimensionBody>;

export const AdaptDimensionAnswer = Type.Object({
  adapted_batch_size: BatchSize,
  bytes_per_vector: Type.Integer({ description: 'One float32 row as a block stores it, padding included' }),
  layout: Type.Object({
    order: Type.Enum(['row-major']),
    stride_bytes: Type.Integer(),
    padding_bytes: Type.Integer(),
  }),
  encodings: Type.Array(
    Type.Object({
      encoding: Type.String(),
      bytes_per_vector: Type.Number(),
      compression: Type.Number({ description: 'Size as float32 over size in this encoding' }),
      note: Type.String(),
      vectors_in_memory: Type.Integer(),
    }),
  ),
  explanation: Type.String(),
});
export type AdaptDimensionAnswer = Static<typeof AdaptDimensionAnswer>;
