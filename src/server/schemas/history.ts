import { type Static, Type } from 'typebox';
import { closed, DatabaseName } from './common.js';
import { ExecutionRecord, RECORD_EXAMPLE } from './record.js';

const Digits = (most: number, description: string) =>
  Type.Optional(Type.String({ pattern: `^[0-9]{1,${most}}$`, description }));

export const HistoryQuery = Type.Object(
  {
    database_type: Type.Optional(DatabaseName),
    vector_dimension: Digits(5, 'Components of a vector'),
    since_ms: Digits(15, 'Made at this time or later, Unix ms'),
    limit: Digits(4, 'At most so many, the newest; default 100'),
  },
  closed,
);
export type HistoryQuery = Static<typeof HistoryQuery>;

export const HistoryAnswer = Type.Object({
  records: Type.Array(ExecutionRecord, { description: 'The newest first' }),
  total: Type.Integer({ description: 'How many there are, whatever the limit' }),
});
export type HistoryAnswer = Static<typeof HistoryAnswer>;

export const AppendBody = Type.Object(
  { records: Type.Array(ExecutionRecord, { minItems: 1, maxItems: 10_000 }) },
  {
    ...closed,
    examples: [{ records: [RECORD_EXAMPLE] }],
  },
);
export type AppendBody = Static<typeof AppendBody>;

export const AppendAnswer = Type.Object({
  added: Type.Integer({ description: 'Those that were not there before' }),
  total: Type.Integer(),
});
export type AppendAnswer = Static<typeof AppendAnswer>;
