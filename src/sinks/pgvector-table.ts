import type { SinkOpenOptions } from '../ingest/ports.js';
import { extensionError } from './pgvector-outcome.js';
import type { ElementTypes, RowFormat } from './pgvector-rows.js';
import { type ColumnInfo, fitColumns, quoted } from './sql-table.js';

/** One way to speak to a PostgreSQL. */
export interface PgEngine {
  /** Connects. Rejects with whatever the driver rejects with, as all its methods do. */
  connect(): Promise<void>;
  /** Requests in flight that can be of use. Known after `connect`. */
  readonly maxConcurrency: number;
  query(statement: PgStatement, signal?: AbortSignal): Promise<Record<string, unknown>[]>;
  /** Runs a `COPY table FROM <source>`, where the source stands for the bytes. */
  copy(statement: (source: string) => string, bytes: Buffer, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface PgStatement {
  readonly text: string;
  /** Text or, as bytes, a value in the binary format of its type. */
  readonly values?: readonly (string | Buffer)[];
}

export type VectorType = 'vector' | 'halfvec';

/** Type numbers that are the same in every PostgreSQL. */
const OID = { int8: 20, text: 25, jsonb: 3802, json: 114 } as const;

/** A table as the load writes it. */
export interface PgTable {
  readonly format: RowFormat;
  readonly types: ElementTypes;
  /** Inserts or replaces rows given as arrays, see `RowWriter.arrays`. */
  readonly upsert: string;
  /** Adds rows given as `RowWriter.copy` does; undefined where a column's type is not the stream's. */
  readonly copy: ((source: string) => string) | undefined;
  readonly count: string;
  readonly drop: string;
}

/**
 * The table, created if there is none, as is the extension.
 * @param path table, or schema and table with a period between them
 * @throws VBO_ERR_DIMENSION, VBO_ERR_SINK; what the engine rejects with
 */
export async function openTable(
  engine: PgEngine,
  name: string,
  path: string,
  type: VectorType,
  options: SinkOpenOptions,
): Promise<PgTable> {
  await createExtension(engine, name);
  const table = path.split('.').map(quoted).join('.');
  const columns = await columnsOf(engine, table);
  if (columns.length > 0) return planFor(engine, name, table, columns, options);
  const id = options.idType === 'string' ? 'text' : 'bigint';
  const create = `CREATE TABLE IF NOT EXISTS ${table}
    (id ${id} PRIMARY KEY, vector ${type}(${options.dimension}) NOT NULL, payload jsonb)`;
  await engine.query({ text: create }).catch(ignoreRace);
  return planFor(engine, name, table, await columnsOf(engine, table), options);
}

async function createExtension(engine: PgEngine, name: string): Promise<void> {
  const [found] = await engine.query({ text: `SELECT FROM pg_extension WHERE extname = 'vector'` });
  if (found) return;
  try {
    await engine.query({ text: 'CREATE EXTENSION IF NOT EXISTS vector' }).catch(ignoreRace);
  } catch (error) {
    throw extensionError(name, error);
  }
}

/** Of two that create the same thing at once, one fails for a catalogue's unique index, and it is there. */
function ignoreRace(error: unknown): [] {
  if ((error as { code?: string }).code === '23505') return [];
  throw error;
}

async function columnsOf(engine: PgEngine, table: string): Promise<ColumnInfo[]> {
  const text = `
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
      attnotnull AND NOT atthasdef AND attidentity = '' AS required,
      EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = attrelid AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL
          AND indnkeyatts = 1 AND indkey[0] = attnum
      ) AS unique
    FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`;
  return (await engine.query({ text, values: [table] })) as unknown as ColumnInfo[];
}

async function planFor(
  engine: PgEngine,
  name: string,
  table: string,
  columns: readonly ColumnInfo[],
  options: SinkOpenOptions,
): Promise<PgTable> {
  const { dimension, idType } = options;
  fitColumns(name, columns, {
    ...options,
    id: idType === 'string' ? /^(text|uuid|character)\b/ : /^(bigint|integer|numeric|double precision)\b/,
    vector: /^(?:\w+\.)?(?:vector|halfvec)\((\d+)\)$/,
    payload: /^(jsonb|json|text)$/,
    expected: `id ${idType === 'string' ? 'text' : 'bigint'} PRIMARY KEY, vector vector(${dimension}), payload jsonb`,
  });
  const typeOf = (column: string) => columns.find((c) => c.name === column)?.type;
  const idColumn = typeOf('id')!;
  const payloadColumn = columns.find((c) => c.name === 'payload' && /^(jsonb|json|text)$/.test(c.type))
    ?.type as 'jsonb' | 'json' | 'text' | undefined;
  const [vector] = await engine.query({ text: `SELECT 'vector'::regtype::oid::bigint::float8 AS oid` });

  const idWire = idType === 'string' ? 'text' : 'bigint';
  const names = ['id', 'vector', ...(payloadColumn ? ['payload'] : [])];
  // Casts are none where the column has the type already.
  const values = [`id::${idColumn}`, 'vector', ...(payloadColumn ? ['payload'] : [])];
  const arrays = [`$1::${idWire}[]`, '$2::vector[]', ...(payloadColumn ? [`$3::${payloadColumn}[]`] : [])];
  const updates = names.slice(1).map((column) => `${column} = excluded.${column}`);
  const isStreamed = idColumn === idWire && /\bvector\(/.test(typeOf('vector')!);
  return {
    format: {
      id: idType === 'string' ? 'text' : 'int8',
      payload: payloadColumn === 'json' ? 'text' : payloadColumn,
      dimension,
    },
    types: {
      id: idType === 'string' ? OID.text : OID.int8,
      vector: Number(vector!.oid),
      payload: OID[payloadColumn ?? 'jsonb'],
    },
    upsert: `INSERT INTO ${table} (${names})
      SELECT ${values} FROM unnest(${arrays}) AS batch (${names})
      ON CONFLICT (id) DO UPDATE SET ${updates}`,
    copy: isStreamed ? (source) => `COPY ${table} (${names}) FROM ${source} (FORMAT binary)` : undefined,
    count: `SELECT count(*)::float8 AS count FROM ${table}`,
    drop: `DROP TABLE ${table}`,
  };
}
