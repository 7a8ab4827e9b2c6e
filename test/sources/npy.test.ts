import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { bytesOf, npy, readAll, readOrFail, temporaryFolder } from './files.js';

const folder = temporaryFolder();
const dims = fc.integer({ min: 1, max: 17 });
const chunkBytes = fc.integer({ min: 1, max: 400 });

describe('a .npy source', () => {
  test('reads float32 back bit for bit, whatever the shape and the chunk', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 40 }),
        dims,
        chunkBytes,
        fc.constantFrom(1, 2, 3),
        fc.nat(),
        async (rows, dimension, chunk, version, seed) => {
          const bits = Uint32Array.from({ length: rows * dimension }, (_, i) =>
            Math.imul(i + seed, 2654435761),
          );
          const path = folder.write(
            'a.npy',
            npy("'<f4'", [rows, dimension], new Uint8Array(bits.buffer), { version }),
          );
          const source = await openSource(path, { chunkBytes: chunk });
          const all = await readAll(source);
          expect([source.dimension, source.count, all.error]).toEqual([dimension, rows, undefined]);
          expect(all.positions).toEqual(Array.from({ length: rows }, (_, i) => i));
          expect(all.bits).toEqual(bits);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test('converts every half to the float it stands for', async () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const all = await readAll(
      await openSource(folder.write('h.npy', npy("'<f2'", [64, 1024], bytesOf(halves)))),
    );
    const value = (half: number) => {
      const exponent = (half >> 10) & 31;
      const mantissa = half & 1023;
      const sign = half & 0x8000 ? -1 : 1;
      if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
      return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : (mantissa / 1024) * 2 ** -14);
    };
    expect(all.vectors.flat()).toEqual(Array.from(halves, value));
  });

  test.each([
    [
      "'<f8'",
      bytesOf(Float64Array.of(1.5, -2, Math.PI, 1e300, Number.NaN, 0)),
      [1.5, -2, Math.fround(Math.PI), Infinity, NaN, 0],
    ],
    ["'>f8'", bytesOf(Float64Array.of(1.5, -2, 3, 4, 5, 6)).swap64(), [1.5, -2, 3, 4, 5, 6]],
    ["'>f4'", bytesOf(Float32Array.of(1.5, -2, 3, 4, 5, 6)).swap32(), [1.5, -2, 3, 4, 5, 6]],
    ["'=f4'", bytesOf(Float32Array.of(1.5, -2, 3, 4, 5, 6)), [1.5, -2, 3, 4, 5, 6]],
    [
      "'>f2'",
      bytesOf(Uint16Array.of(0x3c00, 0xc000, 0, 1, 2, 3)).swap16(),
      [1, -2, 0, 2 ** -24, 2 ** -23, 3 * 2 ** -24],
    ],
    ["'|i1'", bytesOf(Int8Array.of(-128, -1, 0, 1, 2, 127)), [-128, -1, 0, 1, 2, 127]],
    ["'|u1'", bytesOf(Uint8Array.of(0, 1, 2, 3, 254, 255)), [0, 1, 2, 3, 254, 255]],
  ])('reads elements of type %s', async (descr, data, expected) => {
    const path = folder.write('t.npy', npy(descr, [3, 2], data));
    for (const chunkBytes of [1, 16, 1000]) {
      expect((await readAll(await openSource(path, { chunkBytes }))).vectors.flat()).toEqual(expected);
    }
  });

  test.each([
    ['one dimension', npy("'<f4'", [6], bytesOf(new Float32Array(6))), /shape \(6,\).*two dimensions/],
    ['three dimensions', npy("'<f4'", [1, 2, 3], bytesOf(new Float32Array(6))), /shape \(1, 2, 3\)/],
    [
      'Fortran order',
      npy("'<f4'", [2, 3], bytesOf(new Float32Array(6)), { order: 'True' }),
      /ascontiguousarray/,
    ],
    ['a wide integer type', npy("'<i8'", [2, 3], new Uint8Array(48)), /type '<i8'; expected floats/],
    ['a structured type', npy("[('a', '<f4')]", [2, 3], new Uint8Array(24)), /records of several fields/],
    ['dimension 0', npy("'<f4'", [2, 0], new Uint8Array()), /from 1 to 65536/],
    ['another version', npy("'<f4'", [1, 1], new Uint8Array(4), { version: 9 }), /version 9\.0/],
    [
      'no header text',
      Buffer.concat([npy("'<f4'", [1, 1], new Uint8Array(4)).subarray(0, 8), Buffer.from([2, 0, 65, 66])]),
      /"AB"/,
    ],
    ['other bytes', Buffer.from('GARBAGE!!'), /starts with the bytes 474152424147; .* 934e554d5059/],
  ])('refuses %s and says what it found', async (_, bytes, message) => {
    await expect(openSource(folder.write('r.npy', bytes))).rejects.toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringMatching(message),
    });
  });

  test('cut off at any byte, yields exactly the complete rows and the code', async () => {
    const whole = npy("'<f4'", [5, 3], bytesOf(Float32Array.from({ length: 15 }, (_, i) => i)));
    const header = whole.length - 60;
    for (let length = 0; length < whole.length; length++) {
      const path = folder.write('cut.npy', whole.subarray(0, length));
      const rows = Math.max(0, Math.floor((length - header) / 12));
      for (const chunkBytes of [1, 24, 10_000]) {
        expect(await readOrFail(() => openSource(path, { chunkBytes })), `cut at ${length}`).toEqual({
          rows,
          code: length === 0 ? 'VBO_ERR_FILE_EMPTY' : 'VBO_ERR_FILE_TRUNCATED',
        });
      }
    }
    const source = await openSource(folder.write('cut.npy', whole.subarray(0, header + 31)));
    expect(source.count).toBe(2);
    expect((await readAll(source)).error).toMatchObject({ details: { row: 2, byteOffset: header + 24 } });
  });

  test('reads the rows its header promises, then refuses to lose what follows them', async () => {
    const path = folder.write(
      'more.npy',
      Buffer.concat([npy("'<f4'", [2, 1], new Uint8Array(8)), Buffer.alloc(12)]),
    );
    const all = await readAll(await openSource(path));
    expect(all.vectors.length).toBe(2);
    expect(all.error).toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringContaining('12 bytes after the 2 rows'),
    });
  });

  test('can be read again from the start, and reports progress', async () => {
    const source = await openSource(folder.write('p.npy', npy("'<f4'", [4, 2], new Uint8Array(32))), {
      chunkBytes: 8,
    });
    for (let time = 0; time < 2; time++) {
      expect(await readAll(source)).toMatchObject({ chunks: 4, positions: [0, 1, 2, 3] });
      const { readBytes, totalBytes } = source.progress!();
      expect(readBytes).toBe(totalBytes);
    }
  });

  test('is told by its magic, not by its name', async () => {
    const source = await openSource(folder.write('vectors.bin', npy("'<f4'", [1, 2], new Uint8Array(8))));
    expect(source.dimension).toBe(2);
  });
});
