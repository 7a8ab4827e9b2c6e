import { readdir } from 'node:fs/promises';
import type { ServerConfig } from '../config.js';

/** What a person can choose from when starting a run. */
export interface Targets {
  /** Names of files in the allowed folders, as a request may give them. */
  readonly sources: string[];
  /** The allowed sinks' URLs without credentials and options. */
  readonly sinks: string[];
}

const MOST_SOURCES = 200;
const VECTOR_FILE = /\.(npy|fvecs|bvecs|ndjson|jsonl|parquet|arrow|arrows|feather|ipc)(\.gz)?$/i;

/** Looks into the allowed folders, not below; a folder that cannot be read has none. */
export async function targetsOf(config: ServerConfig): Promise<Targets> {
  const folders = await Promise.all(
    config.allowedSources.map((folder) => readdir(folder, { withFileTypes: true }).catch(() => [])),
  );
  const names = folders.flatMap((entries) =>
    entries.filter((entry) => entry.isFile() && VECTOR_FILE.test(entry.name)).map(({ name }) => name),
  );
  return {
    sources: [...new Set(names)].sort().slice(0, MOST_SOURCES),
    sinks: config.allowedSinks.map(withoutSecrets),
  };
}

/** `qdrant://key:secret@host:6333/team?tag=x` -> `qdrant://host:6333/team` */
const withoutSecrets = (url: string): string => url.replace(/\?.*$/, '').replace(/^([^:]+:\/\/)[^/]*@/, '$1');
