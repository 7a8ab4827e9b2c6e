import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Source, SourceChunk } from '../ingest/ports.js';
import type { TableSource } from './table.js';

/** What every file's source can do; and it may know what its ids are. */
export type FileSource = Source &
  Required<Pick<Source, 'from' | 'fingerprint' | 'progress'>> & { readonly idType?: 'string' | 'number' };

/** Compares names with the numbers in them as numbers: part-2 before part-10. */
const naturally = new Intl.Collator('en', { numeric: true });

/**
 * The files of a directory in natural order. Hidden ones are passed over, and those that begin with an underscore,
 * as the engines that write such directories mark their own.
 * @throws VBO_ERR_FILE_NOT_FOUND if it cannot be read, VBO_ERR_FILE_EMPTY if there is none, VBO_ERR_FILE_FORMAT
 *   naming what is no file
 */
export async function shardPaths(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause) => {
    throw new VectorBatchError(
      'VBO_ERR_FILE_NOT_FOUND',
      `Cannot read the directory ${describe(directory)}: ${cause.message}.`,
      { cause, details: { path: directory } },
    );
  });
  const shown = entries.filter(({ name }) => !/^[._]/.test(name));
  const strange = shown.filter((entry) => !entry.isFile() && !entry.isSymbolicLink());
  if (strange.length > 0) {
    throw new VectorBatchError(
      'VBO_ERR_FILE_FORMAT',
      `The directory ${describe(directory)} holds what is no file: ${namesOf(strange.map(({ name }) => name))}; expected files of one format.`,
      { details: { path: directory, entries: strange.map(({ name }) => name) } },
    );
  }
  if (shown.length === 0) {
    throw new VectorBatchError('VBO_ERR_FILE_EMPTY', `The directory ${describe(directory)} holds no files.`, {
      details: { path: directory },
    });
  }
  const names = shown.map(({ name }) => name);
  return names
    .sort((a, b) => naturally.compare(a, b) || (a < b ? -1 : 1))
    .map((name) => join(directory, name));
}

/** Some names, for a message. */
export function namesOf(names: readonly string[]): string {
  const shown = names
    .slice(0, 5)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** Many files read one after the other as one: positions run on from file to file. */
export class ShardedSource implements Source {
  readonly name: string;
  readonly dimension: number;
  readonly count?: number;
  readonly idType?: 'string' | 'number';
  readonly #shards: readonly FileSource[];
  /** The file that is read, and the bytes of those before it. */
  #current: FileSource | undefined;
  #doneBytes = 0;

  private constructor(directory: string, shards: readonly FileSource[]) {
    this.name = directory;
    this.dimension = shards[0]!.dimension;
    this.#shards = shards;
    const counts = shards.map((shard) => shard.count);
    if (counts.every((count) => count !== undefined)) this.count = counts.reduce((a, b) => a + b, 0);
    // A number of one file and a text of another can be told apart as texts only.
    const isText = shards.some((shard) => shard.idType === 'string');
    if (shards[0]!.idType) this.idType = isText ? 'string' : 'number';
  }

  /**
   * Takes the sources over: they are closed with it, or at once if this fails.
   * @throws VBO_ERR_DIMENSION, VBO_ERR_FILE_FORMAT if they do not fit each other
   */
  static async of(directory: string, shards: readonly FileSource[]): Promise<ShardedSource> {
    const first = shards[0]!;
    const wrong = shards.find((shard) => shard.dimension !== first.dimension);
    const odd = shards.find((shard) => (shard.idType === undefined) !== (first.idType === undefined));
    if (!wrong && !odd) return new ShardedSource(directory, shards);
    await Promise.all(shards.map((shard) => shard.close?.()));
    if (wrong) {
      throw new VectorBatchError(
        'VBO_ERR_DIMENSION',
        `${describe(wrong.name)} holds vectors of dimension ${wrong.dimension}, ${describe(first.name)} of ${first.dimension}; the files of a directory are read as one.`,
        { details: { path: wrong.name, dimension: wrong.dimension, expected: first.dimension } },
      );
    }
    throw new VectorBatchError(
      'VBO_ERR_FILE_FORMAT',
      `Of ${describe(first.name)} and ${describe(odd!.name)} only one has ids; the files of a directory are read as one.`,
      { details: { path: odd!.name } },
    );
  }

  /** Where the records are found, if the files are tables. */
  get columnNames(): { id: string | null; vector: string; payload: string[] } | undefined {
    return (this.#shards[0] as Partial<TableSource>).columnNames;
  }

  progress(): { readBytes: number; totalBytes: number } {
    const totalBytes = this.#shards.reduce((sum, shard) => sum + shard.progress().totalBytes, 0);
    return { readBytes: this.#doneBytes + (this.#current?.progress().readBytes ?? 0), totalBytes };
  }

  async fingerprint(): Promise<string> {
    const hash = createHash('sha256');
    for (const shard of this.#shards) hash.update(`${await shard.fingerprint()}\n`);
    return `${this.#shards.length}-${hash.digest('hex').slice(0, 32)}`;
  }

  async close(): Promise<void> {
    for (const shard of this.#shards) await shard.close?.();
  }

  [Symbol.asyncIterator](): AsyncGenerator<SourceChunk, void, undefined> {
    return this.from(0);
  }

  /**
   * The records from `first` on. Files before it that know their count are not read, but for one that ends there: it may
   * count fewer records than it was to hold, which only reading its end tells. Of the others the records have to be
   * counted.
   * @throws what reading one of the files throws, at the first that is damaged
   */
  async *from(first: number): AsyncGenerator<SourceChunk, void, undefined> {
    let offset = 0;
    this.#doneBytes = 0;
    for (const shard of this.#shards) {
      this.#current = shard;
      if (shard.count !== undefined && offset + shard.count < first) {
        offset += shard.count;
      } else if (shard.count !== undefined) {
        for await (const chunk of shard.from(Math.max(0, first - offset))) yield this.#moved(chunk, offset);
        offset += shard.count;
      } else {
        let records = 0;
        for await (const chunk of shard) {
          records = Math.max(records, endOf(chunk, this.dimension));
          const rest = chunkFrom(chunk, first - offset, this.dimension);
          if (rest) yield this.#moved(rest, offset);
        }
        offset += records;
      }
      this.#current = undefined;
      this.#doneBytes += shard.progress().totalBytes;
    }
  }

  #moved(chunk: SourceChunk, offset: number): SourceChunk {
    const { positions, ids, rejected } = chunk;
    return {
      ...chunk,
      positions:
        'first' in positions ? { first: positions.first + offset } : positions.map((at) => at + offset),
      ...(ids && { ids: this.idType === 'string' ? ids.map(String) : ids }),
      ...(rejected && {
        rejected: rejected.map((record) => ({ ...record, position: record.position + offset })),
      }),
    };
  }
}

/** Position after the last record of a chunk. */
function endOf({ positions, vectors, rejected }: SourceChunk, dimension: number): number {
  const rows = vectors.length / dimension;
  const last = rows === 0 ? -1 : 'first' in positions ? positions.first + rows - 1 : positions[rows - 1]!;
  return 1 + Math.max(last, rejected?.at(-1)?.position ?? -1);
}

/** What a chunk holds from a position on, if anything. */
function chunkFrom(chunk: SourceChunk, first: number, dimension: number): SourceChunk | undefined {
  if (first <= 0) return chunk;
  const { positions, ids, vectors, payloads } = chunk;
  const rows = vectors.length / dimension;
  const rejected = chunk.rejected?.filter(({ position }) => position >= first) ?? [];
  const found =
    'first' in positions
      ? Math.min(rows, Math.max(0, first - positions.first))
      : positions.findIndex((position) => position >= first);
  const start = found < 0 ? rows : found;
  if (start === rows && rejected.length === 0) return undefined;
  return {
    positions: 'first' in positions ? { first: positions.first + start } : positions.slice(start),
    ...(ids && { ids: ids.slice(start) }),
    vectors: vectors.subarray(start * dimension),
    ...(payloads && { payloads: payloads.slice(start) }),
    ...(rejected.length > 0 && { rejected }),
  };
}
