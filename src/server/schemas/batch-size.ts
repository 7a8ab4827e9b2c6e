import { type Static, Type } from 'typebox';
import { MAX_DIMENSION, MAX_ITEMS } from '../../core/limits.js';
import { OBJECTIVES } from '../../core/types.js';

export const CalculateSizeBody = Type.Object(
  {
    item_count: Type.Integer({ minimum: 1, maximum: MAX_ITEMS, description: 'Vectors to load' }),
    vector_dimension: Type.Integer({ minimum: 1, maximum: MAX_DIMENSION }),
    database_type: Type.String({ minLength: 1, maxLength: 64, examples: ['qdrant'] }),
    system_resources: Type.Object(
      {
        available_memory: Type.Number({ minimum: 1, maximum: 1e9, description: 'MB' }),
        cpu_cores: Type.Integer({ minimum: 1, maximum: 4096 }),
        io_bandwidth: Type.Number({ exclusiveMinimum: 0, maximum: 1e9, description: 'MB/s' }),
      },
      { additionalProperties: false },
    ),
    objective: Type.Optional(Type.Enum([...OBJECTIVES])),
  },
  { additionalProperties: false },
);
export type CalculateSizeBody = Static<typeof CalculateSizeBody>;
