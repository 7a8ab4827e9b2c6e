import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/sources/index.js';
import { readAll, readOrFail, temporaryFolder, vecs } from './files.js';

const folder = temporaryFolder();

describe.each(['fvecs', 'bvecs'] as const)('a .%s source', (format) => {
  const elementBytes = format === 'fvecs' ? 4 : 1;
  const row = (dimension: number, seed: number) =>
    format === 'fvecs'
      ? new Float32Array(
          Uint32Array.from({ length: dimension }, (_, i) => Math.imul(seed + i, 2654435761)).buffer,
        )
      : Uint8Array.from({ length: dimension }, (_, i) => (seed * 31 + i * 7) & 255);

  test('reads back bit for bit, with strangers among the rows rejected', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(0, 0, 0, 1, 30), { minLength: 0, maxLength: 30 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 500 }),
        async (extras, dimension, chunkBytes) => {
          const rows = [0, ...extras].map((extra, i) => row(dimension + extra, i));
          const source = await openSource(folder.write(`a.${format}`, vecs(rows)), { chunkBytes });
          const all = await readAll(source);
          const good = rows.flatMap((r, i) => (r.length === dimension ? [i] : []));
          expect(all.error).toBeUndefined();
          expect(all.positions).toEqual(good);
          expect(all.bits).toEqual(
            new Uint32Array(Float32Array.from(good.flatMap((i) => Array.from(rows[i]!))).buffer),
          );
          expect(all.rejected.map((r) => [r.position, r.code, r.vector?.length])).toEqual(
            rows.flatMap((r, i) => (r.length === dimension ? [] : [[i, 'VBO_ERR_DIMENSION', r.length]])),
          );
        },
      ),
      { numRuns: 60, seed: 2 },
    );
  });

  test('cut off at any byte, yields exactly the complete rows and the code', async () => {
    const whole = vecs(Array.from({ length: 4 }, (_, i) => row(3, i)));
    const recordBytes = 4 + 3 * elementBytes;
    for (let length = 0; length <= whole.length; length++) {
      const path = folder.write(`cut.${format}`, whole.subarray(0, length));
      for (const chunkBytes of [1, 30, 10_000]) {
        const isWhole = length > 0 && length % recordBytes === 0;
        expect(await readOrFail(() => openSource(path, { chunkBytes })), `cut at ${length}`).toEqual({
          rows: Math.floor(length / recordBytes),
          code: isWhole ? undefined : length === 0 ? 'VBO_ERR_FILE_EMPTY' : 'VBO_ERR_FILE_TRUNCATED',
        });
      }
    }
  });

  test.each([0, -1, 65_537, 0x7fffffff])(
    'yields the good rows, then throws at dimension %i',
    async (dimension) => {
      const bytes = vecs(Array.from({ length: 8 }, (_, i) => row(3, i)));
      bytes.writeInt32LE(dimension, 7 * (4 + 3 * elementBytes));
      const all = await readAll(await openSource(folder.write(`bad.${format}`, bytes)));
      expect(all.vectors.length).toBe(7);
      expect(all.error).toMatchObject({
        code: 'VBO_ERR_FILE_FORMAT',
        message: expect.stringContaining(`dimension ${dimension} for row 7`),
        details: { row: 7, byteOffset: 7 * (4 + 3 * elementBytes) },
      });
    },
  );

  test('refuses a file whose first dimension cannot be one', async () => {
    await expect(
      openSource(folder.write(`first.${format}`, Buffer.from('hello world!'))),
    ).rejects.toMatchObject({
      code: 'VBO_ERR_FILE_FORMAT',
      message: expect.stringContaining('expected 1 to 65536'),
    });
  });

  test('names row and place of a row of another dimension', async () => {
    const bytes = vecs(Array.from({ length: 9 }, (_, i) => row(i === 7 ? 5 : 3, i)));
    const all = await readAll(await openSource(folder.write(`seven.${format}`, bytes)));
    expect(all.rejected[0]?.message).toBe(
      `Row 7 (byte ${7 * (4 + 3 * elementBytes)}) has dimension 5; expected 3.`,
    );
    expect(all.positions).toEqual([0, 1, 2, 3, 4, 5, 6, 8]);
  });
});
