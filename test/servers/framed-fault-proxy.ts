import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Exchange, type FaultProxyOptions, FaultyProxy } from './faults.js';

/** Before every message of a framed Thrift connection stands its length, big-endian. */
const LENGTH_BYTES = 4;

/**
 * A proxy for framed Thrift on the loopback that goes wrong on command; it knows nothing of 413, 429 and 503. Messages
 * of a connection are answered one by one, those that are not concerned perhaps never.
 */
export class FramedFaultProxy extends FaultyProxy {
  readonly #upstream: { host: string; port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: FaultProxyOptions) {
    super(options);
    const [host, port] = options.upstream.split(':') as [string, string];
    this.#upstream = { host, port: Number(port) };
    this.#server = createServer((client) => this.#pass(client));
  }

  /** Listens on a free port of the loopback. */
  static async start(options: FaultProxyOptions): Promise<FramedFaultProxy> {
    const proxy = new FramedFaultProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(client: Socket): void {
    const upstream = connect(this.#upstream);
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
    let settle: { resolve(answer: Buffer): void; reject(error: Error): void } | undefined;
    upstream.on(
      'data',
      framesTo((answer) => (settle ? settle.resolve(answer) : client.write(answer))),
    );
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.syscall === 'connect') this.strike('unreachable');
    });
    upstream.on('close', () => {
      if (settle) settle.reject(new Error('The server has closed the connection.'));
      else client.resetAndDestroy();
    });
    client.on('close', () => {
      if (!settle) upstream.end();
    });
    const exchange = (message: Buffer): Exchange<Buffer> => ({
      byteLength: message.length,
      isConcerned: true,
      get isAbandoned() {
        return client.destroyed;
      },
      receive: async () => {},
      forward: () =>
        new Promise<Buffer>((resolve, reject) => {
          settle = { resolve, reject };
          if (upstream.destroyed) reject(new Error('The server cannot be reached.'));
          else upstream.write(message);
        }).finally(() => {
          settle = undefined;
        }),
      answer: (answer) => void client.write(answer),
      breakOff: (answer) => void client.write(answer.subarray(0, answer.length / 2), () => client.destroy()),
      reset: () => void client.resetAndDestroy(),
      refuse: () => {
        throw new Error('Thrift knows no such answer.');
      },
    });
    client.on(
      'data',
      framesTo((message) => {
        if (message.length > 1000) void this.serve(exchange(message));
        else upstream.write(message);
      }),
    );
  }
}

/** Hands on whole messages, their lengths included, of the pieces that come in. */
function framesTo(use: (message: Buffer) => unknown): (piece: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (piece) => {
    rest = Buffer.concat([rest, piece]);
    for (;;) {
      const byteLength = rest.length < LENGTH_BYTES ? Infinity : LENGTH_BYTES + rest.readUInt32BE(0);
      if (rest.length < byteLength) return;
      use(rest.subarray(0, byteLength));
      rest = rest.subarray(byteLength);
    }
  };
}
