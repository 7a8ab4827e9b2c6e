import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Source, SourceChunk } from '../../src/ingest/ports.js';
import { openSource } from '../../src/sources/index.js';
import { npyHeader } from '../cli/vbo.js';

const folder = mkdtempSync(join(tmpdir(), 'from-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROWS = 500;
const vectors = Array.from({ length: ROWS }, (_, row) => [row, row + 0.5, -row]);

function write(): Record<'npy' | 'fvecs' | 'ndjson', string> {
  const values = Float32Array.from(vectors.flat());
  const paths = {
    npy: join(folder, 'a.npy'),
    fvecs: join(folder, 'a.fvecs'),
    ndjson: join(folder, 'a.ndjson'),
  };
  writeFileSync(paths.npy, Buffer.concat([npyHeader(ROWS, 3), Buffer.from(values.buffer)]));
  const records = vectors.map((vector, row) => {
    // One record is of another dimension: positions are not a matter of arithmetic.
    const own = row === 100 ? [...vector, 9] : vector;
    const bytes = Buffer.alloc(4 + 4 * own.length);
    bytes.writeInt32LE(own.length, 0);
    for (const [i, value] of own.entries()) bytes.writeFloatLE(value, 4 + 4 * i);
    return bytes;
  });
  writeFileSync(paths.fvecs, Buffer.concat(records));
  // Blank lines are no records.
  const lines = vectors.map((vector, row) =>
    row === 7 ? 'broken' : JSON.stringify({ vector }) + '\n'.repeat(row % 2),
  );
  writeFileSync(paths.ndjson, `${lines.join('\n')}\n`);
  return paths;
}

/** Every record's position with the first value of its vector, or `null` where it was rejected. */
async function positionsOf(chunks: AsyncIterable<SourceChunk>): Promise<Map<number, number | null>> {
  const found = new Map<number, number | null>();
  for await (const { positions, vectors: values, rejected } of chunks) {
    for (let row = 0; row < values.length / 3; row++) {
      found.set('first' in positions ? positions.first + row : positions[row]!, values[3 * row]!);
    }
    for (const { position } of rejected ?? []) found.set(position, null);
  }
  return found;
}

describe.each(['npy', 'fvecs', 'ndjson'] as const)('a %s source', (format) => {
  const path = write()[format];
  const open = (chunkBytes = 400): Promise<Source> => openSource(path, { chunkBytes });

  it('read from a position on gives what it gives from there when read whole', async () => {
    const whole = await positionsOf(await open());
    expect(whole.size).toBe(ROWS);
    for (const first of [0, 1, 7, 8, 99, 100, 101, 333, ROWS - 1, ROWS, ROWS + 5]) {
      const rest = await positionsOf((await open()).from!(first));
      expect([...rest].sort(([a], [b]) => a - b)).toEqual(
        [...whole].filter(([position]) => position >= first).sort(([a], [b]) => a - b),
      );
    }
  });

  it('has a fingerprint that survives a copy and a touch, and no change', async () => {
    const fingerprint = await (await open()).fingerprint!();
    const copy = join(folder, `copy.${format}`);
    copyFileSync(path, copy);
    utimesSync(copy, 1, 1);
    expect(await (await openSource(copy)).fingerprint!()).toBe(fingerprint);
    const bytes = readFileSync(copy);
    bytes[bytes.length - 3]! ^= 1;
    writeFileSync(copy, bytes);
    expect(await (await openSource(copy)).fingerprint!()).not.toBe(fingerprint);
  });
});

it('the fields that are read are a part of what an NDJSON source is', async () => {
  const path = join(folder, 'a.ndjson');
  const one = await (await openSource(path)).fingerprint!();
  const other = await (await openSource(path, { idColumn: 'key' })).fingerprint!();
  expect(other).not.toBe(one);
});
