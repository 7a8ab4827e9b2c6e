import { type Static, Type } from 'typebox';
import { CostModelSchema, closed } from './common.js';
import { RECORD_EXAMPLE } from './record.js';

/** Records are judged one by one by the model: those that are not valid come back in `refused`. */
export const TrainBody = Type.Object(
  {
    records: Type.Array(Type.Object({}, { additionalProperties: true }), {
      minItems: 1,
      maxItems: 50_000,
      description: 'Execution records',
    }),
  },
  {
    ...closed,
    examples: [{ records: [RECORD_EXAMPLE] }],
  },
);
export type TrainBody = Static<typeof TrainBody>;

const Refusal = Type.Object({ index: Type.Integer(), reason: Type.String() });

/** How well the model fits the records of one database and dimension. */
export const FitAnswer = Type.Object({
  database: Type.String(),
  dimension: Type.Integer(),
  records: Type.Integer(),
  settings: Type.Integer({ description: 'Distinct batch sizes and concurrencies among them' }),
  model: CostModelSchema,
  median_absolute_relative_error: Type.Number({
    description: 'Median |predicted / measured - 1| of the rate over the records',
  }),
});

export const TrainAnswer = Type.Object({
  used: Type.Integer({ description: 'Measurements that took part in a fit' }),
  skipped: Type.Array(Refusal),
  refused: Type.Array(Refusal),
  databases: Type.Array(FitAnswer),
  limits: Type.Array(
    Type.Object({
      database: Type.String(),
      max_rows: Type.Optional(Type.Number()),
      max_request_bytes: Type.Optional(Type.Number()),
    }),
  ),
});
export type TrainAnswer = Static<typeof TrainAnswer>;

export const ModelAnswer = Type.Object({
  databases: Type.Array(FitAnswer, { description: 'Fits in force; a database not listed has its prior' }),
  state: Type.Object(
    {},
    {
      additionalProperties: true,
      description: 'The model itself: `vector-batch-optimizer/browser` answers as this service does from it',
    },
  ),
  priors: Type.Array(Type.Object({ database: Type.String(), basis: Type.String(), source: Type.String() })),
});
export type ModelAnswer = Static<typeof ModelAnswer>;
