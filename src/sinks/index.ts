import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Sink } from '../ingest/ports.js';
import { parsePathUrl } from './url.js';

interface Entry {
  /** What follows `//`: a path in the file system, or a host. */
  readonly address: 'path' | 'host';
  /** Imports the sink's file, and with it nothing of any other database. */
  readonly open: (url: URL) => Promise<Sink>;
}

/** Every sink by its URL's scheme. A new database is one file beside this one and one line here. */
const SINKS: Readonly<Record<string, Entry>> = {
  chroma: { address: 'host', open: async (url) => (await import('./chroma.js')).openChromaSink(url) },
  chromas: { address: 'host', open: async (url) => (await import('./chroma.js')).openChromaSink(url) },
  lancedb: { address: 'path', open: async (url) => (await import('./lancedb.js')).openLanceDbSink(url) },
  nebula: { address: 'host', open: async (url) => (await import('./nebula.js')).openNebulaSink(url) },
  null: { address: 'host', open: async (url) => (await import('./null.js')).openNullSink(url) },
  pglite: { address: 'path', open: async (url) => (await import('./pglite.js')).openPGliteSink(url) },
  postgres: { address: 'host', open: async (url) => (await import('./postgres.js')).openPostgresSink(url) },
  qdrant: { address: 'host', open: async (url) => (await import('./qdrant.js')).openQdrantSink(url) },
  qdrants: { address: 'host', open: async (url) => (await import('./qdrant.js')).openQdrantSink(url) },
  sim: { address: 'path', open: async (url) => (await import('./sim.js')).openSimSink(url) },
  sqlite: { address: 'path', open: async (url) => (await import('./sqlite.js')).openSqliteSink(url) },
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
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  const entry = scheme !== undefined && Object.hasOwn(SINKS, scheme) ? SINKS[scheme] : undefined;
  if (!entry) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${scheme === undefined ? `${describe(withoutSecrets(url))} is not a sink URL` : `No sink has the scheme ${describe(scheme)}`}; known are ${SINK_SCHEMES.map((name) => `${name}://`).join(', ')}.`,
      { details: { scheme, known: SINK_SCHEMES } },
    );
  }
  const sink = await entry.open(entry.address === 'path' ? parsePathUrl(url) : parseHostUrl(url));
  URLS.set(sink, url);
  return sink;
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
