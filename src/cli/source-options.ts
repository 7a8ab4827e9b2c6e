import { access, constants } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { checkNumber } from '../core/check.js';
import { parseBytes } from '../core/units.js';
import type { Source } from '../ingest/ports.js';
import { openSource, type SourceOptions } from '../sources/index.js';
import type { TableSource } from '../sources/table.js';
import type { Invocation, OptionHelp } from './command.js';

const MOST_CHUNK_BYTES = 4_194_304;
const LEAST_CHUNK_BYTES = 65_536;

const DEFAULT_MEMORY = '512MB';

/** What a command's word FILE may be. */
export const FILE_NOTE = `FILE is .npy, .fvecs, .bvecs, .ndjson or .jsonl, each also as .gz; .parquet, .arrow or .feather; or a directory of files
of one of these formats.`;

export const MEMORY_OPTION: OptionHelp = {
  name: 'memory',
  value: 'BYTES',
  text: `most bytes of vectors to hold at once (default ${DEFAULT_MEMORY})`,
};

/** @throws VBO_ERR_USAGE, VBO_ERR_ARGUMENT */
export const memoryOption = (invocation: Invocation): number =>
  checkNumber(parseBytes(invocation.text('memory') ?? DEFAULT_MEMORY, '--memory'), '--memory', {
    ...{ min: 1e6, max: 4e9 },
  });

/** What says which columns of a file are read. */
export const COLUMN_OPTIONS: readonly OptionHelp[] = [
  { name: 'id-column', value: 'NAME', text: 'field or column of the ids (default id or _id)' },
  {
    name: 'vector-column',
    value: 'NAME',
    text: 'field or column of the vectors (default: vector, embedding or values; in Parquet and Arrow the only one of lists of floats)',
  },
  {
    name: 'payload-columns',
    value: 'A,B',
    text: 'what the payload is made of (default: everything else; an empty list: nothing)',
  },
];

/** Opens a command's file or directory, with its columns and within its memory. */
export function openFileSource(
  path: string,
  invocation: Invocation,
  { memoryBytes, ...given }: SourceOptions & { memoryBytes: number },
): Promise<Source> {
  const [idColumn, vectorColumn] = [invocation.text('id-column'), invocation.text('vector-column')];
  const payload = invocation.text('payload-columns');
  const options: SourceOptions = {
    ...(idColumn === undefined ? {} : { idColumn }),
    ...(vectorColumn === undefined ? {} : { vectorColumn }),
    ...(payload === undefined ? {} : { payloadColumns: payload.split(',').filter((name) => name !== '') }),
    chunkBytes: Math.min(MOST_CHUNK_BYTES, Math.max(LEAST_CHUNK_BYTES, Math.floor(memoryBytes / 16))),
    decodingBytes: memoryBytes / 4,
    ...given,
  };
  return openSource(path, options);
}

/**
 * The path of a file or directory, for files that are to lie beside it: the same from wherever the command runs. Where
 * its folder cannot be written it is one in the current folder, and `warn` is told so.
 */
export async function pathBeside(path: string, warn: (message: string) => void): Promise<string> {
  const whole = resolve(path);
  const folder = dirname(whole);
  try {
    await access(folder, constants.W_OK);
  } catch {
    warn(`${folder} cannot be written: the ledger and the dead letters go to the current folder.`);
    return basename(whole);
  }
  const near = relative('', whole);
  return near === '' || near.startsWith('..') ? whole : near;
}

/** What a source holds and where it was found, for a dry run. */
export interface SourceSummary {
  readonly name: string;
  readonly dimension: number;
  /** Records, where they are known before reading. */
  readonly count: number | null;
  /** The columns of a table. */
  readonly columns: TableSource['columnNames'] | null;
}

export const summaryOf = (source: Source): SourceSummary => ({
  name: source.name,
  dimension: source.dimension,
  count: source.count ?? null,
  columns: (source as Partial<TableSource>).columnNames ?? null,
});

export function summaryText({ name, dimension, columns }: SourceSummary): string {
  if (!columns) return `${name}, vectors of dimension ${dimension}`;
  const { id, vector, payload } = columns;
  const ids = id === null ? 'ids are positions' : `ids from ${id}`;
  const payloads = payload.length === 0 ? 'no payloads' : `payloads from ${payload.join(', ')}`;
  return `${name}, vectors of dimension ${dimension} from ${vector}, ${ids}, ${payloads}`;
}
