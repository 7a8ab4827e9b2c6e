import type { Batch, Payload } from '../ingest/ports.js';
import type { VectorContext } from '../vectors/pack.js';
import { toBase64, toJsonText } from '../vectors/wire.js';
import { jsonBody, toJson } from './json.js';

/** How vectors travel: as base64 of little-endian float32, or as the shortest numbers that read back the same. */
export type EmbeddingText = 'base64' | 'json';

/** Metadata member that keeps what Chroma's metadata cannot hold. */
const REST = '_json';
/** Members of these names are Chroma's own: it keeps documents in them, and drops them from what it gives back. */
const RESERVED = 'chroma:';

/**
 * A payload as Chroma's flat metadata. Texts, booleans and finite numbers stay members of their own, and can be
 * filtered by. What Chroma would refuse or drop in silence (objects, arrays, null, and members called `_json` or
 * `chroma:...`) is kept as one text of JSON in `_json`: `{ ...metadata without _json, ...JSON.parse(_json) }` is
 * the payload again.
 *
 * @throws VBO_ERR_RECORD if a member cannot be told in JSON
 */
export function metadataOf(payload: Payload | null): Payload | null {
  if (payload === null) return null;
  const members = Object.entries(payload);
  const flat = members.filter(isFlat);
  const rest = toJson(Object.fromEntries(members.filter((member) => !isFlat(member))));
  return Object.fromEntries(rest === '{}' ? flat : [...flat, [REST, rest]]);
}

const isFlat = ([name, value]: [string, unknown]): boolean =>
  (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) &&
  name !== REST &&
  !name.startsWith(RESERVED);

/**
 * The body of an upsert:
 *
 * ```
 * {"ids":["1","2"],"embeddings":["AAAAPwAAgD4=","AACAPwAAAAA="],"metadatas":[{"a":1},null]}
 * ```
 *
 * @throws VBO_ERR_NOT_FINITE; VBO_ERR_RECORD if a payload cannot be told in JSON
 */
export async function upsertBody(
  context: VectorContext,
  batch: Batch,
  embedding: EmbeddingText,
): Promise<Buffer> {
  const { dimension, vectors, rows, payloads } = batch;
  const head = `{"ids":${JSON.stringify(batch.ids.map(String))},"embeddings":[`;
  const tail = `]${payloads ? `,"metadatas":${toJson(payloads.map(metadataOf))}` : ''}}`;
  if (embedding === 'json') {
    return jsonBody(head, await toJsonText(context, vectors, { dimension }), ',', tail);
  }
  const { bytes, rowByteLength } = await toBase64(context, vectors, { dimension });
  const offsets = Array.from({ length: rows + 1 }, (_, row) => row * rowByteLength);
  return jsonBody(`${head}"`, { bytes, offsets }, '","', `"${tail}`);
}
