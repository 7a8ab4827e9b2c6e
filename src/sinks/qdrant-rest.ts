import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { Batch, WriteOutcome } from '../ingest/ports.js';
import { inlineContext, type VectorContext } from '../vectors/pack.js';
import { toJsonText } from '../vectors/wire.js';
import { type HttpAnswer, type HttpConnection, networkOutcome, refusal, refusalOutcome } from './http.js';
import { errorText } from './qdrant-collection.js';
import { type PointWriter, upsertBody } from './qdrant-points.js';

export interface RestTarget {
  /** For messages: the sink's URL without secrets. */
  readonly name: string;
  /** Path and query of the upsert. */
  readonly path: string;
  /** Longest body that is worth sending; less once the server has said so. */
  readonly maxBytes: number;
  /** Which of the collection's named vectors to write. */
  readonly vectorName?: string;
}

/** Upserts over REST, with bodies that are text from the start: no object is made for a point or a number. */
export class RestWriter implements PointWriter {
  readonly #connection: HttpConnection;
  readonly #target: RestTarget;
  readonly #context: VectorContext = inlineContext();
  #maxBytes: number;

  constructor(connection: HttpConnection, target: RestTarget) {
    this.#connection = connection;
    this.#target = target;
    this.#maxBytes = target.maxBytes;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const { name, path, vectorName } = this.#target;
    let body: Buffer;
    try {
      body = await this.encode(batch, vectorName);
    } catch (cause) {
      const error = toVectorBatchError(cause, 'VBO_ERR_INTERNAL', 'The points cannot be encoded');
      if (error.code === 'VBO_ERR_NOT_FINITE' || error.code === 'VBO_ERR_RECORD') {
        return { kind: 'permanent', error };
      }
      throw error;
    }
    if (body.length > this.#maxBytes) return tooLargeOutcome(name, body.length, this.#maxBytes);
    let answer: HttpAnswer;
    try {
      answer = await this.#connection.request({ method: 'PUT', path, body, signal });
    } catch (error) {
      return networkOutcome(name, error);
    }
    if (isSuccess(answer)) return { kind: 'ok', bytesSent: body.length };
    const outcome = outcomeOfRefusal(name, answer);
    if (outcome.kind === 'shrink' && outcome.limits?.maxBytes) this.#maxBytes = outcome.limits.maxBytes;
    return outcome;
  }

  /** The body of the upsert. @throws VBO_ERR_NOT_FINITE, VBO_ERR_RECORD */
  async encode(batch: Batch, vectorName?: string): Promise<Buffer> {
    const text = await toJsonText(this.#context, batch.vectors, { dimension: batch.dimension });
    return upsertBody(batch, text, vectorName);
  }
}

/** The outcome of a batch that is not even sent: the request would be longer than the server takes. */
export function tooLargeOutcome(name: string, byteLength: number, maxBytes: number): WriteOutcome {
  const error = new VectorBatchError(
    'VBO_ERR_SINK',
    `${name} takes requests of ${formatBytes(maxBytes)}; this one has ${formatBytes(byteLength)}.`,
    { details: { byteLength, maxBytes } },
  );
  return { kind: 'shrink', error, limits: { maxBytes } };
}

/** A page of a proxy in between is no acknowledgement, whatever its status. */
function isSuccess(answer: HttpAnswer): boolean {
  if (answer.status !== 200) return false;
  try {
    return JSON.parse(answer.text).status === 'ok';
  } catch {
    return false;
  }
}

/** What Qdrant means by what it says, where its status alone does not tell; the texts are those of its own tests. */
export function outcomeOfRefusal(name: string, answer: HttpAnswer): WriteOutcome {
  const text = errorText(answer);
  const error = refusal(name, answer, text);
  const maxBytes =
    /(?:larger than allowed \(limit|too large: found \d+ bytes, the limit is): (\d+) bytes/.exec(text)?.[1];
  if (maxBytes) return { kind: 'shrink', error, limits: { maxBytes: Number(maxBytes) } };
  const maxRows = /Limit exceeded \d+ > (\d+) for upsert limit/.exec(text)?.[1];
  if (maxRows) return { kind: 'shrink', error, limits: { maxRows: Number(maxRows) } };
  // More points than the rate limit has tokens for in a whole minute: waiting does not help.
  if (/larger than rate limiter capacity/.test(text)) return { kind: 'shrink', error };
  // No batch of this load has another dimension, or fits on a full disk.
  if (/Vector dimension error/.test(text)) {
    return { kind: 'fatal', error: new VectorBatchError('VBO_ERR_DIMENSION', error.message) };
  }
  // Nested deeper than the server decodes: gRPC's code for it is that of a failure of the server's own.
  if (/failed to decode Protobuf message/.test(text)) return { kind: 'permanent', error };
  if (/No space left on device|Not existing vector name/.test(text)) return { kind: 'fatal', error };
  return refusalOutcome(name, answer, text);
}
