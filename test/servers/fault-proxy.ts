import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/core/random.js';

/** What goes wrong while it is injected; everything may be combined. Shares are of the requests, 0..1. */
export interface Faults {
  /** The answer comes after so many times the time the server took. */
  latencyFactor?: number;
  /** The connection is reset before the server sees the request. */
  reset?: number;
  /** 503 instead of the server's answer; the server does not see the request. */
  unavailable?: number;
  /** 429 instead, asking to wait for so many seconds. */
  throttled?: { share: number; retryAfterSeconds: number };
  /** Longer bodies are answered 413, before they are read, as by a proxy with a limit. */
  maxBodyBytes?: number;
  /** The server sees the request only after so long, even if nobody waits for its answer by then: only those strike. */
  late?: { share: number; ms: number };
  /** The server does as it is asked; the connection breaks in the middle of its answer. */
  halfAnswer?: number;
  /** The server does as it is asked; the connection is reset before its answer. */
  lostAcknowledgement?: number;
}

export type FaultKind = keyof Faults | 'unreachable';

export interface FaultProxyOptions {
  /** `HOST:PORT` of the server behind it. */
  upstream: string;
  seed?: number;
  /** Time that every concerned request takes beside the server's own: makes the server one of a known speed. */
  serviceMs?: (byteLength: number) => number;
  /** Which requests may go wrong; the others only pass. Default: those with a body that is not small. */
  concerns?: (request: { method: string; path: string; byteLength: number }) => boolean;
}

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

/** A proxy for HTTP on the loopback that goes wrong on command, in the same way for the same seed and requests. */
export class FaultProxy {
  /** How often each fault has struck. */
  readonly struck = new Map<FaultKind, number>();
  readonly #upstream: { host: string; port: string };
  readonly #concerns: NonNullable<FaultProxyOptions['concerns']>;
  readonly #serviceMs: NonNullable<FaultProxyOptions['serviceMs']>;
  readonly #random: Random;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #serving = new Set<Promise<void>>();
  #faults: Faults = {};

  private constructor({ upstream, seed = 1, serviceMs, concerns }: FaultProxyOptions) {
    const [host, port] = upstream.split(':') as [string, string];
    this.#upstream = { host, port };
    this.#concerns = concerns ?? (({ byteLength }) => byteLength > 1000);
    this.#serviceMs = serviceMs ?? (() => 0);
    this.#random = new Random(seed);
    this.#server = createServer((incoming, response) => {
      const serving = this.#serve(incoming, response)
        .catch(() => void incoming.socket.resetAndDestroy())
        .finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
    });
  }

  /** Listens on a free port of the loopback. */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on these go wrong, and nothing else. */
  inject(faults: Faults): void {
    this.#faults = faults;
  }

  heal(): void {
    this.inject({});
  }

  /** Returns when the server has seen every request that came. */
  async settle(): Promise<void> {
    await Promise.all(this.#serving);
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = incoming;
    const byteLength = Number(incoming.headers['content-length'] ?? 0);
    const isConcerned = this.#concerns({ method: incoming.method!, path: incoming.url!, byteLength });
    const faults = isConcerned ? this.#faults : {};
    if (byteLength > (faults.maxBodyBytes ?? Infinity)) {
      this.#strike('maxBodyBytes');
      response.writeHead(413, { connection: 'close' }).end('Request Entity Too Large');
      incoming.resume();
      return;
    }
    const body = await read(incoming);
    if (this.#chance('reset', faults.reset)) return void socket.resetAndDestroy();
    if (this.#chance('unavailable', faults.unavailable)) {
      return void response.writeHead(503).end('Service Unavailable');
    }
    if (this.#chance('throttled', faults.throttled?.share)) {
      const { retryAfterSeconds } = faults.throttled!;
      return void response
        .writeHead(429, { 'retry-after': String(retryAfterSeconds) })
        .end('Too Many Requests');
    }
    if (faults.late && this.#random.next() < faults.late.share) {
      await sleep(faults.late.ms);
      if (socket.destroyed) this.#strike('late');
    }
    const startMs = performance.now();
    const answer = await this.#forward(incoming, body).catch(() => undefined);
    if (!answer) {
      this.#strike('unreachable');
      return void socket.resetAndDestroy();
    }
    const ownMs = performance.now() - startMs;
    const serviceMs = isConcerned ? this.#serviceMs(byteLength) : 0;
    if (faults.latencyFactor !== undefined) this.#strike('latencyFactor');
    const wantedMs = (faults.latencyFactor ?? 1) * Math.max(ownMs, serviceMs);
    if (wantedMs > ownMs) await sleep(wantedMs - ownMs);
    if (this.#chance('lostAcknowledgement', faults.lostAcknowledgement)) {
      return void socket.resetAndDestroy();
    }
    const { connection: _, 'transfer-encoding': __, ...headers } = answer.headers;
    response.writeHead(answer.status, { ...headers, 'content-length': answer.body.length });
    if (this.#chance('halfAnswer', faults.halfAnswer)) breakOff(response, answer.body, socket);
    else response.end(answer.body);
  }

  #chance(kind: FaultKind, share = 0): boolean {
    if (share === 0 || this.#random.next() >= share) return false;
    this.#strike(kind);
    return true;
  }

  #strike(kind: FaultKind): void {
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
  }

  #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { ...this.#upstream, method, path: url, headers, agent: this.#agent };
      const outgoing = request(options, async (answer) => {
        const { statusCode: status = 0, headers } = answer;
        read(answer).then((body) => resolve({ status, headers, body }), reject);
      });
      outgoing.on('error', reject).end(body);
    });
  }
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Sends the head and half of the body, and breaks the connection once they are gone. */
function breakOff(response: ServerResponse, body: Buffer, socket: Socket): void {
  response.write(body.subarray(0, body.length / 2), () => socket.destroy());
  // Half of a body of one byte is nothing: the head alone must go.
  response.flushHeaders();
}
