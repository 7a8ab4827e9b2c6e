import fc from 'fast-check';
import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { decodeRuns } from '../../src/sources/parquet-runs.js';
import { readAll, readOrFail, temporaryFolder } from './files.js';

const folder = temporaryFolder();

/** A file of ids, lists of floats (or of what `type` says) and names. */
function parquet(
  rows: readonly { id: bigint; vector: readonly number[] | null; name: string | null }[],
  { type = 'FLOAT', rowGroupSize = 1000, pageSize = 1_048_576, codec = 'SNAPPY', encoding = 'PLAIN' } = {},
): Buffer {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: 3 },
    { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' },
    { name: 'vector', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: type as 'FLOAT', repetition_type: 'OPTIONAL' },
    { name: 'name', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ];
  return Buffer.from(
    parquetWriteBuffer({
      schema,
      columnData: [
        { name: 'id', data: rows.map((row) => row.id) },
        { name: 'vector', data: rows.map((row) => row.vector), encoding: encoding as 'PLAIN' },
        { name: 'name', data: rows.map((row) => row.name) },
      ],
      ...{ rowGroupSize, pageSize, codec: codec as 'SNAPPY' },
    }),
  );
}

const record = (i: number, dimension = 3) => ({
  id: BigInt(i),
  vector: Array.from({ length: dimension }, (_, d) => Math.fround(Math.sin(i * 7 + d))),
  name: i % 4 ? `n${i}` : null,
});

describe('a .parquet source', () => {
  test('reads back what was written, whatever the pages, row groups and chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom('good', 'good', 'good', 'null', 'empty', 'long'),
            fc.array(fc.float({ noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
            fc.option(fc.string({ unit: 'grapheme', maxLength: 6 })),
          ),
          { minLength: 1, maxLength: 60 },
        ),
        fc.constantFrom('FLOAT', 'DOUBLE'),
        fc.constantFrom('PLAIN', 'BYTE_STREAM_SPLIT', 'RLE_DICTIONARY'),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom(16, 64, 200, 1_000_000),
        fc.constantFrom('SNAPPY', 'UNCOMPRESSED'),
        fc.integer({ min: 1, max: 300 }),
        async (items, type, encoding, rowGroupSize, pageSize, codec, chunkBytes) => {
          const rows = items.map(([kind, vector, name], i) => ({
            id: BigInt(i * 3),
            vector: { good: vector, null: null, empty: [], long: [...vector, 1] }[kind]!,
            name,
          }));
          rows.unshift({ id: -3n, vector: [1, 2, 3], name: 'first' });
          const bytes = parquet(rows, { type, encoding, rowGroupSize, pageSize, codec });
          const all = await readAll(await openSource(folder.write('p.parquet', bytes), { chunkBytes }));
          expect(all.error).toBeUndefined();
          const good = rows.flatMap((row, i) => (row.vector?.length === 3 ? [i] : []));
          expect(all.positions).toEqual(good);
          expect(all.vectors).toEqual(good.map((i) => rows[i]!.vector));
          expect(all.ids).toEqual(good.map((i) => Number(rows[i]!.id)));
          expect(all.payloads).toEqual(good.map((i) => ({ name: rows[i]!.name })));
          expect(all.rejected.map(({ position, id, code }) => [position, id, code])).toEqual(
            rows.flatMap(({ id, vector }, i) =>
              vector?.length === 3
                ? []
                : [[i, Number(id), vector === null ? 'VBO_ERR_RECORD' : 'VBO_ERR_DIMENSION']],
            ),
          );
        },
      ),
      { numRuns: 150, seed: 11 },
    );
  });

  test('cut off anywhere, says that its end is missing', async () => {
    const whole = parquet(Array.from({ length: 20 }, (_, i) => record(i)));
    for (let length = 4; length < whole.length; length += 13) {
      const path = folder.write('cut.parquet', whole.subarray(0, length));
      expect(await readOrFail(() => openSource(path)), `cut at ${length}`).toEqual({
        rows: 0,
        code: 'VBO_ERR_FILE_TRUNCATED',
      });
    }
  });

  test('damaged at any byte, ends with good rows and a code, and never hangs', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => record(i));
    for (const codec of ['SNAPPY', 'UNCOMPRESSED']) {
      const whole = parquet(rows, { codec, rowGroupSize: 40, pageSize: 256 });
      for (let at = 0; at < whole.length; at += 11) {
        for (const mask of [0xff, 1 << (at % 8)]) {
          const bytes = Buffer.from(whole);
          bytes[at]! ^= mask;
          const path = folder.write('damaged.parquet', bytes);
          // Whatever was read before it is of the right shape; anything but a code would be thrown on.
          const { rows: read } = await readOrFail(() => openSource(path, { decodingBytes: 1e6 }));
          expect(read).toBeLessThanOrEqual(10_000);
        }
      }
    }
  }, 120_000);

  test('says where it is damaged, after the rows before', async () => {
    const whole = parquet(
      Array.from({ length: 40 }, (_, i) => record(i)),
      { codec: 'UNCOMPRESSED', rowGroupSize: 20 },
    );
    // The first page of the second row group's vectors: its levels claim more than is there.
    const second = whole.indexOf(Buffer.from(Float32Array.from(record(20).vector).buffer));
    whole.fill(0xff, second - 40, second - 16);
    const all = await readAll(await openSource(folder.write('middle.parquet', whole)));
    expect(all.positions).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(all.error).toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringMatching(/is a damaged Parquet file: column vector of row group 1: /),
    });
  });

  test('refuses a page that its memory cannot hold, with what it takes', async () => {
    const path = folder.write('large.parquet', parquet(Array.from({ length: 500 }, (_, i) => record(i, 64))));
    await expect(openSource(path, { decodingBytes: 100_000 })).rejects.toMatchObject({
      code: 'VBO_ERR_MEMORY',
      message: expect.stringMatching(/column vector\.list\.element.*32000 values.*Allow more/),
    });
    expect((await openSource(path)).dimension).toBe(64);
  });

  test('reads a row group that is larger than its memory, page by page', async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => record(i, 64));
    const path = folder.write('group.parquet', parquet(rows, { rowGroupSize: 3000, pageSize: 16_384 }));
    const all = await readAll(await openSource(path, { decodingBytes: 100_000, chunkBytes: 10_000 }));
    expect([all.error, all.vectors.length]).toEqual([undefined, 3000]);
    expect(all.vectors[2999]).toEqual(record(2999, 64).vector);
  });

  test('of several columns of vectors wants one named', async () => {
    const columnData = ['a', 'b'].map((name) => ({
      name,
      data: [Float32Array.of(1, 2), Float32Array.of(3, 4)].map((row) => Array.from(row)),
    }));
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 2 },
      ...['a', 'b'].flatMap((name): SchemaElement[] => [
        { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
      ]),
    ];
    const path = folder.write('two.parquet', Buffer.from(parquetWriteBuffer({ columnData, schema })));
    await expect(openSource(path)).rejects.toMatchObject({
      code: 'VBO_ERR_COLUMN',
      message: expect.stringMatching(/several columns.*: a \(list of double\), b \(list of double\)/),
    });
    const all = await readAll(await openSource(path, { vectorColumn: 'b' }));
    expect(all.vectors).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(all.payloads).toEqual([{ a: [1, 2] }, { a: [3, 4] }]);
  });
});

describe('decodeRuns', () => {
  test('reads runs and packed values of any width', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 32 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 40 })), {
          minLength: 1,
          maxLength: 8,
        }),
        (bitWidth, parts) => {
          const bytes: number[] = [];
          const expected: number[] = [];
          const varint = (value: number) => {
            let rest = value;
            for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
            bytes.push(rest);
          };
          for (const [isPacked, seed, length] of parts) {
            const values = Array.from(
              { length: isPacked ? Math.ceil(length / 8) * 8 : length },
              (_, i) => (isPacked ? Math.imul(seed + i, 2_654_435_761) >>> 0 : seed) % 2 ** bitWidth,
            );
            if (isPacked) {
              varint(((values.length / 8) << 1) | 1);
              let bits = 0n;
              for (const [i, value] of values.entries()) bits |= BigInt(value) << BigInt(i * bitWidth);
              for (let i = 0; i < (values.length / 8) * bitWidth; i++)
                bytes.push(Number((bits >> BigInt(8 * i)) & 255n));
            } else {
              varint(values.length << 1);
              for (let i = 0; i < Math.ceil(bitWidth / 8); i++)
                bytes.push(Math.floor(values[0]! / 256 ** i) & 255);
            }
            expected.push(...values);
          }
          const out = new Uint32Array(expected.length);
          decodeRuns(Uint8Array.from(bytes), 0, bytes.length, bitWidth, out);
          expect(Array.from(out)).toEqual(expected);
          expect(() => decodeRuns(Uint8Array.from(bytes), 0, bytes.length - 1, bitWidth, out)).toThrow(
            /missing/,
          );
        },
      ),
      { numRuns: 300, seed: 12 },
    );
  });
});
