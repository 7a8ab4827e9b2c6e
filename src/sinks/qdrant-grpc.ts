import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Batch, WriteOutcome } from '../ingest/ports.js';
import type { GrpcConnection } from './grpc.js';
import { networkOutcome, unreachable } from './http.js';
import { type UpsertTarget, upsertFrame } from './qdrant-message.js';
import type { PointWriter } from './qdrant-points.js';
import { outcomeOfRefusal, tooLargeOutcome } from './qdrant-rest.js';

const UPSERT = '/qdrant.Points/Upsert';
const HEALTH_CHECK = '/qdrant.Qdrant/HealthCheck';
/** A message without fields, not compressed. */
const EMPTY_FRAME = Buffer.alloc(5);
const CHECK_TIMEOUT_MS = 10_000;

/**
 * Asks for a sign of life: REST may answer where the port of gRPC is closed.
 * @param name for messages: the sink's URL without secrets
 * @throws VBO_ERR_SINK_UNREACHABLE
 */
export async function checkGrpc(connection: GrpcConnection, name: string): Promise<void> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  const cause: unknown = await connection.call(HEALTH_CHECK, EMPTY_FRAME, signal).then(
    ({ headers, text }) => (headers['grpc-status'] === undefined ? new Error(text) : undefined),
    (error) => error,
  );
  if (cause === undefined) return;
  const { message } = unreachable(`gRPC at ${new URL(connection.origin).host}`, cause);
  throw new VectorBatchError(
    'VBO_ERR_SINK_UNREACHABLE',
    `${name}: ${message}; publish that port, name another with grpc_port=, or leave transport=grpc out.`,
    { cause },
  );
}

export interface GrpcTarget extends UpsertTarget {
  /** For messages: the sink's URL without secrets. */
  readonly name: string;
  /** Longest message that is worth sending. */
  readonly maxBytes: number;
}

/** Upserts over gRPC: packed floats, a third of the bytes of the text and next to nothing to encode. */
export class GrpcWriter implements PointWriter {
  readonly #connection: GrpcConnection;
  readonly #target: GrpcTarget;

  constructor(connection: GrpcConnection, target: GrpcTarget) {
    this.#connection = connection;
    this.#target = target;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const { name, maxBytes } = this.#target;
    let frame: Buffer;
    try {
      frame = this.encode(batch);
    } catch (cause) {
      return {
        kind: 'permanent',
        error: toVectorBatchError(cause, 'VBO_ERR_RECORD', 'A point cannot be encoded'),
      };
    }
    if (frame.length > maxBytes) return tooLargeOutcome(name, frame.length, maxBytes);
    try {
      const answer = await this.#connection.call(UPSERT, frame, signal);
      return answer.status === 200 ? { kind: 'ok', bytesSent: frame.length } : outcomeOfRefusal(name, answer);
    } catch (error) {
      return networkOutcome(name, error);
    }
  }

  /** The upsert as a gRPC frame. @throws VBO_ERR_RECORD */
  encode(batch: Batch): Buffer {
    return upsertFrame(batch, this.#target);
  }
}
