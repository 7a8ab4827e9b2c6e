import { type Static, Type } from 'typebox';
import { BatchSize, Concurrency, closed, Dimension, MetricName, SettingSchema } from './common.js';

const SinkUrl = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'A database of VBO_ALLOWED_SINKS, without credentials; they stand in the configuration',
  examples: ['qdrant://localhost:6333/items'],
});
const SourcePath = Type.String({
  minLength: 1,
  maxLength: 4096,
  description: 'A file below a folder of VBO_ALLOWED_SOURCES: absolute, or relative to that folder',
  examples: ['embeddings.npy'],
});

export const IngestRunBody = Type.Object(
  {
    kind: Type.Literal('ingest'),
    source: SourcePath,
    sink: SinkUrl,
    metric: Type.Optional(MetricName),
    memory_mb: Type.Optional(Type.Number({ minimum: 1, maximum: 4000 })),
    fixed: Type.Optional(SettingSchema),
    max_concurrency: Type.Optional(Concurrency),
    id_offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'Id of the first record of a source without ids; must be given where the collection holds records: beyond their ids, or 0 to replace them',
      }),
    ),
    resume: Type.Optional(
      Type.String({ format: 'uuid', description: 'Id of the run that is to be gone on with, by its ledger' }),
    ),
  },
  closed,
);

export const TuneRunBody = Type.Object(
  {
    kind: Type.Literal('tune'),
    sink: SinkUrl,
    dimension: Dimension,
    source: Type.Optional(SourcePath),
    metric: Type.Optional(MetricName),
    budget_ms: Type.Optional(Type.Integer({ minimum: 100, maximum: 3_600_000 })),
    exhaustive: Type.Optional(Type.Boolean()),
  },
  closed,
);

/** Told apart by `kind`, so that an error speaks of the kind that was meant. */
export const StartRunBody = Type.Unsafe<Static<typeof IngestRunBody> | Static<typeof TuneRunBody>>({
  type: 'object',
  discriminator: { propertyName: 'kind' },
  required: ['kind'],
  oneOf: [IngestRunBody, TuneRunBody],
  examples: [
    { kind: 'ingest', source: 'embeddings.npy', sink: 'qdrant://localhost:6333/items' },
    { kind: 'tune', sink: 'qdrant://localhost:6333/items', dimension: 768, budget_ms: 30_000 },
  ],
});
export type StartRunBody = Static<typeof StartRunBody>;

export const RUN_STATES = ['running', 'completed', 'failed', 'cancelled'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** Where a run is. A tune counts trials, an ingest vectors. */
export const RunProgress = Type.Object({
  done: Type.Number({ description: 'Vectors settled, or trials made' }),
  total: Type.Union([Type.Number(), Type.Null()]),
  rejected: Type.Optional(Type.Number()),
  batches: Type.Optional(Type.Number({ description: 'Requests that the database acknowledged' })),
  retries: Type.Optional(Type.Number({ description: 'Requests that were made again' })),
  failures: Type.Optional(Type.Number({ description: 'Requests that failed, made again or not' })),
  resumed_from: Type.Optional(Type.Number({ description: 'Vectors that earlier runs have settled' })),
  vectors_per_second: Type.Optional(Type.Number()),
  latency_ms: Type.Optional(Type.Object({ p50: Type.Number(), p95: Type.Number() })),
  setting: Type.Object({ batch_size: BatchSize, concurrency: Concurrency }),
  reason: Type.Optional(Type.String()),
  elapsed_ms: Type.Number(),
  eta_ms: Type.Union([Type.Number(), Type.Null()]),
});
export type RunProgress = Static<typeof RunProgress>;

export const RunAnswer = Type.Object({
  id: Type.String(),
  kind: Type.Enum(['ingest', 'tune']),
  state: Type.Enum([...RUN_STATES]),
  source: Type.Union([Type.String(), Type.Null()]),
  sink: Type.String(),
  created_at: Type.String({ description: 'ISO 8601' }),
  ended_at: Type.Union([Type.String(), Type.Null()]),
  progress: Type.Union([RunProgress, Type.Null()]),
  report: Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()], {
    description: 'What became of it, as far as it came: the report of ingest or of tune in snake_case',
  }),
  error: Type.Union([Type.Object({ code: Type.String(), message: Type.String() }), Type.Null()]),
});
export type RunAnswer = Static<typeof RunAnswer>;

export const RunList = Type.Object({
  runs: Type.Array(RunAnswer),
  allowed: Type.Object(
    { sources: Type.Array(Type.String()), sinks: Type.Array(Type.String()) },
    { description: 'What a run may be started with: files, and sinks without their credentials' },
  ),
});
export type RunList = Static<typeof RunList>;

/**
 * What `/events` sends: `progress` and `setting` while the run goes on, and `end` with the whole run when it is over.
 * The event's `id` counts from 1; Last-Event-ID goes on behind it.
 */
export type RunEvent =
  | { id: number; event: 'progress'; data: RunProgress }
  | {
      id: number;
      event: 'setting';
      data: { batch_size: number; concurrency: number; reason: string; elapsed_ms: number };
    }
  | { id: number; event: 'end'; data: RunAnswer };

export const RunId = Type.Object({ id: Type.String({ format: 'uuid' }) }, closed);
