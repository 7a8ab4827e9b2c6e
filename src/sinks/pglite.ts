import type { PGlite } from '@electric-sql/pglite';
import { checkOneOf } from '../core/check.js';
import { importOptional } from '../core/optional.js';
import { PgVectorSink } from './pgvector.js';
import type { PgEngine, PgStatement } from './pgvector-table.js';
import { tableOf } from './sql-table.js';
import { pathOfUrl } from './url.js';

const INSTALL = 'npm install @electric-sql/pglite @electric-sql/pglite-pgvector';
/** The source of a COPY that PGlite fills with the blob of the query. */
const BLOB = `'/dev/blob'`;

/**
 * `pglite://DIR?table=NAME&type=vector|halfvec`
 *
 * A PostgreSQL inside this process, on this thread: a batch holds the event loop while it is stored. The folder must
 * not be open twice.
 *
 * @throws VBO_ERR_URL, VBO_ERR_ARGUMENT
 */
export function openPGliteSink(url: URL): PgVectorSink {
  const directory = pathOfUrl(url);
  const table = tableOf(url);
  return new PgVectorSink(new PGliteEngine(directory), {
    name: `pglite://${directory}?table=${table}`,
    database: 'pglite',
    table,
    type: checkOneOf(url.searchParams.get('type') ?? 'vector', 'type', ['vector', 'halfvec']),
  });
}

/** PGlite with pgvector. It runs one statement at a time. */
class PGliteEngine implements PgEngine {
  readonly maxConcurrency = 1;
  readonly #directory: string;
  #database: PGlite | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async connect(): Promise<void> {
    const { PGlite } = await importOptional(
      '@electric-sql/pglite',
      () => import('@electric-sql/pglite'),
      INSTALL,
    );
    const { vector } = await importOptional(
      '@electric-sql/pglite-pgvector',
      () => import('@electric-sql/pglite-pgvector'),
      INSTALL,
    );
    this.#database = await PGlite.create({ dataDir: this.#directory, extensions: { vector } });
  }

  async query({ text, values = [] }: PgStatement): Promise<Record<string, unknown>[]> {
    const { rows } = await this.#database!.query<Record<string, unknown>>(text, [...values], {
      serializers: BINARY_AS_IT_IS,
    });
    return rows;
  }

  async copy(statement: (source: string) => string, bytes: Buffer): Promise<void> {
    const blob = new Blob([bytes as Buffer<ArrayBuffer>]);
    // One message each way; `query` takes six, and 1.3 times as long at 100 rows.
    await this.#database!.exec(statement(BLOB), { blob });
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }
}

/** A parameter is made text by its type's serializer; what stays bytes is sent as binary. Ours are binary or text. */
const BINARY_AS_IT_IS = new Proxy<Record<number, (value: unknown) => string>>(
  {},
  { get: () => (value: unknown) => value as string },
);
