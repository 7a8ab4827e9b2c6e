import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { npy, temporaryFolder } from './files.js';

const folder = temporaryFolder();

describe('openSource', () => {
  test.each(['none.npy', 'none.ndjson', 'none.fvecs', 'none.parquet', 'none.npy.gz'])(
    'does not find %s',
    async (name) => {
      await expect(openSource(join(folder.path, name))).rejects.toMatchObject({
        code: 'VBO_ERR_FILE_NOT_FOUND',
        details: { path: join(folder.path, name) },
      });
    },
  );

  test.each(['e.npy', 'e.ndjson', 'e.bvecs', 'e.bin', 'e.parquet', 'e.arrow', 'e.npy.gz'])(
    'says that %s is empty',
    async (name) => {
      await expect(openSource(folder.write(name, ''))).rejects.toMatchObject({ code: 'VBO_ERR_FILE_EMPTY' });
    },
  );

  test.each([
    ['v.parquet', Buffer.from('PARE....'), /an encrypted Parquet file/],
    ['v.feather', Buffer.from('FEA1....'), /Feather file of version 1/],
    ['v.arrow', Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), /zstd file; decompress/],
    ['v.parquet.gz', gzipSync(Buffer.from('PAR1....')), /gzip file that holds parquet.*decompress/],
    ['v.jsonl', Buffer.from([0xff, 0xfe, 0x7b, 0]), /UTF-16/],
    ['v.bin', Buffer.from('hello'), /starts with the bytes 68656c6c6f; expected one of \.npy/],
  ])('says what %s is instead', async (name, bytes, message) => {
    await expect(openSource(folder.write(name, bytes))).rejects.toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringMatching(message),
    });
  });

  test('knows NDJSON by its first characters, and file URLs', async () => {
    const path = folder.write('my export.json', '{"vector":[1,2]}\n');
    expect((await openSource(pathToFileURL(path))).dimension).toBe(2);
  });

  test('believes an .fvecs whose dimension looks like a brace', async () => {
    const bytes = Buffer.alloc(4 + 4 * 123);
    bytes.writeInt32LE(123);
    expect((await openSource(folder.write('brace.fvecs', bytes))).dimension).toBe(123);
  });

  test('reads a file of 8 GB with the memory of a small one', async () => {
    const rows = 20_000_000;
    const path = join(folder.path, 'sparse.npy');
    const header = npy("'<f4'", [rows, 100], new Uint8Array());
    const file = openSync(path, 'w');
    writeSync(file, header);
    ftruncateSync(file, header.length + rows * 400);
    closeSync(file);
    const source = await openSource(path);
    expect(source.count).toBe(rows);
    let read = 0;
    let peakBytes = 0;
    for await (const chunk of source) {
      read += chunk.vectors.length / 100;
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers);
      if (read > 1_000_000) break;
    }
    expect(peakBytes).toBeLessThan(60e6);
  });
});
