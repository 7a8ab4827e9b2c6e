import { VectorBatchError } from '../core/errors.js';
import type { Sink } from '../ingest/ports.js';
import { openSink } from './index.js';

/** Where each scheme's URL names the collection: in an option, in the path, or nowhere because nothing is kept. */
const COLLECTION: Readonly<Record<string, { option: string } | 'path' | 'none'>> = {
  chroma: 'path',
  chromas: 'path',
  lancedb: { option: 'table' },
  nebula: { option: 'tag' },
  null: 'none',
  pglite: { option: 'table' },
  postgres: { option: 'table' },
  qdrant: 'path',
  qdrants: 'path',
  sim: 'none',
  sqlite: { option: 'table' },
};

/**
 * The URL of another collection in the same database.
 * @throws VBO_ERR_URL if the scheme is unknown
 */
export function withCollection(url: string, name: string): string {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase() ?? '';
  const place = Object.hasOwn(COLLECTION, scheme) ? COLLECTION[scheme]! : undefined;
  if (place === undefined) {
    throw new VectorBatchError('VBO_ERR_URL', `No collections are known for ${JSON.stringify(scheme)}://.`);
  }
  const [address, query = ''] = url.split(/\?(.*)/s, 2) as [string, string?];
  if (place === 'none') return url;
  if (place === 'path') return `${address.replace(/\/[^/]*$/, '')}/${name}${query ? `?${query}` : ''}`;
  const options = query.split('&').filter((option) => option && !option.startsWith(`${place.option}=`));
  return `${address}?${[...options, `${place.option}=${name}`].join('&')}`;
}

/**
 * Sinks for scratch collections beside the one of `url`.
 * @throws VBO_ERR_URL
 */
export const scratchSinks =
  (url: string) =>
  (name: string): Promise<Sink> =>
    openSink(withCollection(url, name));
