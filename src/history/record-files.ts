import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { describe } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { findProfile } from '../model/profiles.js';
import { checkRecord, toSample } from '../model/records.js';
import { type FileEntry, readNdjson, writeNdjson } from './ndjson.js';
import { readParquet, writeParquet } from './parquet.js';

export interface ImportOptions {
  signal?: AbortSignal;
  /** Called with the number of records met, every few hundred. */
  onProgress?: (records: number) => void;
}

/** A place in a file, and what is wrong there. */
export interface RefusedRecord {
  /** Line of an NDJSON file, row of a Parquet file; counts from 1. */
  readonly position: number;
  readonly reason: string;
}

export interface ImportReport {
  readonly path: string;
  /** Records met in the file. */
  readonly read: number;
  /** Of those, what is now in the history and was not before. */
  readonly added: number;
  /** Of those, what the history had already, or holds to be too old. */
  readonly known: number;
  readonly refusedCount: number;
  /** The first thousand of them. */
  readonly refused: readonly RefusedRecord[];
  /** Kept, but nothing of a database's speed is learnt from them: failures, which tell of limits, and what `toSample` takes for no measurement. */
  readonly skippedCount: number;
  /** The first thousand of them. */
  readonly skipped: readonly RefusedRecord[];
}

export interface ExportReport {
  readonly path: string;
  readonly records: number;
}

/** Where imported records go. */
export interface RecordStore {
  append(records: readonly BatchExecutionRecord[]): Promise<number>;
}

type Format = 'ndjson' | 'parquet';

const CHUNK_ROWS = 500;
const MOST_LISTED = 1000;

/**
 * Adds the records of a file, `.ndjson`, `.jsonl` or `.parquet`, to a store. What is no record is passed over and
 * reported with its position; the file is read in pieces.
 * @throws VBO_ERR_FILE_NOT_FOUND; VBO_ERR_FILE_FORMAT for another kind of file; VBO_ERR_ABORTED; what the store throws
 */
export async function importRecords(
  path: string,
  store: RecordStore,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const refused: RefusedRecord[] = [];
  const skipped: RefusedRecord[] = [];
  let refusedCount = 0;
  let skippedCount = 0;
  let read = 0;
  let added = 0;
  let chunk: BatchExecutionRecord[] = [];
  const flush = async () => {
    added += await store.append(chunk);
    chunk = [];
    options.onProgress?.(read);
  };
  for await (const entry of entriesOf(path)) {
    if (options.signal?.aborted) {
      throw new VectorBatchError('VBO_ERR_ABORTED', `Importing ${path} was aborted after ${read} records.`);
    }
    read++;
    const result = recordIn(entry);
    if ('reason' in result) {
      if (refusedCount++ < MOST_LISTED) refused.push(result);
      continue;
    }
    const reason = whySkipped(result.record);
    if (reason !== undefined && skippedCount++ < MOST_LISTED) {
      skipped.push({ position: entry.position, reason });
    }
    if (chunk.push(result.record) === CHUNK_ROWS) await flush();
  }
  await flush();
  const known = read - refusedCount - added;
  return { path, read, added, known, refusedCount, refused, skippedCount, skipped };
}

/** Why the model learns no speed from a record, if it does not. */
function whySkipped(record: BatchExecutionRecord): string | undefined {
  if (!findProfile(record.database_type)) {
    return `nothing is known of a database ${describe(record.database_type)}`;
  }
  const sample = toSample(record);
  return 'unmeasured' in sample ? sample.unmeasured : undefined;
}

/** The record in an entry, or why it holds none. */
function recordIn(entry: FileEntry): { record: BatchExecutionRecord } | RefusedRecord {
  if ('reason' in entry) return entry;
  const { position, value } = entry;
  try {
    return { record: checkRecord(value, 'record') };
  } catch (error) {
    return { position, reason: toVectorBatchError(error, 'VBO_ERR_RECORD', 'record').message };
  }
}

/**
 * Writes records as NDJSON or Parquet, by the file's name. The file appears at once or not at all.
 * @throws VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_NOT_FOUND if it cannot be written
 */
export async function exportRecords(
  path: string,
  pages: AsyncIterable<readonly BatchExecutionRecord[]>,
): Promise<ExportReport> {
  const format = formatOf(path);
  const partial = `${path}.partial`;
  const file = await openFile(partial, 'w');
  try {
    const records = await (format === 'parquet' ? writeParquet : writeNdjson)(file, pages);
    await file.sync();
    await file.close();
    await rename(partial, path);
    return { path, records };
  } catch (error) {
    await file.close().catch(() => {});
    await rm(partial, { force: true });
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot write ${path}`);
  }
}

async function* entriesOf(path: string): AsyncGenerator<FileEntry> {
  const format = formatOf(path);
  const file = await openFile(path, 'r');
  try {
    yield* format === 'parquet' ? readParquet(path, file) : readNdjson(file);
  } finally {
    await file.close();
  }
}

function formatOf(path: string): Format {
  const extension = extname(path).toLowerCase();
  if (extension === '.parquet') return 'parquet';
  if (extension === '.ndjson' || extension === '.jsonl') return 'ndjson';
  throw new VectorBatchError(
    'VBO_ERR_FILE_FORMAT',
    `${path}: execution records are read and written as .ndjson, .jsonl or .parquet.`,
    { details: { path } },
  );
}

async function openFile(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const what = flags === 'r' ? 'read' : 'write';
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot ${what} ${path}`);
  }
}
