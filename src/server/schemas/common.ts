import { type Static, Type } from 'typebox';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY, MAX_DIMENSION, MAX_ITEMS } from '../../core/limits.js';
import { METRICS, OBJECTIVES } from '../../core/types.js';

/** An object that takes the fields it names and no others. */
export const closed = { additionalProperties: false } as const;

export const Dimension = Type.Integer({
  minimum: 1,
  maximum: MAX_DIMENSION,
  description: 'Components of a vector',
});
export const BatchSize = Type.Integer({
  minimum: 1,
  maximum: MAX_BATCH_SIZE,
  description: 'Vectors per request',
});
export const Concurrency = Type.Integer({
  minimum: 1,
  maximum: MAX_CONCURRENCY,
  description: 'Requests in flight',
});
export const ItemCount = Type.Integer({ minimum: 1, maximum: MAX_ITEMS, description: 'Vectors to load' });
export const DatabaseName = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'Name or alias of a database',
  examples: ['qdrant'],
});
export const ObjectiveName = Type.Enum([...OBJECTIVES]);
export const MetricName = Type.Enum([...METRICS]);
export const Megabytes = Type.Number({ minimum: 0.001, maximum: 1e9, description: 'MB' });
export const Milliseconds = Type.Number({ minimum: 0.000001, maximum: 1e12, description: 'ms' });

export const SettingSchema = Type.Object({ batch_size: BatchSize, concurrency: Concurrency }, closed);

/** The coefficients of the cost model; `src/model/cost.ts` has the formula. */
export const CostModelSchema = Type.Object({
  fixed_ms: Type.Number(),
  per_vector_ms: Type.Number(),
  super_linear_ms: Type.Number(),
  sigma: Type.Number(),
  kappa: Type.Number(),
});

/** One thing that is wrong with a request. */
export const Problem = Type.Object({
  path: Type.String({ description: 'The field, for instance system_resources.cpu_cores' }),
  expected: Type.String(),
  value: Type.Optional(Type.Unknown({ description: 'What was given, cut short' })),
});
export type Problem = Static<typeof Problem>;

export const ErrorAnswer = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'Stable; docs/errors.md lists them' }),
      message: Type.String(),
      details: Type.Optional(Type.Array(Problem)),
    }),
    request_id: Type.String(),
  },
  {
    examples: [
      {
        error: {
          code: 'VBO_ERR_ARGUMENT',
          message: 'body.vector_dimension is 0; expected a number >= 1.',
          details: [{ path: 'vector_dimension', expected: 'a number >= 1', value: 0 }],
        },
        request_id: '6f0c1a3e-3f37-4a4e-9f59-3f1f0f1f2a11',
      },
    ],
  },
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;
