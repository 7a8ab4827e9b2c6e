import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { VectorBatchError } from '../../src/core/errors.js';
import type { Id, Payload, RejectedRecord, Source } from '../../src/ingest/ports.js';

/** A folder for the files of one test file, removed at its end. */
export function temporaryFolder(): { write(name: string, bytes: Uint8Array | string): string; path: string } {
  const path = mkdtempSync(join(tmpdir(), 'vbo-sources-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    write(name, bytes) {
      const file = join(path, name);
      writeFileSync(file, bytes);
      return file;
    },
  };
}

export interface Everything {
  positions: number[];
  ids: Id[] | undefined;
  vectors: number[][];
  bits: Uint32Array;
  payloads: (Payload | null)[];
  rejected: RejectedRecord[];
  chunks: number;
  error: VectorBatchError | undefined;
}

/** Reads a source to its end or to its error, copying what is only valid until the next chunk. */
export async function readAll(source: Source): Promise<Everything> {
  const all: Everything = {
    positions: [],
    ids: undefined,
    vectors: [],
    bits: new Uint32Array(),
    payloads: [],
    rejected: [],
    chunks: 0,
    error: undefined,
  };
  const bits: Uint32Array[] = [];
  try {
    for await (const chunk of source) {
      all.chunks++;
      const rows = chunk.vectors.length / source.dimension;
      const { positions } = chunk;
      for (let i = 0; i < rows; i++) {
        all.positions.push('first' in positions ? positions.first + i : positions[i]!);
        all.vectors.push(
          Array.from(chunk.vectors.subarray(i * source.dimension, (i + 1) * source.dimension)),
        );
      }
      bits.push(new Uint32Array(chunk.vectors.slice().buffer));
      if (chunk.ids) all.ids = [...(all.ids ?? []), ...chunk.ids];
      all.payloads.push(...(chunk.payloads ?? []));
      all.rejected.push(...(chunk.rejected ?? []));
    }
  } catch (error) {
    if (!(error instanceof VectorBatchError)) throw error;
    all.error = error;
  }
  all.bits = Uint32Array.from(bits.flatMap((part) => Array.from(part)));
  return all;
}

/** Runs `open` and everything after it; an error while opening counts as one before the first row. */
export async function readOrFail(
  open: () => Promise<Source>,
): Promise<{ rows: number; code: string | undefined }> {
  try {
    const all = await readAll(await open());
    return { rows: all.vectors.length, code: all.error?.code };
  } catch (error) {
    if (error instanceof VectorBatchError) return { rows: 0, code: error.code };
    throw error;
  }
}

/** A .npy file as NumPy writes it: header padded to a multiple of 64 bytes. */
export function npy(
  descr: string,
  shape: readonly number[],
  data: Uint8Array,
  { version = 1, order = 'False' }: { version?: number; order?: string } = {},
): Buffer {
  const shapeText = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': (${shapeText}), }`;
  const prefix = version === 1 ? 10 : 12;
  const text = dict.padEnd(Math.ceil((prefix + dict.length + 1) / 64) * 64 - prefix - 1).concat('\n');
  const head = Buffer.alloc(prefix);
  Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]).copy(head);
  if (version === 1) head.writeUInt16LE(text.length, 8);
  else head.writeUInt32LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text, 'latin1'), data]);
}

/** A .fvecs or .bvecs file. */
export function vecs(rows: readonly (Float32Array | Uint8Array)[]): Buffer {
  return Buffer.concat(
    rows.flatMap((row) => {
      const prefix = Buffer.alloc(4);
      prefix.writeInt32LE(row.length);
      return [prefix, Buffer.from(row.buffer, row.byteOffset, row.byteLength)];
    }),
  );
}

export const bytesOf = (values: Float32Array | Float64Array | Uint16Array | Int8Array | Uint8Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);
