import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import type { HttpAnswer } from './http.js';

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

export interface GrpcOptions {
  /** `http://HOST:PORT` */
  readonly origin: string;
  /** Sent with every call, for instance an API key. Never part of a message. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Unary calls over one HTTP/2 connection, which is made again when it is lost or no longer answers. */
export class GrpcConnection {
  readonly origin: string;
  readonly #headers: GrpcOptions['headers'];
  /** All that are not closed yet, also those that take no more calls. */
  readonly #sessions = new Set<ClientHttp2Session>();
  #session: ClientHttp2Session | undefined;

  constructor({ origin, headers }: GrpcOptions) {
    this.origin = origin;
    this.#headers = headers;
  }

  /**
   * One call; rejects if there is no answer, or with the signal's reason. The answer's message is not read: that there
   * is one, and the status, say all. Where `grpc-status` is not among its headers it is not gRPC that answered.
   * @param path `/package.Service/Method`
   */
  call(path: string, frame: Buffer, signal: AbortSignal): Promise<HttpAnswer> {
    const { promise, resolve, reject } = withResolvers<HttpAnswer>();
    signal.throwIfAborted();
    const session = this.#connected();
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...this.#headers,
    });
    const onAbort = () => {
      stream.close(constants.NGHTTP2_CANCEL);
      this.#retire(session);
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

  /** Ends the connection and every call under way. */
  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.#session = undefined;
  }

  #connected(): ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const session = connect(this.origin);
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    // Every call under way is told on its own.
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    this.#session = session;
    return session;
  }

  /** Where one call was not answered in time none may ever be: calls under way may end, new ones go elsewhere. */
  #retire(session: ClientHttp2Session): void {
    if (this.#session === session) this.#session = undefined;
    session.close();
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
