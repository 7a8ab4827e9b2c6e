import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Exchange, type FaultProxyOptions, FaultyProxy } from './faults.js';

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

/** A proxy for HTTP on the loopback that goes wrong on command. */
export class FaultProxy extends FaultyProxy {
  readonly #upstream: { host: string; port: string };
  readonly #concerns: NonNullable<FaultProxyOptions['concerns']>;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(options: FaultProxyOptions) {
    super(options);
    const [host, port] = options.upstream.split(':') as [string, string];
    this.#upstream = { host, port };
    this.#concerns = options.concerns ?? (({ byteLength }) => byteLength > 1000);
    this.#server = createServer((incoming, response) => {
      void this.serve(this.#exchange(incoming, response));
    });
  }

  /** Listens on a free port of the loopback. */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #exchange(incoming: IncomingMessage, response: ServerResponse): Exchange<Answer> {
    const { socket } = incoming;
    const byteLength = Number(incoming.headers['content-length'] ?? 0);
    let body: Buffer = Buffer.alloc(0);
    const head = ({ status, headers, body }: Answer) => {
      const { connection: _, 'transfer-encoding': __, ...rest } = headers;
      return response.writeHead(status, { ...rest, 'content-length': body.length });
    };
    return {
      byteLength,
      isConcerned: this.#concerns({ method: incoming.method!, path: incoming.url!, byteLength }),
      get isAbandoned() {
        return socket.destroyed;
      },
      receive: async () => {
        body = await read(incoming);
      },
      forward: () => this.#forward(incoming, body),
      answer: (answer) => void head(answer).end(answer.body),
      breakOff: (answer) => breakOff(head(answer), answer.body, socket),
      reset: () => void socket.resetAndDestroy(),
      refuse: (status, headers = {}) => {
        response.writeHead(status, headers).end(STATUS_CODES[status]);
        incoming.resume();
      },
    };
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
