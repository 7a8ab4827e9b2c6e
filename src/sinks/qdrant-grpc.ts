import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { toVectorBatchError } from '../core/errors.js';
import type { Batch, WriteOutcome } from '../ingest/ports.js';
import { type HttpAnswer, networkOutcome } from './http.js';
import { type UpsertTarget, upsertFrame } from './qdrant-message.js';
import type { PointWriter } from './qdrant-points.js';
import { outcomeOfRefusal, tooLargeOutcome } from './qdrant-rest.js';

const UPSERT = '/qdrant.Points/Upsert';

/** gRPC's status codes as HTTP's, after `google.rpc.Code`; where Qdrant's REST interface differs, as that. */
const HTTP_STATUS: Readonly<Record<number, number>> = {
  0: 200, // OK
  3: 400, // INVALID_ARGUMENT
  4: 408, // DEADLINE_EXCEEDED
  5: 404, // NOT_FOUND
  7: 403, // PERMISSION_DENIED
  8: 429, // RESOURCE_EXHAUSTED
  9: 403, // FAILED_PRECONDITION: the collection is locked
  11: 413, // OUT_OF_RANGE: longer than the server decodes
  14: 503, // UNAVAILABLE
  16: 401, // UNAUTHENTICATED
};

export interface GrpcTarget extends UpsertTarget {
  /** For messages: the sink's URL without secrets. */
  readonly name: string;
  /** `http://HOST:PORT` */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Longest message that is worth sending. */
  readonly maxBytes: number;
}

/**
 * Upserts over gRPC: packed floats, a third of the bytes of the text and next to nothing to encode. The calls of a
 * load share one HTTP/2 connection, which is made again when it is lost.
 */
export class GrpcWriter implements PointWriter {
  readonly #target: GrpcTarget;
  #session: ClientHttp2Session | undefined;

  constructor(target: GrpcTarget) {
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
      const answer = await this.#call(frame, signal);
      return answer.status === 200 ? { kind: 'ok', bytesSent: frame.length } : outcomeOfRefusal(name, answer);
    } catch (error) {
      return networkOutcome(name, error);
    }
  }

  /** The upsert as a gRPC frame. @throws VBO_ERR_RECORD */
  encode(batch: Batch): Buffer {
    return upsertFrame(batch, this.#target);
  }

  async close(): Promise<void> {
    this.#session?.destroy();
    this.#session = undefined;
  }

  /** One unary call. Its answer's message is not read: that there is one, and the status, say all. */
  #call(frame: Buffer, signal: AbortSignal): Promise<HttpAnswer> {
    const { promise, resolve, reject } = withResolvers<HttpAnswer>();
    signal.throwIfAborted();
    const stream = this.#connection().request({
      ':method': 'POST',
      ':path': UPSERT,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...this.#target.headers,
    });
    const onAbort = () => {
      stream.close(constants.NGHTTP2_CANCEL);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    let headers: IncomingHttpHeaders = {};
    stream.on('response', (response) => {
      headers = response;
    });
    // Where the call fails before it is served there is no message, and the headers are the trailers.
    stream.on('trailers', (trailers) => {
      headers = { ...headers, ...trailers };
    });
    stream.on('error', reject);
    stream.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      if (headers['grpc-status'] === undefined && headers[':status'] === undefined) {
        return reject(new Error('The call ended without an answer.'));
      }
      resolve(answerOf(headers));
    });
    stream.resume();
    stream.end(frame);
    return promise;
  }

  #connection(): ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const session = connect(this.#target.origin);
    // Every call under way is told on its own.
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    this.#session = session;
    return session;
  }
}

function answerOf(headers: IncomingHttpHeaders): HttpAnswer {
  const httpStatus = Number(headers[':status']);
  if (headers['grpc-status'] === undefined) {
    // A proxy's words, or an answer that broke off: 200 without a status is none.
    return { status: httpStatus === 200 ? 502 : httpStatus, headers, text: 'no gRPC status' };
  }
  const code = Number(headers['grpc-status']);
  const message = String(headers['grpc-message'] ?? '');
  const text = `gRPC status ${code}: ${/%[^\dA-F]|%$/i.test(message) ? message : decodeURIComponent(message)}`;
  return { status: HTTP_STATUS[code] ?? 500, headers, text };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}
