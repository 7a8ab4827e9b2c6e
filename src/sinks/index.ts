import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Sink } from '../ingest/ports.js';
import { parsePathUrl } from './url.js';

interface Entry {
  /** What follows `//`: a path in the file system, or a host. */
  readonly address: 'path' | 'host';
  /** What names the collection: an option, the path's last part, or nothing because nothing is kept. */
  readonly collection: { readonly option: string } | 'path' | 'none';
  /** Imports the sink's file, and with it nothing of any other database. */
  readonly open: (url: URL) => Promise<Sink>;
}

const TABLE = { option: 'table' };

/** Every sink by its URL's scheme. A new database is one file beside this one and one line here. */
const SINKS: Readonly<Record<string, Entry>> = {
  chroma: {
    address: 'host',
    collection: 'path',
    open: async (url) => (await import('./chroma.js')).openChromaSink(url),
  },
  chromas: {
    address: 'host',
    collection: 'path',
    open: async (url) => (await import('./chroma.js')).openChromaSink(url),
  },
  lancedb: {
    address: 'path',
    collection: TABLE,
    open: async (url) => (await import('./lancedb.js')).openLanceDbSink(url),
  },
  nebula: {
    address: 'host',
    collection: { option: 'tag' },
    open: async (url) => (await import('./nebula.js')).openNebulaSink(url),
  },
  null: {
    address: 'host',
    collection: 'none',
    open: async (url) => (await import('./null.js')).openNullSink(url),
  },
  pglite: {
    address: 'path',
    collection: TABLE,
    open: async (url) => (await import('./pglite.js')).openPGliteSink(url),
  },
  postgres: {
    address: 'host',
    collection: TABLE,
    open: async (url) => (await import('./postgres.js')).openPostgresSink(url),
  },
  qdrant: {
    address: 'host',
    collection: 'path',
    open: async (url) => (await import('./qdrant.js')).openQdrantSink(url),
  },
  qdrants: {
    address: 'host',
    collection: 'path',
    open: async (url) => (await import('./qdrant.js')).openQdrantSink(url),
  },
  sim: {
    address: 'path',
    collection: 'none',
    open: async (url) => (await import('./sim.js')).openSimSink(url),
  },
  sqlite: {
    address: 'path',
    collection: TABLE,
    open: async (url) => (await import('./sqlite.js')).openSqliteSink(url),
  },
};

/** Does a scheme name a path in the file system or a host? undefined for one that `openSink` does not know. */
export const addressOf = (scheme: string): Entry['address'] | undefined =>
  Object.hasOwn(SINKS, scheme) ? SINKS[scheme]!.address : undefined;

/** The schemes `openSink` knows, such as `lancedb`. */
export const SINK_SCHEMES: readonly string[] = Object.keys(SINKS);

/**
 * The sink of a URL such as `lancedb://./data?table=items`. Nothing is connected before its `open()`.
 * Paths may be relative to the working directory, absolute (`lancedb:///data`), and percent-encoded.
 *
 * @throws VBO_ERR_URL if the scheme is unknown or the rest is not of its form
 */
export async function openSink(url: string): Promise<Sink> {
  const entry = entryOf(url);
  const sink = await entry.open(entry.address === 'path' ? parsePathUrl(url) : parseHostUrl(url));
  URLS.set(sink, url);
  return sink;
}

/**
 * The URL of another collection in the same database.
 * @throws VBO_ERR_URL if the scheme is unknown
 */
export function withCollection(url: string, name: string): string {
  const { collection } = entryOf(url);
  const [address, query = ''] = url.split(/\?(.*)/s, 2) as [string, string?];
  if (collection === 'none') return url;
  if (collection === 'path') return `${address.replace(/\/[^/]*$/, '')}/${name}${query ? `?${query}` : ''}`;
  const options = query.split('&').filter((option) => option && !option.startsWith(`${collection.option}=`));
  return `${address}?${[...options, `${collection.option}=${name}`].join('&')}`;
}

/**
 * Sinks for scratch collections beside the one of `url`.
 * @throws VBO_ERR_URL
 */
export const scratchSinks =
  (url: string) =>
  (name: string): Promise<Sink> =>
    openSink(withCollection(url, name));

function entryOf(url: string): Entry {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && Object.hasOwn(SINKS, scheme)) return SINKS[scheme]!;
  throw new VectorBatchError(
    'VBO_ERR_URL',
    `${scheme === undefined ? `${describe(withoutSecrets(url))} is not a sink URL` : `No sink has the scheme ${describe(scheme)}`}; known are ${SINK_SCHEMES.map((known) => `${known}://`).join(', ')}.`,
    { details: { scheme, known: SINK_SCHEMES } },
  );
}

const URLS = new WeakMap<Sink, string>();

/** The URL that {@link openSink} made a sink of, secrets included; undefined for a sink made otherwise. */
export const urlOf = (sink: Sink): string | undefined => URLS.get(sink);

function parseHostUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    // Its cause is not kept: it carries the whole text, password included.
    throw new VectorBatchError('VBO_ERR_URL', `${describe(withoutSecrets(text))} is not a URL.`);
  }
}

/** User and password cut out, for messages. */
const withoutSecrets = (text: string): string => text.replace(/\/\/[^/?#]*@/, '//');
