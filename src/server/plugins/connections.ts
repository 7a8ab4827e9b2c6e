import { randomUUID } from 'node:crypto';
import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config.js';
import { answerOf } from './errors.js';
import { DATA_HEADERS } from './secure-headers.js';

/** Headers must be there within this, however slowly they come. */
const HEADERS_TIMEOUT_MS = 10_000;
/** A connection without a request is closed after this. */
const KEEP_ALIVE_TIMEOUT_MS = 15_000;
/** How often the time-outs above are looked at. */
const CHECK_MS = 1000;
const MAX_HEADERS = 100;
/** Requests in flight have this long to be answered once the service shuts down. */
const GRACE_MS = 10_000;
const POLL_MS = 20;

/** What of `node:http` is decided before the server is made. */
export const httpOptions = { connectionsCheckingInterval: CHECK_MS, maxHeaderSize } as const;

/** What became of a connection that never got as far as a request. */
export type OnRefused = (refusal: {
  statusCode: number;
  code: string;
  address: string | undefined;
  requestId: string;
}) => void;

const STATUS: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** Bounds on connections and on what comes over them before there is a request to look at; and how they end. */
export function boundConnections(app: FastifyInstance, config: ServerConfig, onRefused: OnRefused): void {
  const { server } = app;
  server.maxConnections = config.maxConnections;
  server.maxHeadersCount = MAX_HEADERS;
  server.headersTimeout = Math.min(HEADERS_TIMEOUT_MS, config.requestTimeoutMs);
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.on('drop', (data) => {
    const facts = { statusCode: 503, code: 'VBO_HTTP_CONNECTIONS', requestId: randomUUID() };
    onRefused({ ...facts, address: data?.remoteAddress });
  });
  endConnections(app);
}

/** Answers what is not HTTP, too long, or too slow: there is no request for a route to see. */
export function refuseConnection(onRefused: OnRefused) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const statusCode = STATUS[error.code ?? ''] ?? 400;
    const code = 'VBO_HTTP_BAD_REQUEST';
    const requestId = randomUUID();
    onRefused({ statusCode, code, address: socket.remoteAddress, requestId });
    if (socket.writable) {
      const body = JSON.stringify(
        answerOf({ statusCode, code, message: `${STATUS_CODES[statusCode]}.` }, requestId),
      );
      const headers = Object.entries({
        ...DATA_HEADERS,
        connection: 'close',
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
      }).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${headers.join('')}\r\n${body}`);
    }
    socket.destroySoon();
  };
}

/**
 * Lets requests in flight be answered when the app closes, and then ends every connection. One over which nothing ever
 * came is neither idle nor active to `node:http` (Node 20), and would be waited for.
 */
function endConnections(app: FastifyInstance): void {
  const { server } = app;
  const sockets = new Set<Socket>();
  const unused = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    unused.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      unused.delete(socket);
    });
  });
  server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', (done) => {
    const startMs = performance.now();
    const poll = setInterval(() => {
      server.closeIdleConnections();
      const isOver = performance.now() - startMs >= GRACE_MS;
      for (const socket of isOver ? sockets : unused) socket.destroy();
      if (sockets.size === 0) clearInterval(poll);
    }, POLL_MS);
    done();
  });
}
