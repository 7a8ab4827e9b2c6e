import type { Pool, PoolClient, PoolConfig } from 'pg';
import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { importOptional } from '../core/optional.js';
import { PgVectorSink } from './pgvector.js';
import type { PgEngine, PgStatement } from './pgvector-table.js';
import { CopyIn } from './postgres-copy.js';
import { tableOf } from './sql-table.js';
import { sinkName } from './url.js';

const INSTALL = 'npm install pg';
/** More than the cores of most servers: past them, writers only wait for each other. */
const DEFAULT_CONNECTIONS = 16;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * `postgres://USER:PASSWORD@HOST:PORT/DB?table=NAME&type=vector|halfvec&copy=auto|never&connections=N`
 *
 * - `table`: default `vectors`; `SCHEMA.NAME` where it is in a schema of its own
 * - `type`: of the vector column, should the table be created; default `vector`
 * - `copy`: `never` for what stands in between and cannot pass a COPY on; default `auto`
 * - `connections`: most of them, 1..256, default 16; never more than half of what the server has left
 *
 * What else the driver knows, such as `sslmode=require`, is passed on; `PGPASSWORD` and `~/.pgpass` are read.
 *
 * @throws VBO_ERR_URL, VBO_ERR_ARGUMENT
 */
export function openPostgresSink(url: URL): PgVectorSink {
  if (!url.hostname || url.pathname.length < 2) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${describe(`postgres://${url.host}${url.pathname}`)} is not of the form postgres://USER@HOST:PORT/DB?table=NAME.`,
    );
  }
  const table = tableOf(url);
  const type = checkOneOf(url.searchParams.get('type') ?? 'vector', 'type', ['vector', 'halfvec']);
  const connections = checkNumber(
    Number(url.searchParams.get('connections') ?? DEFAULT_CONNECTIONS),
    'connections',
    { min: 1, max: 256, integer: true },
  );
  const copy = checkOneOf(url.searchParams.get('copy') ?? 'auto', 'copy', ['auto', 'never']);
  const target = new URL(url);
  for (const option of ['table', 'type', 'connections', 'copy']) target.searchParams.delete(option);
  const user = url.username && `${url.username}@`;
  // What the driver takes before the URL's own, and what may set the schema.
  const { host, port, user: otherUser, options } = Object.fromEntries(url.searchParams);
  return new PgVectorSink(new PostgresEngine({ connectionString: target.href, max: connections }), {
    name: sinkName(`postgres://${user}${url.host}${url.pathname}`, {
      ...{ table, host, port, user: otherUser, options },
    }),
    database: 'pgvector',
    table,
    type,
    copies: copy === 'auto',
  });
}

/** A pool of connections to a server. */
class PostgresEngine implements PgEngine {
  readonly #config: PoolConfig & { max: number };
  #pool: Pool | undefined;
  #maxConcurrency = 1;

  constructor(config: PoolConfig & { max: number }) {
    this.#config = config;
  }

  get maxConcurrency(): number {
    return this.#maxConcurrency;
  }

  async connect(): Promise<void> {
    const { default: pg } = await importOptional('pg', () => import('pg'), INSTALL);
    this.#pool = new pg.Pool({
      ...this.#config,
      application_name: 'vector-batch-optimizer',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // A connection that breaks fails the statement it is at, and an idle one is replaced when it is needed. Without
    // listeners either would end the process: the pool's own is off while a connection is in use.
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => client.on('error', () => {}));
    const [left] = await this.query({
      text: `
        SELECT current_setting('max_connections')::float8 - current_setting('superuser_reserved_connections')::float8
          - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections`,
    });
    const half = Math.floor(Number(left!.connections) / 2);
    this.#maxConcurrency = Math.max(1, Math.min(this.#config.max, half));
  }

  async query({ text, values = [] }: PgStatement, signal?: AbortSignal): Promise<Record<string, unknown>[]> {
    return this.#withClient(signal, async (client) => (await client.query(text, [...values])).rows);
  }

  async copy(statement: (source: string) => string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    await this.#withClient(signal, (client) => client.query(new CopyIn(statement('STDIN'), bytes)).done);
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.end();
  }

  /** An abort closes the connection: what it is doing then fails, here at once and on the server when it notices. */
  async #withClient<T>(signal: AbortSignal | undefined, use: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool!.connect();
    let isReleased = false;
    const release = (isBroken: boolean) => {
      if (!isReleased) client.release(isBroken);
      isReleased = true;
    };
    const abort = () => release(true);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) throw signal.reason;
      return await use(client);
    } finally {
      signal?.removeEventListener('abort', abort);
      release(false);
    }
  }
}
