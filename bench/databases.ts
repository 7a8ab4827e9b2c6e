import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasChroma, startChroma } from '../test/servers/chroma.js';

/** A database that its npm packages alone run. */
export interface Database {
  readonly name: string;
  /** Vectors of one load, by dimension: some seconds with 100 in a request. */
  readonly rows: Readonly<Record<number, number>>;
  /** @throws if it is not installed */
  start(folder: string): Promise<Started>;
}

export interface Started {
  urlOf(collection: string): string;
  /** What is left of a dropped collection. */
  remove(collection: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Every collection in files of its own. */
const embedded =
  (urlOf: (path: string) => string): Database['start'] =>
  async (folder) => ({
    urlOf: (collection) => urlOf(join(folder, collection)),
    remove: (collection) =>
      Promise.all(
        ['', '-wal', '-shm'].map((end) =>
          rm(join(folder, collection + end), { recursive: true, force: true }),
        ),
      ),
    stop: async () => {},
  });

export const DATABASES: readonly Database[] = [
  {
    name: 'lancedb',
    rows: { 128: 200_000, 768: 60_000 },
    // No arm compacts at the end: that would cost the small batches most.
    start: embedded((path) => `lancedb://${path}?table=vectors&optimize=never`),
  },
  {
    name: 'sqlite',
    rows: { 128: 300_000, 768: 60_000 },
    start: embedded((path) => `sqlite://${path}?table=vectors`),
  },
  {
    name: 'pglite',
    rows: { 128: 120_000, 768: 25_000 },
    // Starting one takes a second or two, so all tables are in the same.
    start: async (folder) => ({
      urlOf: (collection) => `pglite://${folder}?table=${collection}`,
      ...{ remove: async () => {}, stop: async () => {} },
    }),
  },
  {
    name: 'chroma',
    rows: { 128: 15_000, 768: 5_000 },
    async start() {
      if (!hasChroma) {
        throw new Error('there is no server; bash test/servers/install-chroma.sh installs one');
      }
      const server = await startChroma();
      return {
        urlOf: (collection) => `chroma://${server.address}/${collection}`,
        ...{ remove: async () => {}, stop: () => server.close() },
      };
    },
  },
];
