import { createHash } from 'node:crypto';
import type { Batch, Id, Payload, WriteOutcome } from '../ingest/ports.js';
import type { WireText } from '../vectors/wire.js';
import { jsonBody, toJson } from './json.js';

/** Brings batches to a collection, by one of Qdrant's interfaces. */
export interface PointWriter {
  write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome>;
}

/** A UUID as Qdrant prints it: what another text would be stored as cannot be told from its id again. */
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
/** RFC 9562's namespace for names of no other kind, so that every language's `uuid5(NAMESPACE_OID, id)` agrees. */
const NAMESPACE_OID = Buffer.from('6ba7b8129dad11d180b400c04fd430c8', 'hex');
/** Payload member that keeps an id Qdrant cannot take as it is. */
const ORIGINAL_ID = '_id';

/** Whether Qdrant takes the id as it is: an unsigned integer or a UUID. Integers past 2^53 lost their value before. */
export const isPointId = (id: Id): boolean =>
  typeof id === 'number' ? Number.isSafeInteger(id) && id >= 0 : UUID.test(id);

/** The UUID of version 5 (RFC 9562, section 5.5) of a name in the OID namespace. */
export function uuidOfName(name: string): string {
  const hash = createHash('sha1').update(NAMESPACE_OID).update(name).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Ids and payloads as Qdrant takes them. */
export interface PointColumns {
  readonly ids: readonly Id[];
  readonly payloads: readonly (Payload | null)[] | undefined;
}

/**
 * The ids and payloads of a batch as points have them. An id that is neither an unsigned integer nor a UUID
 * becomes the UUID of its name, and its record's payload gets `_id`, unless it has a member of that name.
 */
export function pointColumns({ ids, payloads }: Pick<Batch, 'ids' | 'payloads'>): PointColumns {
  if (ids.every(isPointId)) return { ids, payloads };
  const pointIds: Id[] = [];
  const pointPayloads: (Payload | null)[] = [];
  for (const [row, id] of ids.entries()) {
    const payload = payloads?.[row] ?? null;
    const fits = isPointId(id);
    pointIds.push(fits ? id : uuidOfName(String(id)));
    pointPayloads.push(fits ? payload : { [ORIGINAL_ID]: id, ...payload });
  }
  return { ids: pointIds, payloads: pointPayloads };
}

/**
 * The body of an upsert, in columns, which spare 20 bytes a point over a list of points:
 *
 * ```
 * {"batch":{"ids":[1,2],"vectors":[[0.5,0.25],[1,0]],"payloads":[{"a":1},null]}}
 * ```
 *
 * @param text the vectors, each a JSON array
 * @param vectorName the vector the points are given, where the collection's vectors have names
 * @throws VBO_ERR_RECORD if a payload cannot be told in JSON
 */
export function upsertBody(batch: Batch, text: WireText, vectorName?: string): Buffer {
  const { ids, payloads } = pointColumns(batch);
  const named = vectorName === undefined ? '' : `{${JSON.stringify(vectorName)}:`;
  const head = `{"batch":{"ids":${JSON.stringify(ids)},"vectors":${named}[`;
  const tail = `]${named && '}'}${payloads ? `,"payloads":${toJson(payloads)}` : ''}}}`;
  return jsonBody(head, text, ',', tail);
}
