import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import common from '@nebula-contrib/nebula-nodejs/nebula/interface/common_types.js';
import service from '@nebula-contrib/nebula-nodejs/nebula/interface/GraphService.js';
import graph from '@nebula-contrib/nebula-nodejs/nebula/interface/graph_types.js';
import thrift from '@nebula-contrib/nebula-nodejs/thrift/index.js';
import { GraphError, GraphSpace, type Property, type SpaceOptions } from './nebula-graph.js';

/** What goes wrong with one INSERT. */
export type Fault =
  | { kind: 'latency'; ms: number }
  /** The connection is reset before anything is stored, or after it and before the answer. */
  | { kind: 'reset' | 'lostAcknowledgement' }
  /** This answer instead; nothing is stored. */
  | { kind: 'error'; code: number; message: string }
  /** All sessions are forgotten, as after a restart of graphd. */
  | { kind: 'sessionsLost' };

export interface NebulaServerOptions extends SpaceOptions {
  user?: string;
  password?: string;
  /** graphd's `max_allowed_query_size`; default 4 MiB. */
  maxQueryBytes?: number;
}

/** A stand-in for graphd: speaks Thrift through the package's own generated server side, and stores vertices. */
export class NebulaServer {
  readonly space: GraphSpace;
  readonly statements: string[] = [];
  readonly #options: NebulaServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #faults: Fault[] = [];
  readonly #sessions = new Set<number>();
  #session = 0;

  private constructor(options: NebulaServerOptions) {
    this.#options = options;
    this.space = new GraphSpace(options);
    const handler = {
      authenticate: async (user: unknown, password: unknown) =>
        this.#authenticate(String(user), String(password)),
      signout: (session: unknown) => void this.#sessions.delete(Number(session)),
      execute: (session: unknown, statement: unknown) => this.#execute(Number(session), String(statement)),
    };
    const { createServer, TFramedTransport } = thrift as unknown as {
      createServer(processor: unknown, handler: unknown, options: unknown): Server;
      TFramedTransport: unknown;
    };
    this.#server = createServer(service, handler, { transport: TFramedTransport });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    // A client that breaks the connection off is no failure of the server.
    this.#server.on('error', () => {});
  }

  /** Listens on a free port of the loopback, with one space named `s`. */
  static async start(options: NebulaServerOptions): Promise<NebulaServer> {
    const server = new NebulaServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Is away for a while, with every connection cut and every session lost; the vertices are there again afterwards. */
  async restart(downMs: number): Promise<void> {
    const { port } = this;
    await this.close();
    this.#sessions.clear();
    await sleep(downMs);
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  /** Sessions that are signed in now. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** The next INSERTs go wrong, one fault each, in this order. */
  inject(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  async close(): Promise<void> {
    void this.#reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #authenticate(user: string, password: string): unknown {
    const { user: wanted = 'root', password: secret = 'nebula' } = this.#options;
    if (user !== wanted || password !== secret) return authAnswer(-1001, 'Invalid password');
    this.#sessions.add(++this.#session);
    return authAnswer(0, null, this.#session);
  }

  async #execute(session: number, statement: string): Promise<unknown> {
    try {
      const fault = statement.startsWith('INSERT') ? this.#faults.shift() : undefined;
      if (fault?.kind === 'latency') await sleep(fault.ms);
      if (fault?.kind === 'sessionsLost') this.#sessions.clear();
      if (fault?.kind === 'reset') return this.#reset();
      if (fault?.kind === 'error') throw new GraphError(fault.code, fault.message);
      if (!this.#sessions.has(session)) throw new GraphError(-1002, 'Session not existed!');
      const { maxQueryBytes = 4_194_304 } = this.#options;
      const byteLength = Buffer.byteLength(statement);
      if (byteLength > maxQueryBytes) {
        throw new GraphError(-1004, `SyntaxError: Query is too large (${byteLength} > ${maxQueryBytes}).`);
      }
      this.statements.push(statement);
      if (statement.startsWith('USE ')) {
        if (statement !== 'USE `s`') throw new GraphError(-1005, 'SpaceNotFound: ');
        return answer([]);
      }
      const rows = this.space.execute(statement);
      if (fault?.kind === 'lostAcknowledgement') return this.#reset();
      return answer(rows);
    } catch (error) {
      if (error instanceof GraphError) return answer([], error);
      throw error;
    }
  }

  /** Breaks off every connection; what was to be answered is never. */
  #reset(): Promise<never> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return new Promise(() => {});
  }
}

function authAnswer(code: number, message: string | null, session?: number): unknown {
  return new graph.AuthResponse({ error_code: code, error_msg: message, session_id: session });
}

function answer(rows: Property[][], error?: GraphError): unknown {
  const data = {
    column_names: (rows[0] ?? []).map((_, i) => `c${i}`),
    rows: rows.map((values) => ({ values: values.map(thriftValue) })),
  };
  return new graph.ExecutionResponse({
    ...{ error_code: error?.code ?? 0, latency_in_us: 1, data, space_name: 's' },
    ...(error ? { error_msg: error.message } : {}),
  });
}

function thriftValue(value: Property): unknown {
  if (value === null) return new common.Value({ nVal: 0 });
  return new common.Value(typeof value === 'number' ? { iVal: value } : { sVal: value });
}
