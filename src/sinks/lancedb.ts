import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type * as LanceDb from '@lancedb/lancedb';
import type * as Arrow from 'apache-arrow';
import { checkOneOf, describe } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { importOptional } from '../core/optional.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { ArrowBatchWriter, type IdColumn } from './arrow.js';
import { pathOfUrl } from './url.js';

const INSTALL = 'npm install @lancedb/lancedb apache-arrow@18.1.0';
const DEFAULT_TABLE = 'vectors';
/** A UUID and its offset: what a text id is taken for when bytes are counted. */
const TEXT_ID_BYTES = 40;
/** A batch lives three times while it is added: here, in the Arrow file, and in the native code. 256 MiB. */
const MAX_BATCH_BYTES = 268_435_456;
/**
 * From here on compaction pays: at 100 fragments a search takes 1.8x as long as after it, at 1000 3.8x;
 * compacting costs 0.1 and 0.6 s (60,000 vectors of 100 dimensions).
 */
const MAX_SMALL_FRAGMENTS = 100;

/** A request waits for the disk and for other requests as much as it computes. */
const USEFUL_PER_CORE = 2;

/** The two packages a LanceDB sink needs. */
export interface LanceDbPackages {
  lancedb: typeof LanceDb;
  arrow: typeof Arrow;
}

const importPackages = async (): Promise<LanceDbPackages> => ({
  lancedb: await importOptional('@lancedb/lancedb', () => import('@lancedb/lancedb'), INSTALL),
  arrow: await importOptional('apache-arrow', () => import('apache-arrow'), INSTALL),
});

/**
 * `lancedb://DIR?table=NAME&mode=append|upsert&optimize=auto|never`
 *
 * - `table`: default `vectors`; created if there is none
 * - `mode`: `append` (default) adds rows as they come, but for batches that may be stored already; `upsert`
 *   replaces rows of the same id throughout, at a third to two thirds of the speed
 * - `optimize`: `auto` (default) compacts at the end if more than 100 small fragments were left
 *
 * @throws VBO_ERR_URL
 */
export function openLanceDbSink(url: URL): LanceDbSink {
  const { table = DEFAULT_TABLE, mode = 'append', optimize = 'auto' } = Object.fromEntries(url.searchParams);
  if (!/^[\w.-]+$/.test(table)) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `table is ${describe(table)}; expected letters, digits, underscores, hyphens and periods.`,
    );
  }
  return new LanceDbSink({
    directory: pathOfUrl(url),
    table,
    mode: checkOneOf(mode, 'mode', ['append', 'upsert']),
    optimize: checkOneOf(optimize, 'optimize', ['auto', 'never']),
  });
}

export interface LanceDbSinkOptions {
  directory: string;
  table: string;
  mode: 'append' | 'upsert';
  optimize: 'auto' | 'never';
}

/** A table of an embedded LanceDB: `id`, `vector` (fixed-size list of float32) and `payload` (JSON text). */
export class LanceDbSink implements Sink {
  readonly name: string;
  readonly database = 'lancedb';
  readonly upserts: boolean | 'onRequest';
  readonly #options: LanceDbSinkOptions;
  readonly #importPackages: () => Promise<LanceDbPackages>;
  #connection: LanceDb.Connection | undefined;
  #table: LanceDb.Table | undefined;
  #writer: ArrowBatchWriter | undefined;
  #idBytes = 8;

  /** @param packages how the packages are loaded; a test can hand in its own */
  constructor(options: LanceDbSinkOptions, packages: () => Promise<LanceDbPackages> = importPackages) {
    this.name = `lancedb://${options.directory}?table=${options.table}`;
    this.upserts = options.mode === 'upsert' || 'onRequest';
    this.#options = options;
    this.#importPackages = packages;
  }

  /**
   * @throws VBO_ERR_MISSING_PACKAGE; VBO_ERR_SINK_UNREACHABLE if the folder cannot be used; VBO_ERR_DIMENSION
   *   if the table holds vectors of another dimension; VBO_ERR_SINK if its columns do not fit otherwise
   */
  async open(options: SinkOpenOptions): Promise<void> {
    const { lancedb, arrow } = await this.#importPackages();
    const { dimension, hasPayloads, idType } = options;
    const wanted = new ArrowBatchWriter(arrow, {
      id: idType === 'string' ? 'utf8' : 'int64',
      dimension,
      hasPayloads,
    });
    let schema: Arrow.Schema;
    try {
      this.#connection = await lancedb.connect(this.#options.directory);
      this.#table = await openOrCreate(lancedb, this.#connection, this.#options, wanted.schema);
      schema = await this.#table.schema();
    } catch (error) {
      throw toVectorBatchError(error, 'VBO_ERR_SINK_UNREACHABLE', `Cannot open ${this.name}`);
    }
    const id = fitSchema(schema, options, this.name);
    this.#writer = new ArrowBatchWriter(arrow, { id, dimension, hasPayloads });
    this.#idBytes = id === 'utf8' ? TEXT_ID_BYTES : 8;
  }

  limits(): SinkLimits {
    return { maxBytes: MAX_BATCH_BYTES, maxConcurrency: USEFUL_PER_CORE * availableParallelism() };
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension + this.#idBytes;
  }

  /**
   * Settles when the native code is done, whatever the signal says in between: an add cannot be called
   * back, and one reported as failed but stored later would be stored twice.
   */
  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    if (signal.aborted) {
      const error = new VectorBatchError('VBO_ERR_ABORTED', `The write to ${this.name} was aborted.`);
      return { kind: 'retry', error };
    }
    const table = this.#opened(this.#table);
    const writer = this.#opened(this.#writer);
    try {
      const store = WRITE[batch.mayBeStored ? 'upsert' : this.#options.mode];
      return { kind: 'ok', bytesSent: await store(table, writer, batch) };
    } catch (error) {
      return outcomeOf(error, this.name, this.#options.directory);
    }
  }

  async count(): Promise<number> {
    const table = this.#opened(this.#table);
    await table.checkoutLatest();
    return table.countRows();
  }

  async finish(): Promise<void> {
    if (this.#options.optimize === 'never') return;
    const table = this.#opened(this.#table);
    const { fragmentStats } = await table.stats();
    if (fragmentStats.numSmallFragments > MAX_SMALL_FRAGMENTS) await table.optimize();
  }

  async drop(): Promise<void> {
    this.#table?.close();
    this.#table = undefined;
    await this.#opened(this.#connection).dropTable(this.#options.table);
  }

  async close(): Promise<void> {
    this.#table?.close();
    this.#connection?.close();
    this.#table = this.#connection = this.#writer = undefined;
  }

  #opened<T>(value: T | undefined): T {
    if (value !== undefined) return value;
    throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
  }
}

/**
 * LanceDB's own creation can succeed for two at once, the second overwriting the table of the first, which then
 * takes no more appends. So the table is made in a folder beside and renamed: the file system lets one of them in.
 */
async function openOrCreate(
  lancedb: typeof LanceDb,
  connection: LanceDb.Connection,
  { directory, table: name }: LanceDbSinkOptions,
  schema: Arrow.Schema,
): Promise<LanceDb.Table> {
  try {
    return await connection.openTable(name);
  } catch (error) {
    if (!/was not found/i.test((error as Error).message)) throw error;
  }
  await mkdir(directory, { recursive: true });
  const beside = await mkdtemp(join(directory, '.creating-'));
  try {
    const creation = await lancedb.connect(beside);
    (await creation.createEmptyTable(name, schema)).close();
    creation.close();
    const place = join(directory, `${name}.lance`);
    await rename(join(beside, `${name}.lance`), place).catch((error) => {
      // Somebody else created it in between.
      if (!existsSync(place)) throw error;
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return connection.openTable(name);
}

/**
 * How ids are to be written to a table of this schema.
 * @throws VBO_ERR_DIMENSION, VBO_ERR_SINK
 */
function fitSchema(schema: Arrow.Schema, options: SinkOpenOptions, name: string): IdColumn {
  const { dimension, hasPayloads, idType } = options;
  // Types are compared by name: the database may carry another copy of the Arrow library.
  const types = new Map(schema.fields.map((field) => [field.name, String(field.type)]));
  const refuse = (problem: string) =>
    new VectorBatchError('VBO_ERR_SINK', `${name} ${problem}.`, { details: Object.fromEntries(types) });

  const vector = types.get('vector');
  const stored = /^FixedSizeList\[(\d+)\]<Float32>$/.exec(vector ?? '')?.[1];
  if (stored === undefined) {
    throw refuse(
      `has ${vector ? `a vector column of ${vector}` : 'no vector column'}; expected FixedSizeList<Float32>`,
    );
  }
  if (Number(stored) !== dimension) {
    throw new VectorBatchError(
      'VBO_ERR_DIMENSION',
      `${name} holds vectors of dimension ${stored}; the source has dimension ${dimension}.`,
      { details: { stored: Number(stored), dimension } },
    );
  }
  if (hasPayloads && types.get('payload') !== 'Utf8') {
    throw refuse(
      `has ${types.has('payload') ? `a payload column of ${types.get('payload')}` : 'no payload column'}; expected Utf8`,
    );
  }
  const required = schema.fields.find(
    (field) =>
      !field.nullable &&
      field.name !== 'id' &&
      field.name !== 'vector' &&
      !(hasPayloads && field.name === 'payload'),
  );
  if (required) throw refuse(`has the column ${required.name}, which cannot be left empty`);
  const id = types.get('id');
  if (id === 'Utf8') return 'utf8';
  if (idType === 'number' && id === 'Int64') return 'int64';
  if (idType === 'number' && id === 'Float64') return 'float64';
  throw refuse(`has ${id ? `an id column of ${id}` : 'no id column'}; the ids of the source are ${idType}s`);
}

/** What the package's own `add` calls once it has an Arrow file; not part of its types. */
interface NativeTable {
  add?(file: Buffer, mode: 'append' | 'overwrite'): Promise<unknown>;
}

/** Stores a batch and returns the bytes of its Arrow file. */
type Write = (table: LanceDb.Table, writer: ArrowBatchWriter, batch: Batch) => Promise<number>;

/**
 * Hands our Arrow file to the native code. The package's own `add` asks for the schema and copies the file
 * twice more each time; given rows as objects, it converts them one by one. Vectors/s at 1000 rows a batch,
 * 1 in flight, 100 | 768 dimensions: objects 80,000 | 19,000, Arrow table 215,000 | 116,000, this 408,000 | 145,000.
 */
const append: Write = async (table, writer, batch) => {
  const native = (table as unknown as { inner?: NativeTable }).inner;
  if (typeof native?.add !== 'function') {
    await table.add(writer.toTable(batch));
    return batch.vectors.byteLength;
  }
  const file = await writer.write(batch);
  try {
    await native.add(file, 'append');
    return file.length;
  } finally {
    writer.release(file);
  }
};

const upsert: Write = async (table, writer, batch) => {
  await table
    .mergeInsert('id')
    .whenMatchedUpdateAll()
    .whenNotMatchedInsertAll()
    .execute(writer.toTable(batch));
  return batch.vectors.byteLength;
};

const WRITE: Readonly<Record<LanceDbSinkOptions['mode'], Write>> = { append, upsert };

/** The native code tells its errors apart by their text only. */
function outcomeOf(cause: unknown, name: string, directory: string): WriteOutcome {
  const error = toVectorBatchError(cause, 'VBO_ERR_SINK', name);
  if (error.code !== 'VBO_ERR_SINK') return { kind: 'permanent', error };
  const text = withoutPaths((cause as Error).message, directory);
  if (/ambiguous/i.test(text)) return { kind: 'permanent', error };
  // Another writer overwrote or restored the table: what was stored may be gone, and this handle stays behind it.
  if (/incompatible transaction/i.test(text)) return { kind: 'fatal', error };
  if (/conflict|concurrent|timed? ?out|temporar/i.test(text)) return { kind: 'retry', error };
  if (
    /no space|os error 28|permission denied|read-only|cannot cast|does not exist|is closed|not found/i.test(
      text,
    )
  ) {
    return { kind: 'fatal', error };
  }
  return { kind: 'retry', error };
}

/** Names of the table's files, with or without their leading slash, and of lines of source are no diagnosis. */
function withoutPaths(text: string, directory: string): string {
  return text
    .split(directory.slice(1))
    .map((piece, i) => (i === 0 ? piece : piece.replace(/^\S*/, '')))
    .join('')
    .replace(/\S+\.rs:\d+:\d+/g, '');
}
