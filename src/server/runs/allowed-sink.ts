import { describe } from '../../core/check.js';
import { VectorBatchError } from '../../core/errors.js';
import { addressOf } from '../../sinks/index.js';
import { percentDecoded } from '../../sinks/url.js';
import { forbidden, isBelow, realPathOf } from './allowed-path.js';

/** Options that a request may set: they name a collection. All others can read files, variables or name hosts. */
const OPTIONS = new Set(['table', 'tag']);
const NAME = /^[\w.-]{1,128}$/;

interface SinkUrl {
  readonly scheme: string;
  /** `USER:PASSWORD@` or empty. */
  readonly credentials: string;
  /** Host and port, or empty for a sink in the file system. */
  readonly host: string;
  readonly path: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * The URL to open for the one a request names: below an entry of the configuration, whose credentials and options it
 * takes over. In a request there are no credentials and no options but the collection's name.
 * @throws HttpError 403, VBO_ERR_URL for what is not a sink's URL
 */
export async function allowedSink(text: string, entries: readonly string[]): Promise<string> {
  const asked = parse(text);
  if (asked.credentials !== '') {
    throw forbidden('The sink’s URL holds credentials; they belong into VBO_ALLOWED_SINKS.');
  }
  for (const [name, value] of asked.options) {
    if (!OPTIONS.has(name) || !NAME.test(value)) {
      throw forbidden(`The sink’s option ${describe(name)} is not allowed in a request.`);
    }
  }
  for (const entry of entries) {
    const allowed = parse(entry);
    if (allowed.scheme !== asked.scheme || allowed.host !== asked.host) continue;
    const path =
      addressOf(asked.scheme) === 'path' ? await pathBelow(asked, allowed) : nameBelow(asked, allowed);
    if (path === undefined) continue;
    const fixed = [...allowed.options];
    if (fixed.some(([name, value]) => asked.options.has(name) && asked.options.get(name) !== value)) continue;
    const query = new URLSearchParams([...new Map([...asked.options, ...fixed])]).toString();
    return `${asked.scheme}://${allowed.credentials}${asked.host}${path}${query === '' ? '' : `?${query}`}`;
  }
  throw forbidden(
    entries.length === 0
      ? 'No sinks are allowed: VBO_ALLOWED_SINKS is not set.'
      : `The sink ${describe(text)} is not among VBO_ALLOWED_SINKS.`,
  );
}

/** @throws VBO_ERR_URL */
function parse(text: string): SinkUrl {
  const [, scheme = '', rest = '', query = ''] =
    /^([a-z][a-z\d+.-]*):\/\/([^?#]*)(?:\?([^#]*))?$/i.exec(text) ?? [];
  const address = addressOf(scheme.toLowerCase());
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (address === undefined || /[\u0000-\u001f\\]/.test(percentDecoded(text))) {
    throw new VectorBatchError('VBO_ERR_URL', 'The sink is not a URL of a known database.', {
      details: { argument: 'sink', value: text.replace(/\/\/[^/?#]*@/, '//') },
    });
  }
  const options = new Map(new URLSearchParams(query));
  if (address === 'path') {
    return { scheme: scheme.toLowerCase(), credentials: '', host: '', path: percentDecoded(rest), options };
  }
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const at = authority.lastIndexOf('@');
  return {
    scheme: scheme.toLowerCase(),
    credentials: authority.slice(0, at + 1),
    host: authority.slice(at + 1).toLowerCase(),
    path: slash < 0 ? '' : rest.slice(slash),
    options,
  };
}

/** The real path, if it lies below the allowed one. */
async function pathBelow(asked: SinkUrl, allowed: SinkUrl): Promise<string | undefined> {
  if (asked.path === '') return undefined;
  const [real, root] = await Promise.all([realPathOf(asked.path), realPathOf(allowed.path)]);
  if (real === undefined || root === undefined || !isBelow(real, root)) return undefined;
  return real.split('/').map(encodeURIComponent).join('/');
}

/** The path of names, if it is the allowed one or continues it. */
function nameBelow(asked: SinkUrl, allowed: SinkUrl): string | undefined {
  const names = asked.path.split('/').slice(1);
  if (
    names.some((name, i) => (name === '' ? i < names.length - 1 : !NAME.test(name) || /^\.+$/.test(name)))
  ) {
    return undefined;
  }
  const prefix = allowed.path.replace(/\/$/, '');
  return asked.path === prefix || asked.path.startsWith(`${prefix}/`) ? asked.path : undefined;
}
