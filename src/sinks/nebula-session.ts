import { importOptional } from '../core/optional.js';
import { NebulaError } from './nebula-outcome.js';

const INSTALL = 'npm install --ignore-scripts @nebula-contrib/nebula-nodejs';
const CONNECT_TIMEOUT_MS = 10_000;
const SUCCEEDED = 0;

export interface NebulaAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly space: string;
}

/** The rows of an answer, every value as text; null where there is none. */
export type NebulaRows = readonly (readonly (string | null)[])[];

/** What is used of the package: the Thrift runtime it carries and the client generated from `graph.thrift`. */
export interface NebulaDriver {
  createConnection(host: string, port: number, options: { transport: unknown }): ThriftConnection;
  createClient(service: unknown, connection: ThriftConnection): GraphClient;
  readonly TFramedTransport: unknown;
  readonly GraphService: unknown;
}

interface ThriftConnection {
  on(event: 'connect' | 'close', listener: () => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  end(): void;
  destroy(): void;
}

interface GraphClient {
  authenticate(user: string, password: string): PromiseLike<Answer & { session_id: unknown }>;
  execute(session: unknown, statement: Buffer): PromiseLike<Answer & { data: DataSet | null }>;
  signout(session: unknown): void;
}

interface Answer {
  error_code: number;
  error_msg: Buffer | string | null;
}

interface DataSet {
  rows: { values: Record<string, unknown>[] }[] | null;
}

/**
 * The package's own entry point needs a native addon that is compiled at installation, for numbers beyond 2^53
 * in answers, which are never asked for here; its Thrift modules do without.
 * @throws VBO_ERR_MISSING_PACKAGE
 */
export async function importNebulaDriver(): Promise<NebulaDriver> {
  const load = async () => {
    const thrift = await import('@nebula-contrib/nebula-nodejs/thrift/index.js');
    const service = await import('@nebula-contrib/nebula-nodejs/nebula/interface/GraphService.js');
    return {
      ...(thrift.default as unknown as Omit<NebulaDriver, 'GraphService'>),
      GraphService: service.default,
    };
  };
  return importOptional('@nebula-contrib/nebula-nodejs', load, INSTALL);
}

/** One connection to graphd with one session in one space. graphd runs the statements of a session one by one. */
export class NebulaSession {
  readonly #connection: ThriftConnection;
  readonly #client: GraphClient;
  /** Rejects when the connection is gone: the client itself never settles what was under way. */
  readonly #gone: Promise<never>;
  #sessionId: unknown;

  private constructor(connection: ThriftConnection, client: GraphClient) {
    this.#connection = connection;
    this.#client = client;
    this.#gone = new Promise((_, reject) => {
      connection.on('error', reject);
      connection.on('close', () => reject(new Error('The connection was closed.')));
    });
    this.#gone.catch(() => {});
  }

  /** @throws NebulaError if graphd refuses the user or the space; what the network says otherwise */
  static async open(driver: NebulaDriver, address: NebulaAddress): Promise<NebulaSession> {
    const { host, port, user, password, space } = address;
    const connection = driver.createConnection(host, port, { transport: driver.TFramedTransport });
    const session = new NebulaSession(connection, driver.createClient(driver.GraphService, connection));
    try {
      await session.#within(new Promise<void>((resolve) => connection.on('connect', resolve)));
      const answer = await session.#within(session.#client.authenticate(user, password));
      checkAnswer(answer);
      session.#sessionId = answer.session_id;
      await session.#within(session.execute(`USE \`${space}\``));
      return session;
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  /** @throws NebulaError; what the network says */
  async execute(statement: string | Buffer): Promise<NebulaRows> {
    const bytes = typeof statement === 'string' ? Buffer.from(statement) : statement;
    const answer = await Promise.race([this.#client.execute(this.#sessionId, bytes), this.#gone]);
    checkAnswer(answer);
    return (answer.data?.rows ?? []).map(({ values }) => values.map(textOf));
  }

  /** Signs out and disconnects. */
  close(): void {
    this.#client.signout(this.#sessionId);
    this.#connection.end();
  }

  /** Disconnects from a server that no longer answers, or has ended the session. */
  destroy(): void {
    this.#connection.destroy();
  }

  async #within<T>(step: PromiseLike<T>): Promise<T> {
    const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    const tooLate = new Promise<never>((_, reject) => {
      timeout.addEventListener('abort', () => reject(timeout.reason), { once: true });
    });
    return Promise.race([step, this.#gone, tooLate]);
  }
}

function checkAnswer({ error_code, error_msg }: Answer): void {
  if (error_code !== SUCCEEDED) throw new NebulaError(error_code, String(error_msg ?? 'no message'));
}

/** The one member of the `Value` union that is set: `sVal`, `iVal`, ... Nulls have `nVal`. */
function textOf(value: Record<string, unknown>): string | null {
  for (const [kind, inner] of Object.entries(value)) {
    if (inner !== null && inner !== undefined) return kind === 'nVal' ? null : String(inner);
  }
  return null;
}

/** Sessions as they are needed: as many as there are statements under way at once. */
export class NebulaSessions {
  readonly #driver: NebulaDriver;
  readonly #address: NebulaAddress;
  readonly #all = new Set<NebulaSession>();
  readonly #free: NebulaSession[] = [];

  constructor(driver: NebulaDriver, address: NebulaAddress) {
    this.#driver = driver;
    this.#address = address;
  }

  /**
   * Runs a statement in a session that is free. When the signal aborts, its answer is no longer waited for; the
   * session is used again once graphd has done with it.
   * @throws NebulaError; the signal's reason; what the network says
   */
  async execute(statement: string | Buffer, signal?: AbortSignal): Promise<NebulaRows> {
    signal?.throwIfAborted();
    const running = this.#run(statement);
    if (!signal) return running;
    let stop = () => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
    });
    running.catch(() => {});
    return Promise.race([running, aborted]).finally(() => signal.removeEventListener('abort', stop));
  }

  close(): void {
    for (const session of this.#all) this.#free.includes(session) ? session.close() : session.destroy();
    this.#all.clear();
    this.#free.length = 0;
  }

  async #run(statement: string | Buffer): Promise<NebulaRows> {
    const session = this.#free.pop() ?? (await NebulaSession.open(this.#driver, this.#address));
    this.#all.add(session);
    try {
      const rows = await session.execute(statement);
      this.#free.push(session);
      return rows;
    } catch (error) {
      if (error instanceof NebulaError && !error.endsSession) this.#free.push(session);
      else {
        this.#all.delete(session);
        session.destroy();
      }
      throw error;
    }
  }
}
