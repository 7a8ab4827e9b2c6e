import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes bytes on between clients and a server, and breaks or blocks their connections on command. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<{ client: Socket; upstream: Socket }>();
  #isBreaking: ((piece: Buffer) => boolean) | undefined;
  #port = 0;
  /** Connections that were reset. */
  resets = 0;

  private constructor(upstream: string) {
    const [host, port] = upstream.split(':') as [string, string];
    this.#server = createServer((client) => this.#pass(client, connect(Number(port), host)));
  }

  /** Listens on a free port of the loopback. @param upstream `HOST:PORT` */
  static async start(upstream: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(upstream);
    await proxy.up();
    return proxy;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Connections that are there now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** The next connection over which a client sends such a piece is reset, and the server does not see the piece. */
  resetAt(isSuch: (piece: Buffer) => boolean): void {
    this.#isBreaking = isSuch;
  }

  /** Resets every connection, and takes no more. */
  async down(): Promise<void> {
    for (const pair of this.#pairs) this.#reset(pair);
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Takes connections again, at the same address. */
  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** From now on all that is sent over the connections there are is lost, and nobody is told; new ones pass. */
  stall(): void {
    for (const { client, upstream } of this.#pairs) {
      client.removeAllListeners('data').resume();
      upstream.removeAllListeners('data').resume();
    }
  }

  #pass(client: Socket, upstream: Socket): void {
    const pair = { client, upstream };
    this.#pairs.add(pair);
    client.on('data', (piece) => {
      if (this.#isBreaking?.(piece as Buffer)) {
        this.#isBreaking = undefined;
        this.#reset(pair);
      } else upstream.write(piece);
    });
    upstream.on('data', (piece) => client.write(piece));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => {});
      one.on('end', () => other.end());
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }

  #reset({ client, upstream }: { client: Socket; upstream: Socket }): void {
    this.resets++;
    client.resetAndDestroy();
    upstream.destroy();
  }
}
