import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

/**
 * The URL of a sink that lives in a file or folder, made absolute. What stands between `//` and `?` is a
 * path, relative or absolute, percent-encoded or not; read as a URL, the first folder of `lancedb://data/x`
 * would be a host, and one with a space in it an error.
 *
 * @throws VBO_ERR_URL
 */
export function parsePathUrl(text: string): URL {
  const [, protocol, encoded, query] = /^([a-z][a-z\d+.-]*):\/\/([^?]*)(\?.*)?$/is.exec(text) ?? [];
  if (!protocol || !encoded) {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${describe(text)} names no path; expected scheme://PATH?options.`,
    );
  }
  return new URL(`${protocol}://${pathToFileURL(resolve(percentDecoded(encoded))).pathname}${query ?? ''}`);
}

/** The text that is percent-encoded; one with a percent sign that encodes nothing stands for itself. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The absolute path of a URL made by {@link parsePathUrl}. */
export const pathOfUrl = (url: URL): string => fileURLToPath(`file://${url.pathname}`);

/**
 * A sink's name: its URL without secrets. What says where records go belongs to it, because a ledger is resumed into
 * the sink of the same name only; an option that is left to its default does not, so that ledgers of before stay valid.
 *
 * @param address the URL up to its query
 * @param options by their names in the URL; those that are undefined are left out
 */
export function sinkName(address: string, options: Readonly<Record<string, string | undefined>>): string {
  const query = Object.entries(options)
    .filter((option): option is [string, string] => option[1] !== undefined)
    .map(([option, value]) => `${option}=${encodeURIComponent(value)}`)
    .join('&');
  return query ? `${address}?${query}` : address;
}
