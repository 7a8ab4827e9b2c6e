import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { parquetReadObjects } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { History } from '../../src/history/history.js';
import { clockAt, NOW, recordAt, recordsAt, scratchFolder } from './support.js';

const folder = scratchFolder();
const memory = () => History.open(':memory:', { clock: clockAt(NOW) });
const odd: BatchExecutionRecord = {
  ...recordAt(0, { database_type: 'mine', throughput_vps: null, success: false, error: 'zu groß' }),
  ...{ client_version: '3.5', nested: { a: [1, null] } },
};

describe.each(['ndjson', 'jsonl', 'parquet'])('a .%s file', (extension) => {
  it('takes the records from one history to another, and not twice', async () => {
    const path = folder.file(`records.${extension}`);
    await using from = await memory();
    await from.append([...recordsAt(6001).slice(1), odd]);
    expect(await from.exportFile(path)).toEqual({ path, records: 6001 });
    await using to = await memory();
    const skipped = [{ position: 6001, reason: expect.stringContaining('"mine"') }];
    const report = { path, read: 6001, refusedCount: 0, refused: [], skippedCount: 1, skipped };
    expect(await to.importFile(path)).toEqual({ ...report, added: 6001, known: 0 });
    expect(await to.records()).toEqual(await from.records());
    expect(await to.importFile(path)).toEqual({ ...report, added: 0, known: 6001 });
    expect(readdirSync(folder.path)).toEqual([`records.${extension}`]);
  });

  it('of an empty history is one', async () => {
    const path = folder.file(`empty.${extension}`);
    await using history = await memory();
    expect(await history.exportFile(path)).toEqual({ path, records: 0 });
    expect(await history.importFile(path)).toMatchObject({ read: 0, added: 0 });
  });
});

it('what is no record in an NDJSON file is reported with its line, and the rest is kept', async () => {
  const path = folder.file('mixed.ndjson');
  const good = recordsAt(3).map((record) => JSON.stringify(record));
  const lines = [
    `\uFEFF${good[0]}`,
    '{"database_type":',
    '',
    '[1,2]',
    `${good[1]}\r`,
    '{"database_type":"q"}',
    good[2],
  ];
  writeFileSync(path, lines.join('\n'));
  await using history = await memory();
  const report = await history.importFile(path);
  expect(report).toMatchObject({ read: 6, added: 3, known: 0, refusedCount: 3 });
  expect(report.refused).toEqual([
    { position: 2, reason: expect.stringMatching(/^not JSON: /) },
    { position: 4, reason: 'record is an array of 2; expected an execution record.' },
    { position: 6, reason: expect.stringMatching(/^record\.vector_dimension is undefined/) },
  ]);
});

it('a Parquet file of another program is read: its columns are fields, dates are times, wide integers numbers', async () => {
  const path = folder.file('theirs.parquet');
  const strings = (value: string) => ({ data: [value, value], type: 'STRING' as const });
  parquetWriteFile({
    filename: path,
    columnData: [
      { name: 'database_type', ...strings('qdrant') },
      { name: 'vector_dimension', data: [128n, 128n], type: 'INT64' },
      { name: 'batch_size', data: [64, 0], type: 'INT32' },
      { name: 'concurrency', data: [1, 1], type: 'INT32' },
      { name: 'throughput_vps', data: [1000.5, 1], type: 'DOUBLE' },
      { name: 'success', data: [true, true], type: 'BOOLEAN' },
      { name: 'ts', data: [new Date(NOW - 5), new Date(NOW)], type: 'TIMESTAMP' },
      { name: 'host', ...strings('a') },
    ],
  });
  await using history = await memory();
  const report = await history.importFile(path);
  expect(report).toMatchObject({ read: 2, added: 1, refused: [{ position: 2 }] });
  expect(await history.records()).toEqual([
    {
      ...{ database_type: 'qdrant', vector_dimension: 128, batch_size: 64, concurrency: 1, success: true },
      ...{ throughput_vps: 1000.5, error: null, ts: NOW - 5, host: 'a' },
    },
  ]);
});

it('an exported Parquet file has a column for each field of a record', async () => {
  const path = folder.file('records.parquet');
  await using history = await memory();
  await history.append([odd]);
  await history.exportFile(path);
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const [row] = await parquetReadObjects({ file });
  expect(row).toMatchObject({
    ...{ ts: BigInt(NOW - 1000), database_type: 'mine', vector_dimension: 128, item_count: 100_000n },
    ...{ throughput_vps: null, success: false, error: 'zu groß' },
    further: { client_version: '3.5', nested: { a: [1, null] } },
  });
});

it('names what is wrong with a file', async () => {
  await using history = await memory();
  await history.append(recordsAt(10));
  const cut = folder.file('cut.parquet');
  await history.exportFile(cut);
  truncateSync(cut, 200);
  const failure = (code: string) => ({ code, message: expect.stringContaining(folder.path) });
  await expect(history.importFile(cut)).rejects.toMatchObject(failure('VBO_ERR_FILE_FORMAT'));
  await expect(history.importFile(folder.file('no.ndjson'))).rejects.toMatchObject(
    failure('VBO_ERR_FILE_NOT_FOUND'),
  );
  await expect(history.importFile(folder.file('table.csv'))).rejects.toMatchObject(
    failure('VBO_ERR_FILE_FORMAT'),
  );
  await expect(history.exportFile(folder.file('no/where.ndjson'))).rejects.toMatchObject(
    failure('VBO_ERR_FILE_NOT_FOUND'),
  );
});
