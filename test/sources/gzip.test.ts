import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { bytesOf, npy, readAll, temporaryFolder, vecs } from './files.js';

const folder = temporaryFolder();
const ROWS = 2000;
const DIMENSION = 8;
/** Values that do not compress away, so that cutting the file cuts rows. */
const noise = (i: number) => createHash('sha256').update(`${i}`).digest().readInt32LE(0) / 2 ** 31;
const values = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => noise(i));
const row = (i: number) => values.subarray(i * DIMENSION, (i + 1) * DIMENSION);
const rows = Array.from({ length: ROWS }, (_, i) => i);

const FILES: Record<string, Buffer> = {
  'a.npy.gz': npy("'<f4'", [ROWS, DIMENSION], bytesOf(values)),
  'a.fvecs.gz': vecs(rows.map((i) => row(i).slice())),
  'a.ndjson.gz': Buffer.from(
    rows.map((i) => `${JSON.stringify({ id: i, vector: Array.from(row(i)) })}\n`).join(''),
  ),
};

describe.each(Object.keys(FILES))('%s', (name) => {
  const compressed = gzipSync(FILES[name]!);

  test('is read like the file it holds, twice, and from any record', async () => {
    const source = await openSource(folder.write(name, compressed), { chunkBytes: 10_000 });
    for (let time = 0; time < 2; time++) {
      const all = await readAll(source);
      expect(all.error).toBeUndefined();
      expect(all.positions).toEqual(rows);
      expect(all.bits).toEqual(new Uint32Array(values.buffer));
      expect(source.progress!()).toEqual({ readBytes: compressed.length, totalBytes: compressed.length });
    }
    const late: number[] = [];
    for await (const { positions } of source.from!(1990)) late.push((positions as { first: number }).first);
    expect(late[0]).toBe(1990);
  });

  test('is told by its content, whatever its name', async () => {
    const source = await openSource(folder.write(name.replace('.gz', ''), compressed));
    expect(source.dimension).toBe(DIMENSION);
  });

  test('cut off anywhere, yields the complete records and then says so', async () => {
    let most = 0;
    for (let length = 40; length < compressed.length; length += Math.floor(compressed.length / 15)) {
      const path = folder.write(`cut-${name}`, compressed.subarray(0, length));
      const opened = await openSource(path, { chunkBytes: 5000 }).catch((error) => error);
      if (opened instanceof Error) {
        expect(opened, `cut at ${length}`).toMatchObject({ code: 'VBO_ERR_FILE_TRUNCATED' });
        continue;
      }
      const all = await readAll(opened);
      expect(all.error, `cut at ${length}`).toMatchObject({
        code: 'VBO_ERR_FILE_TRUNCATED',
        message: expect.stringMatching(/ends in the middle of its compressed data, at byte \d+/),
      });
      expect(all.rejected).toEqual([]);
      expect(all.positions).toEqual(rows.slice(0, all.positions.length));
      expect(all.bits).toEqual(new Uint32Array(values.buffer, 0, all.positions.length * DIMENSION));
      most = Math.max(most, all.positions.length);
    }
    // The last cut leaves nearly everything, and nearly everything is read.
    expect(most).toBeGreaterThan(0.7 * ROWS);
  });

  test('with a wrong checksum at its end yields what was decompressed before it was found and then says so', async () => {
    const damaged = Buffer.from(compressed);
    damaged[damaged.length - 6]! ^= 0xff;
    const all = await readAll(await openSource(folder.write(`crc-${name}`, damaged)));
    // All but the last 16 KiB that zlib had not handed out when it found the difference.
    expect(all.positions).toEqual(rows.slice(0, all.positions.length));
    expect(all.positions.length).toBeGreaterThan(0.7 * ROWS);
    expect(all.error).toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringMatching(/is damaged: incorrect data check \(gzip\)/),
    });
  });
});

test('several gzip members after each other are one file', async () => {
  const text = FILES['a.ndjson.gz']!;
  const half = text.indexOf('\n', text.length / 2) + 1;
  const bytes = Buffer.concat([gzipSync(text.subarray(0, half)), gzipSync(text.subarray(half))]);
  expect((await readAll(await openSource(folder.write('members.ndjson.gz', bytes)))).positions).toEqual(rows);
});

test('an .npy in it that is shorter than its header promises says so', async () => {
  const bytes = gzipSync(FILES['a.npy.gz']!.subarray(0, 10_000));
  const all = await readAll(await openSource(folder.write('short.npy.gz', bytes)));
  expect(all.error).toMatchObject({
    code: 'VBO_ERR_FILE_TRUNCATED',
    message: expect.stringContaining('ends at byte 10000, in row 308 of 2000'),
  });
  expect(all.positions.length).toBe(308);
});
