import type { FileHandle } from 'node:fs/promises';
import type { AsyncBuffer } from 'hyparquet';
import type { BasicType } from 'hyparquet-writer';
import { toVectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import type { FileEntry } from './ndjson.js';

/** Rows that are held at once. */
const WINDOW_ROWS = 5000;

/** A record's own fields; what else it holds is one JSON object. */
const COLUMNS: readonly { name: string; type: BasicType }[] = [
  { name: 'ts', type: 'INT64' },
  { name: 'database_type', type: 'STRING' },
  { name: 'deployment', type: 'STRING' },
  { name: 'vector_dimension', type: 'INT32' },
  { name: 'batch_size', type: 'INT32' },
  { name: 'concurrency', type: 'INT32' },
  { name: 'item_count', type: 'INT64' },
  { name: 'bytes_per_vector', type: 'DOUBLE' },
  { name: 'execution_time_ms', type: 'DOUBLE' },
  { name: 'throughput_vps', type: 'DOUBLE' },
  { name: 'batch_p50_ms', type: 'DOUBLE' },
  { name: 'batch_p95_ms', type: 'DOUBLE' },
  { name: 'peak_rss_mb', type: 'DOUBLE' },
  { name: 'success', type: 'BOOLEAN' },
  { name: 'error', type: 'STRING' },
];
const FURTHER = 'further';

/**
 * The rows of a Parquet file. Columns that are no field of a record are kept as further fields, and those of an object
 * in the column `further` too.
 * @throws VBO_ERR_FILE_FORMAT
 */
export async function* readParquet(path: string, file: FileHandle): AsyncGenerator<FileEntry> {
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  try {
    const buffer = bufferOf(file, (await file.stat()).size);
    const metadata = await parquetMetadataAsync(buffer);
    const rows = Number(metadata.num_rows);
    for (let first = 0; first < rows; first += WINDOW_ROWS) {
      const page = await parquetReadObjects({
        ...{ file: buffer, metadata, useOffsetIndex: true },
        ...{ rowStart: first, rowEnd: Math.min(rows, first + WINDOW_ROWS) },
      });
      for (const [index, row] of page.entries()) yield { position: first + index + 1, value: recordOf(row) };
    }
  } catch (error) {
    throw toVectorBatchError(error, 'VBO_ERR_FILE_FORMAT', `${path} cannot be read as Parquet`);
  }
}

/** Returns the number of records. */
export async function writeParquet(
  file: FileHandle,
  pages: AsyncIterable<readonly BatchExecutionRecord[]>,
): Promise<number> {
  const { ByteWriter, parquetWriteRows } = await import('hyparquet-writer');
  class FileWriter extends ByteWriter {
    async flush(): Promise<void> {
      const bytes = this.getBytes().slice();
      this.index = 0;
      await file.appendFile(bytes);
    }
    override finish(): Promise<void> {
      return this.flush();
    }
  }
  let records = 0;
  const rows = async function* () {
    for await (const page of pages) {
      records += page.length;
      yield* page.map(rowOf);
    }
  };
  await parquetWriteRows({
    writer: new FileWriter() as unknown as Parameters<typeof parquetWriteRows>[0]['writer'],
    rows: rows(),
    columns: [...COLUMNS, { name: FURTHER, type: 'JSON' as const }].map((column) => ({
      ...{ ...column, nullable: true },
    })),
    rowGroupSize: WINDOW_ROWS,
  });
  return records;
}

function rowOf(record: BatchExecutionRecord): Record<string, unknown> {
  const further = { ...record };
  const row: Record<string, unknown> = {};
  for (const { name, type } of COLUMNS) {
    const value = record[name];
    delete further[name];
    row[name] = type === 'INT64' && typeof value === 'number' ? BigInt(Math.round(value)) : value;
  }
  row[FURTHER] = Object.keys(further).length > 0 ? further : undefined;
  return row;
}

function recordOf(row: Record<string, unknown>): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    if (value === null || value === undefined) continue;
    if (name === FURTHER && typeof value === 'object') Object.assign(record, value);
    else if (typeof value === 'bigint') record[name] = Number(value);
    else record[name] = value instanceof Date ? value.getTime() : value;
  }
  return record;
}

const bufferOf = (file: FileHandle, byteLength: number): AsyncBuffer => ({
  byteLength,
  slice: async (start, end = byteLength) => {
    const bytes = new Uint8Array(end - start);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) throw new Error(`the file ends at byte ${start + at} of ${byteLength}`);
      at += bytesRead;
    }
    return bytes.buffer;
  },
});
