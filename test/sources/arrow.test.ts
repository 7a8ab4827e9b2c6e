import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as arrow from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { Lz4Frame } from '../../src/sources/lz4-frame.js';
import { readAll, readOrFail, temporaryFolder } from './files.js';

const folder = temporaryFolder();
const LARGE_IDS = resolve(import.meta.dirname, '../data/tables/large-ids.arrow');

type Row = { id: number; vector: readonly (number | null)[] | null; name: string | null };
const float32 = () => new arrow.Field('item', new arrow.Float32(), true);
const LISTS = {
  list: () => new arrow.List(float32()),
  fixed: (dimension: number) => new arrow.FixedSizeList(dimension, float32()),
};

/** The package's own builder leaves the values of a null list out, which no other reader understands. */
function fixedLists(type: arrow.FixedSizeList, vectors: readonly Row['vector'][]): arrow.Data {
  const values = vectors.flatMap((vector) => vector ?? [0, 0, 0]);
  const child = arrow.vectorFromArray(values, new arrow.Float32()).data[0]!;
  const nullBitmap = new Uint8Array(Math.ceil(vectors.length / 8));
  for (const [i, vector] of vectors.entries()) if (vector) nullBitmap[i >> 3]! |= 1 << (i & 7);
  const nullCount = vectors.filter((vector) => !vector).length;
  return arrow.makeData({ type, length: vectors.length, nullCount, nullBitmap, child });
}

/** The rows as an Arrow IPC file or stream, in batches of the sizes given, the last one repeated. */
function ipc(
  rows: readonly Row[],
  kind: 'file' | 'stream',
  list: keyof typeof LISTS,
  sizes: readonly number[],
) {
  const schema = new arrow.Schema([
    new arrow.Field('id', new arrow.Int32(), false),
    new arrow.Field('vector', LISTS[list](3), true),
    new arrow.Field('name', new arrow.Utf8(), true),
  ]);
  const batches: arrow.RecordBatch[] = [];
  for (let start = 0, i = 0; start < rows.length; i++) {
    const part = rows.slice(start, start + sizes[Math.min(i, sizes.length - 1)]!);
    start += part.length;
    const children = schema.fields.map(({ name, type }) => {
      const values = part.map((row) => row[name as keyof Row]);
      if (arrow.DataType.isFixedSizeList(type)) return fixedLists(type, values as Row['vector'][]);
      return arrow.vectorFromArray(values as never[], type).data[0]!;
    });
    const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length: part.length, children });
    batches.push(new arrow.RecordBatch(schema, data));
  }
  return Buffer.from(arrow.tableToIPC(new arrow.Table(schema, batches), kind));
}

const record = (i: number): Row => ({
  id: i,
  vector: [i, Math.fround(Math.sin(i)), -1.5],
  name: i % 4 ? `n${i}` : null,
});

describe.each(['file', 'stream'] as const)('an Arrow %s', (kind) => {
  test('reads back what was written, whatever the batches and chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('list', 'fixed'),
        fc.array(
          fc.tuple(
            fc.constantFrom('good', 'good', 'good', 'null', 'hole', 'long'),
            fc.array(fc.float({ noNaN: true }), { minLength: 3, maxLength: 3 }),
            fc.option(fc.string({ unit: 'grapheme', maxLength: 6 })),
          ),
          { maxLength: 60 },
        ),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat({ max: 70 }),
        async (list, items, sizes, chunkBytes, from) => {
          const isFixed = list === 'fixed';
          const rows = items.map(([given, vector, name], i): Row => {
            const made = given === 'long' && isFixed ? 'good' : given;
            const hole = [vector[0]!, null, vector[2]!];
            const long = [...vector, 1];
            return { id: i * 3, vector: { good: vector, null: null, hole, long }[made], name };
          });
          rows.unshift({ id: -3, vector: [1, 2, 3], name: 'first' });
          const path = folder.write('p.arrow', ipc(rows, kind, list, sizes));
          const source = await openSource(path, { chunkBytes });
          const all = await readAll(source);
          expect(all.error).toBeUndefined();
          expect(source.count).toBe(rows.length);
          const isGood = ({ vector }: Row) => vector?.length === 3 && !vector.includes(null);
          const good = rows.flatMap((row, i) => (isGood(row) ? [i] : []));
          expect(all.positions).toEqual(good);
          expect(all.vectors).toEqual(good.map((i) => rows[i]!.vector));
          expect(all.ids).toEqual(good.map((i) => rows[i]!.id));
          expect(all.payloads).toEqual(good.map((i) => ({ name: rows[i]!.name })));
          expect(all.rejected.map(({ position, id }) => [position, id])).toEqual(
            rows.flatMap((row, i) => (isGood(row) ? [] : [[i, row.id]])),
          );
          const seen: number[] = [];
          for await (const chunk of source.from!(from)) {
            const { positions, rejected, vectors } = chunk;
            for (let i = 0; i < vectors.length / 3; i++) {
              seen.push('first' in positions ? positions.first + i : positions[i]!);
            }
            seen.push(...(rejected ?? []).map(({ position }) => position));
          }
          expect(seen.sort((a, b) => a - b)).toEqual(rows.map((_, i) => i).slice(from));
        },
      ),
      { numRuns: 80, seed: 13 },
    );
  });

  test('cut off at any byte, yields the complete batches and then says so', async () => {
    // Of the package's files the schema is at the end: of one that is cut off nothing can be read.
    const isWritten = kind === 'stream';
    const batchRows = isWritten ? 20 : 100;
    const whole = isWritten
      ? ipc(
          Array.from({ length: 60 }, (_, i) => record(i)),
          kind,
          'list',
          [20],
        )
      : readFileSync(LARGE_IDS);
    const counts = new Set<number>();
    for (let length = 8; length < whole.length; length += isWritten ? 7 : 149) {
      const path = folder.write('cut.arrow', whole.subarray(0, length));
      const { rows: read, code } = await readOrFail(() => openSource(path));
      expect(read % batchRows, `cut at ${length}`).toBe(0);
      counts.add(read);
      // A stream may end between two batches without a word; one without any holds no rows.
      const between = [undefined, ...(read === 0 ? ['VBO_ERR_FILE_FORMAT'] : [])];
      const allowed = ['VBO_ERR_FILE_TRUNCATED', ...(isWritten ? between : [])];
      expect(allowed, `cut at ${length}`).toContain(code);
    }
    const all = [0, 1, 2, 3].map((batches) => batches * batchRows);
    expect([...counts].sort((a, b) => a - b)).toEqual(all);
  });

  test('damaged at any byte, ends with rows and a code, and never hangs', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => record(i));
    for (const list of ['list', 'fixed'] as const) {
      const whole = ipc(rows, kind, list, [25]);
      for (let at = 0; at < whole.length; at += 19) {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= at % 2 ? 0xff : 1 << (at % 8);
        const path = folder.write('damaged.arrow', bytes);
        const { rows: read } = await readOrFail(() => openSource(path, { decodingBytes: 1e6 }));
        expect(read).toBeLessThanOrEqual(10_000);
      }
    }
  }, 60_000);
});

test('compressed columns that its memory cannot hold are refused with what they take', async () => {
  const path = `${import.meta.dirname}/../data/tables/fixed-zstd.feather`;
  const all = await readAll(await openSource(path, { decodingBytes: 4000 }));
  expect(all.error).toMatchObject({
    code: 'VBO_ERR_MEMORY',
    message: expect.stringMatching(/record batch of 128 rows.*is compressed with ZSTD.*Allow more/),
  });
});

describe('an LZ4 frame', () => {
  const frame = (blocks: readonly (readonly number[])[], stored = false) => {
    const parts = blocks.map((block) => {
      const head = Buffer.alloc(4);
      head.writeUInt32LE((block.length | (stored ? 0x8000_0000 : 0)) >>> 0);
      return Buffer.concat([head, Buffer.from(block)]);
    });
    return Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]),
      ...parts,
      Buffer.alloc(4),
    ]);
  };
  const open = (bytes: Uint8Array, byteLength: number) =>
    new Lz4Frame(async (position, length) => bytes.subarray(position, position + length), byteLength);
  const text = async (bytes: Uint8Array, byteLength: number, from = 0) =>
    Buffer.from(await open(bytes, byteLength).read(from, byteLength)).toString();

  // "abc", then nine more of it from three back; the second block begins with a match into the first.
  const first = [0x35, 97, 98, 99, 3, 0, 0x10, 33];
  const second = [0x00, 4, 0, 0x10, 63];

  test('has literals, matches that overlap what they make, and matches into the block before', async () => {
    expect(await text(frame([first]), 13)).toBe('abcabcabcabc!');
    expect(await text(frame([first, second]), 18)).toBe('abcabcabcabc!abc!?');
    expect(await text(frame([first, second]), 18, 12)).toBe('!abc!?');
    expect(await text(frame([[104, 105]], true), 2)).toBe('hi');
  });

  test('is read in pieces, forwards and back', async () => {
    const opened = open(frame([first, second]), 18);
    for (const [from, to] of [
      [0, 2],
      [2, 14],
      [14, 18],
      [1, 3],
      [17, 18],
    ] as const) {
      const piece = Buffer.from(await opened.read(from, to)).toString();
      expect(piece).toBe('abcabcabcabc!abc!?'.slice(from, to));
    }
  });

  test.each([
    ['another magic number', Buffer.alloc(20), /magic/],
    ['a match before the start', frame([[0x10, 97, 9, 0]]), /damaged/],
    ['another length', frame([[0x10, 97]]), /ends early/],
    ['more than it is said to hold', frame([[104, 105]], true), /more than 1 bytes/, 1],
    ['no end', frame([[0x10, 97]]).subarray(0, -6), /ends early/],
  ])('with %s is refused', async (_, bytes, message, byteLength = 13) => {
    await expect(open(bytes, byteLength).read(0, byteLength)).rejects.toThrow(message);
  });
});
