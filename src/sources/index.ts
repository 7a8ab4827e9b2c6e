import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Source } from '../ingest/ports.js';
import { ARROW_MAGIC, CONTINUATION } from './arrow-index.js';
import { FileWindow } from './file-window.js';
import { IterableSource, type VectorItems } from './iterable.js';
import { NdjsonSource } from './ndjson.js';
import { NpySource } from './npy.js';
import { NPY_MAGIC } from './npy-header.js';
import type { RecordColumns } from './record.js';
import { type FileSource, namesOf, ShardedSource, shardPaths } from './shards.js';
import { TableSource } from './table.js';
import { VecsSource } from './vecs.js';

export type { VectorItem, VectorItems } from './iterable.js';

export interface SourceOptions extends RecordColumns {
  /**
   * Bytes handed out at once, as float32; also what is read of a text file at once. Memory is a small
   * multiple of it, whatever the file's size. At least 1. Default 4 MiB.
   */
  chunkBytes?: number;
  /**
   * Memory, bytes, for what can only be decoded as a whole: a page of a Parquet column, the compressed columns of an
   * Arrow record batch. A file that needs more is refused with VBO_ERR_MEMORY. Default 256e6.
   */
  decodingBytes?: number;
}

type ResolvedSourceOptions = SourceOptions & Required<Pick<SourceOptions, 'chunkBytes' | 'decodingBytes'>>;

const DEFAULT_CHUNK_BYTES = 4_194_304;
const DEFAULT_DECODING_BYTES = 256e6;
const KNOWN_FORMATS = '.npy, .fvecs, .bvecs, .ndjson, .jsonl, .parquet, .arrow, .feather, .ipc, .arrows';

/** First bytes of formats that cannot be read, so that the message can name them. */
const UNREADABLE: readonly (readonly [name: string, magic: string])[] = [
  ['a zstd file; decompress it first', '28b52ffd'],
  ['a zip archive (.npz?); unpack it first', '504b0304'],
  ['a Feather file of version 1; write it as version 2', '46454131'],
  ['an encrypted Parquet file; decrypt it first', '50415245'],
  ['an HDF5 file', '89484446'],
  ['UTF-16 text; convert it to UTF-8', 'fffe'],
  ['UTF-16 text; convert it to UTF-8', 'feff'],
];

/**
 * Opens vectors for reading: a file by path or `file:` URL, told by its first bytes and then by its extension
 * (.npy, .fvecs, .bvecs, .ndjson, .jsonl, each also as .gz; .parquet; .arrow, .feather, .ipc, .arrows), a directory
 * of files of one of these formats, or an iterable of vectors. Reading is memory-bounded and can be repeated; a
 * chunk's vectors are valid until the next chunk is asked for.
 *
 * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED if the
 *   file ends before its dimension is known, VBO_ERR_COLUMN if a table does not say which column is meant,
 *   VBO_ERR_MISSING_PACKAGE for Arrow files, VBO_ERR_DIMENSION if the files of a directory differ, VBO_ERR_ARGUMENT
 */
export async function openSource(
  input: string | URL | VectorItems,
  options: SourceOptions = {},
): Promise<Source> {
  const resolved: ResolvedSourceOptions = {
    ...options,
    chunkBytes: checkNumber(options.chunkBytes ?? DEFAULT_CHUNK_BYTES, 'chunkBytes', {
      min: 1,
      max: 2 ** 31,
      integer: true,
    }),
    decodingBytes: checkNumber(options.decodingBytes ?? DEFAULT_DECODING_BYTES, 'decodingBytes', {
      min: 1,
      max: 1e15,
    }),
  };
  if (typeof input === 'string' || input instanceof URL) {
    const path = input instanceof URL ? fileURLToPath(input) : input;
    const isDirectory = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    return isDirectory ? openDirectory(path, resolved) : openFile(path, await detectFormat(path), resolved);
  }
  if (
    typeof input === 'object' &&
    input !== null &&
    (Symbol.iterator in input || Symbol.asyncIterator in input)
  ) {
    return IterableSource.open(input, resolved.chunkBytes, options);
  }
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `The source is ${describe(input)}; expected a path, a file URL or an iterable of vectors.`,
  );
}

type Format = 'npy' | 'fvecs' | 'bvecs' | 'ndjson' | 'parquet' | 'arrow';

const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.npy': 'npy',
  '.fvecs': 'fvecs',
  '.bvecs': 'bvecs',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.arrows': 'arrow',
};

/** Read at any position, which a compressed file does not allow. */
const RANDOM_ACCESS: readonly Format[] = ['parquet', 'arrow'];

async function openFile(path: string, format: Format, options: ResolvedSourceOptions): Promise<FileSource> {
  const { chunkBytes, decodingBytes } = options;
  switch (format) {
    case 'npy':
      return NpySource.open(path, chunkBytes);
    case 'fvecs':
    case 'bvecs':
      return VecsSource.open(path, format, chunkBytes);
    case 'ndjson':
      return NdjsonSource.open(path, options);
    // Imported when needed: their decoders are large.
    case 'parquet': {
      const { ParquetFile } = await import('./parquet.js');
      return TableSource.open(await ParquetFile.open(path, decodingBytes), options);
    }
    case 'arrow': {
      const { ArrowFile } = await import('./arrow.js');
      return TableSource.open(await ArrowFile.open(path, decodingBytes), options);
    }
  }
}

/** @throws VBO_ERR_FILE_FORMAT naming the files that are unreadable or of another format than the first */
async function openDirectory(directory: string, options: ResolvedSourceOptions): Promise<Source> {
  const paths = await shardPaths(directory);
  const formats = new Map<string, Format>();
  for (const path of paths) formats.set(path, await detectFormat(path));
  const [first] = paths;
  const format = formats.get(first!)!;
  const others = paths.filter((path) => formats.get(path) !== format);
  if (others.length > 0) {
    throw new VectorBatchError(
      'VBO_ERR_FILE_FORMAT',
      `The directory ${describe(directory)} mixes formats: ${basename(first!)} is ${format}, other than ${namesOf(others.map((path) => `${basename(path)} (${formats.get(path)})`))}; expected files of one format.`,
      { details: { path: directory, entries: others } },
    );
  }
  const shards: FileSource[] = [];
  try {
    for (const path of paths) shards.push(await openFile(path, format, options));
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.close?.()));
    throw error;
  }
  return ShardedSource.of(directory, shards);
}

async function detectFormat(path: string): Promise<Format> {
  const window = await FileWindow.open(path, 64);
  try {
    const start = window.bytes.subarray(0, await window.refill(1));
    const format = formatOf(path, start);
    if (!window.isCompressed || !RANDOM_ACCESS.includes(format)) return format;
    throw new VectorBatchError(
      'VBO_ERR_FILE_FORMAT',
      `${describe(path)} is a gzip file that holds ${format}, which is read at many places at once; decompress it first.`,
      { details: { path } },
    );
  } finally {
    await window.close();
  }
}

function formatOf(path: string, start: Buffer): Format {
  if (start.subarray(0, NPY_MAGIC.length).equals(NPY_MAGIC)) return 'npy';
  if (start.toString('latin1', 0, 4) === 'PAR1') return 'parquet';
  if (start.subarray(0, ARROW_MAGIC.length).equals(ARROW_MAGIC)) return 'arrow';
  const claimed = EXTENSIONS[extname(path.replace(/\.gz$/i, '')).toLowerCase()];
  // Binary records can start with any bytes, so their extension is believed.
  if (claimed === 'fvecs' || claimed === 'bvecs') return claimed;
  const hex = start.toString('hex');
  const unreadable = UNREADABLE.find(([, magic]) => hex.startsWith(magic));
  if (unreadable) {
    throw new VectorBatchError('VBO_ERR_FILE_FORMAT', `${describe(path)} is ${unreadable[0]}.`, {
      details: { path },
    });
  }
  if (claimed && claimed !== 'parquet') return claimed;
  if (start.length >= 4 && start.readUInt32LE(0) === CONTINUATION) return 'arrow';
  if (/^\uFEFF?\s*\{\s*["\r\n]/.test(start.toString('utf8'))) return 'ndjson';
  throw new VectorBatchError(
    'VBO_ERR_FILE_FORMAT',
    `${describe(path)} is of no known format: it starts with the bytes ${hex.slice(0, 16)}; expected one of ${KNOWN_FORMATS}.`,
    { details: { path } },
  );
}
