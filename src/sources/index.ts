import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Source } from '../ingest/ports.js';
import { FileWindow } from './file-window.js';
import { IterableSource, type VectorItems } from './iterable.js';
import { NdjsonSource } from './ndjson.js';
import { NpySource } from './npy.js';
import { NPY_MAGIC } from './npy-header.js';
import type { RecordColumns } from './record.js';
import { VecsSource } from './vecs.js';

export type { VectorItem, VectorItems } from './iterable.js';

export interface SourceOptions extends RecordColumns {
  /**
   * Bytes handed out at once, as float32; also what is read of a text file at once. Memory is a small
   * multiple of it, whatever the file's size. At least 1. Default 4 MiB.
   */
  chunkBytes?: number;
}

const DEFAULT_CHUNK_BYTES = 4_194_304;
const KNOWN_FORMATS = '.npy, .fvecs, .bvecs, .ndjson, .jsonl';

/** First bytes of formats that cannot be read, so that the message can name them. */
const UNREADABLE: readonly (readonly [name: string, magic: string])[] = [
  ['a gzip file; decompress it first', '1f8b'],
  ['a zstd file; decompress it first', '28b52ffd'],
  ['a zip archive (.npz?); unpack it first', '504b0304'],
  ['a Parquet file', '50415231'],
  ['an Arrow file', '4152524f5731'],
  ['an HDF5 file', '89484446'],
  ['UTF-16 text; convert it to UTF-8', 'fffe'],
  ['UTF-16 text; convert it to UTF-8', 'feff'],
];

/**
 * Opens vectors for reading: a file by path or `file:` URL, told by its first bytes and then by its
 * extension (.npy, .fvecs, .bvecs, .ndjson, .jsonl), or an iterable of vectors. Reading is memory-bounded
 * and can be repeated; a chunk's vectors are valid until the next chunk is asked for.
 *
 * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED if the
 *   file ends before its dimension is known, VBO_ERR_ARGUMENT
 */
export async function openSource(
  input: string | URL | VectorItems,
  options: SourceOptions = {},
): Promise<Source> {
  const chunkBytes = checkNumber(options.chunkBytes ?? DEFAULT_CHUNK_BYTES, 'chunkBytes', {
    min: 1,
    max: 2 ** 31,
    integer: true,
  });
  if (typeof input === 'string' || input instanceof URL) {
    const path = input instanceof URL ? fileURLToPath(input) : input;
    switch (await detectFormat(path)) {
      case 'npy':
        return NpySource.open(path, chunkBytes);
      case 'fvecs':
        return VecsSource.open(path, 'fvecs', chunkBytes);
      case 'bvecs':
        return VecsSource.open(path, 'bvecs', chunkBytes);
      case 'ndjson':
        return NdjsonSource.open(path, { ...options, chunkBytes });
    }
  }
  if (
    typeof input === 'object' &&
    input !== null &&
    (Symbol.iterator in input || Symbol.asyncIterator in input)
  ) {
    return IterableSource.open(input, chunkBytes, options);
  }
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `The source is ${describe(input)}; expected a path, a file URL or an iterable of vectors.`,
  );
}

type Format = 'npy' | 'fvecs' | 'bvecs' | 'ndjson';

const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.npy': 'npy',
  '.fvecs': 'fvecs',
  '.bvecs': 'bvecs',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
};

async function detectFormat(path: string): Promise<Format> {
  const window = await FileWindow.open(path, 64);
  try {
    const start = window.bytes.subarray(0, await window.refill(1));
    if (start.subarray(0, NPY_MAGIC.length).equals(NPY_MAGIC)) return 'npy';
    const claimed = EXTENSIONS[extname(path).toLowerCase()];
    // Binary records can start with any bytes, so their extension is believed.
    if (claimed === 'fvecs' || claimed === 'bvecs') return claimed;
    const hex = start.toString('hex');
    const unreadable = UNREADABLE.find(([, magic]) => hex.startsWith(magic));
    if (unreadable) {
      throw new VectorBatchError('VBO_ERR_FILE_FORMAT', `${describe(path)} is ${unreadable[0]}.`, {
        details: { path },
      });
    }
    if (claimed) return claimed;
    if (/^\uFEFF?\s*\{\s*["\r\n]/.test(start.toString('utf8'))) return 'ndjson';
    throw new VectorBatchError(
      'VBO_ERR_FILE_FORMAT',
      `${describe(path)} is of no known format: it starts with the bytes ${hex.slice(0, 16)}; expected one of ${KNOWN_FORMATS}.`,
      { details: { path } },
    );
  } finally {
    await window.close();
  }
}
