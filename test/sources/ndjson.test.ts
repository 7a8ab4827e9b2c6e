import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FileWindow } from '../../src/sources/file-window.js';
import { openSource } from '../../src/sources/index.js';
import { LineReader } from '../../src/sources/line-reader.js';
import { NdjsonSource } from '../../src/sources/ndjson.js';
import { readAll, readOrFail, temporaryFolder } from './files.js';

const folder = temporaryFolder();
const read = async (text: string | Uint8Array, options = {}) =>
  readAll(await openSource(folder.write('x.ndjson', text), options));

describe('an .ndjson source', () => {
  test('reads back bit for bit, whatever the line ends, blank lines and the chunk', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
            fc.string({ unit: 'grapheme', maxLength: 8 }),
          ),
          { minLength: 1, maxLength: 20 },
        ),
        fc.constantFrom('\n', '\r\n', '\n\n', '\n \t\r\n'),
        fc.constantFrom('', '\uFEFF', '\uFEFF\r\n'),
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        async (records, newline, start, isTerminated, chunkBytes) => {
          // JSON has no -0.
          const lines = records.map(([vector, text], i) => JSON.stringify({ id: `${i}`, vector, text }));
          const all = await read(start + lines.join(newline) + (isTerminated ? newline : ''), { chunkBytes });
          expect(all.error).toBeUndefined();
          expect(all.rejected).toEqual([]);
          expect(all.ids).toEqual(records.map((_, i) => `${i}`));
          expect(all.payloads).toEqual(records.map(([, text]) => ({ text })));
          expect(all.vectors).toEqual(records.map(([vector]) => vector.map((v) => v + 0)));
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });

  test('cut off at any byte, yields exactly the complete rows and the code', async () => {
    const lines = [
      '{"id":1,"vector":[1,2]}',
      '{"id":2,"vector":[3.5,-4],"name":"ü"}',
      '{"id":3,"vector":[5,6]}',
    ];
    const whole = Buffer.from(`${lines.join('\n')}\n`);
    const ends = lines.map((_, i) => Buffer.byteLength(lines.slice(0, i + 1).join('\n')));
    for (let length = 0; length <= whole.length; length++) {
      const path = folder.write('cut.ndjson', whole.subarray(0, length));
      const rows = ends.filter((end) => end <= length).length;
      const isBetween = length > 0 && (ends.includes(length) || ends.includes(length - 1));
      for (const chunkBytes of [1, 20, 10_000]) {
        expect(await readOrFail(() => openSource(path, { chunkBytes })), `cut at ${length}`).toEqual({
          rows,
          code: isBetween ? undefined : length === 0 ? 'VBO_ERR_FILE_EMPTY' : 'VBO_ERR_FILE_TRUNCATED',
        });
      }
    }
    const cut = await read(whole.subarray(0, whole.length - 3));
    expect(cut.error).toMatchObject({
      message: expect.stringContaining('in row 2 (line 3, which starts at byte'),
      details: { row: 2, line: 3 },
    });
  });

  test('rejects what is not a record, with row, line and raw text, and reads on', async () => {
    const bad: [string, string, RegExp][] = [
      ['{"vector":[1,2', 'VBO_ERR_RECORD', /is not JSON/],
      ['null', 'VBO_ERR_RECORD', /is null; expected an object/],
      ['7', 'VBO_ERR_RECORD', /is 7/],
      ['{"id":9}', 'VBO_ERR_RECORD', /has no vector \(looked for vector, embedding, values\)/],
      ['{"id":9,"vector":"1,2"}', 'VBO_ERR_RECORD', /vector that is "1,2"; expected an array/],
      ['{"id":9,"vector":null}', 'VBO_ERR_RECORD', /vector that is null/],
      ['{"id":9,"vector":[1,null]}', 'VBO_ERR_RECORD', /null at vector\[1\]; expected a number/],
      ['{"id":9,"vector":["1",2]}', 'VBO_ERR_RECORD', /"1" at vector\[0\]/],
      ['{"id":9,"vector":[NaN,2]}', 'VBO_ERR_RECORD', /is not JSON/],
      ['{"id":9,"vector":[1,2,3]}', 'VBO_ERR_DIMENSION', /has dimension 3; expected 2/],
      ['{"id":true,"vector":[1,2]}', 'VBO_ERR_RECORD', /id that is true/],
      ['{"id":"nine","vector":[1,2]}', 'VBO_ERR_RECORD', /id "nine"; the first record's id is a number/],
      ['{"vector":[1,2]}', 'VBO_ERR_RECORD', /has no id, but the first record has one/],
    ];
    const good = (id: number) => `{"id":${id},"vector":[1,2]}`;
    const text = [good(0), '', ...bad.map(([line]) => line), good(1)].join('\n');
    for (const chunkBytes of [1, 64, 100_000]) {
      const all = await read(text, { chunkBytes });
      expect(all.ids).toEqual([0, 1]);
      expect(all.positions).toEqual([0, bad.length + 1]);
      expect(all.rejected.length).toBe(bad.length);
      for (const [i, [raw, code, message]] of bad.entries()) {
        expect(all.rejected[i]).toMatchObject({ position: i + 1, code, raw });
        expect(all.rejected[i]!.message).toMatch(message);
        expect(all.rejected[i]!.message).toMatch(new RegExp(`^Row ${i + 1} \\(line ${i + 3}\\) `));
      }
      expect(all.rejected[9]).toMatchObject({ id: 9, vector: [1, 2, 3] });
    }
  });

  test('rejects bytes that are not UTF-8 instead of replacing them', async () => {
    const all = await read(
      Buffer.concat([
        Buffer.from('{"id":1,"vector":[1]}\n{"id":2,"vector":[1],"t":"'),
        Buffer.from([0xff]),
        Buffer.from('"}\n'),
      ]),
    );
    expect(all.rejected[0]).toMatchObject({ position: 1, message: expect.stringContaining('not UTF-8') });
  });

  test.each([
    ['{"_id":"a","embedding":[1,2],"metadata":{"k":1}}', { ids: ['a'], payloads: [{ k: 1 }] }],
    [
      '{"id":"a","values":[1,2],"metadata":{"k":1},"text":"t"}',
      { ids: ['a'], payloads: [{ metadata: { k: 1 }, text: 't' }] },
    ],
    ['{"id":"a","vector":[1,2],"payload":null}', { ids: ['a'], payloads: [null] }],
    ['{"id":"a","vector":[1,2],"payload":"text"}', { ids: ['a'], payloads: [{ payload: 'text' }] }],
    ['{"id":null,"vector":[1,2]}', { ids: undefined, payloads: [null] }],
    ['[1,2]', { ids: undefined, payloads: [] }],
  ])('understands %s', async (line, expected) => {
    expect(await read(line)).toMatchObject({ vectors: [[1, 2]], ...expected });
  });

  test('takes the columns it is told', async () => {
    const text = '{"key":5,"v":[1],"vector":"no","id":3}\n{"key":6,"vector":[1]}\n';
    const all = await read(text, { idColumn: 'key', vectorColumn: 'v' });
    expect(all).toMatchObject({ ids: [5], payloads: [{ vector: 'no', id: 3 }] });
    expect(all.rejected[0]?.message).toMatch(/looked for v\)/);
  });

  test('keeps a field named __proto__ a field', async () => {
    const { payloads } = await read('{"id":1,"vector":[1],"__proto__":{"polluted":true}}');
    expect(Object.keys(payloads[0]!)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(payloads[0])).toBe(Object.prototype);
  });

  test('turns numbers among text ids into text', async () => {
    expect((await read('{"id":"a","vector":[1]}\n{"id":2,"vector":[1]}')).ids).toEqual(['a', '2']);
  });

  test('takes the dimension from the first readable record', async () => {
    const all = await read('oops\n{"vector":[1,2,3]}\n');
    expect(all).toMatchObject({ vectors: [[1, 2, 3]], positions: [1], rejected: [{ position: 0 }] });
  });

  test.each([
    ['\uFEFF\n \r\n', 'VBO_ERR_FILE_FORMAT', /blank lines only/],
    ['a\nb\n', 'VBO_ERR_FILE_FORMAT', /no record in its first 2 lines: line 1 is not JSON/],
    ['{"vector":[]}\n', 'VBO_ERR_FILE_FORMAT', /dimension 0/],
    ['{"vector":[1', 'VBO_ERR_FILE_TRUNCATED', /in row 0 \(line 1/],
  ])('refuses %j', async (text, code, message) => {
    await expect(read(text)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('skips a line that is too long in bounded memory', async () => {
    const long = `{"id":1,"vector":[${'1,'.repeat(5000)}1]}`;
    for (const [text, ids] of [
      [`{"id":0,"vector":[1]}\n${long}\n{"id":2,"vector":[1]}\n`, [0, 2]],
      [`{"id":0,"vector":[1]}\n${long}`, [0]],
    ] as const) {
      const path = folder.write('long.ndjson', text);
      const all = await readAll(await NdjsonSource.open(path, { chunkBytes: 64, maxLineBytes: 200 }));
      expect(all.ids).toEqual(ids);
      expect(all.rejected).toMatchObject([
        { position: 1, code: 'VBO_ERR_RECORD', message: expect.stringContaining('longer than 200 bytes') },
      ]);
      const window = await FileWindow.open(path, 64);
      const lines = new LineReader(window, 200);
      while (await lines.fill()) while (lines.next());
      expect(window.bytes.length).toBeLessThanOrEqual(512);
      await window.close();
    }
  });
});
