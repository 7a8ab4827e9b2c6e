import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CreateCollection,
  type PointId,
  Refusal,
  StoredCollection,
  type StoredPoint,
} from './qdrant-collection.js';
import { hasOpenApi, QdrantContract } from './qdrant-contract.js';

/** What goes wrong with one upsert. */
export type Fault =
  /** The answer comes so much later. */
  | { kind: 'latency'; ms: number }
  /** The connection is reset before anything is stored. */
  | { kind: 'reset' }
  /** Another answer instead; nothing is stored. */
  | { kind: 'status'; status: number; message?: string; headers?: Record<string, string> }
  /** Stored, and the connection breaks in the middle of the answer. */
  | { kind: 'halfAnswer' }
  /** Stored, and the connection breaks before the answer. */
  | { kind: 'lostAcknowledgement' };

export interface QdrantServerOptions {
  /** Required in the `api-key` header, where given. */
  apiKey?: string;
  /** `service.max_request_size_mb` in bytes; default 32 MiB. */
  maxBodyBytes?: number;
  /** How too large a body is refused: Qdrant says 400 and the limit, a proxy in front of it 413. */
  tooLarge?: 'qdrant' | 'proxy';
  /** False: like a server before 1.16. */
  keepsMetadata?: boolean;
  /** When updates received with `wait=false` are applied; default 20 ms later, `Infinity` never by itself. */
  applyAfterMs?: number;
}

export interface SeenRequest {
  method: string;
  path: string;
  query: string;
  byteLength: number;
  body: unknown;
}

/**
 * A stand-in for a Qdrant server: stores and counts points as one, refuses in the same words, and checks every
 * request and response against the published OpenAPI file where that is at hand.
 */
export class QdrantServer {
  readonly collections = new Map<string, StoredCollection>();
  readonly requests: SeenRequest[] = [];
  readonly contract: QdrantContract | undefined;
  readonly options: QdrantServerOptions;
  readonly #server: Server;
  readonly #faults: Fault[] = [];

  private constructor(options: QdrantServerOptions) {
    this.options = options;
    this.contract = hasOpenApi ? new QdrantContract() : undefined;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error) => response.destroy(error));
    });
  }

  /** Listens on a free port of the loopback. */
  static async start(options: QdrantServerOptions = {}): Promise<QdrantServer> {
    const server = new QdrantServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What did not keep to the OpenAPI file. */
  get violations(): readonly string[] {
    return this.contract?.violations ?? [];
  }

  /** The next upserts go wrong, one fault each, in this order. */
  inject(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** Stores points, at once or in a while. @throws Refusal */
  upsert(collection: StoredCollection, body: unknown, wait: boolean): 'completed' | 'acknowledged' {
    const { applyAfterMs = 20 } = this.options;
    const status = collection.upsert(body, wait);
    if (status === 'acknowledged' && Number.isFinite(applyAfterMs)) {
      setTimeout(() => collection.drain(1), applyAfterMs);
    }
    return status;
  }

  /** Is away for a while, with every connection cut; what it stored is there again afterwards. */
  async restart(downMs: number): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    await this.close();
    await sleep(downMs);
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://loopback');
    const isUpsert = request.method === 'PUT' && url.pathname.endsWith('/points');
    const fault = isUpsert ? this.#faults.shift() : undefined;
    if (fault?.kind === 'reset') return void request.socket.resetAndDestroy();
    if (fault?.kind === 'latency') await sleep(fault.ms);
    const seen = { method: request.method!, path: decodeURIComponent(url.pathname), query: url.search };
    try {
      this.#authorize(request);
      const text = await this.#read(request);
      const body = text.length > 0 ? parse(text) : undefined;
      this.requests.push({ ...seen, byteLength: text.length, body });
      this.contract?.request(seen.method, url.pathname, url.searchParams, body);
      if (fault?.kind === 'status') {
        throw new Refusal(fault.status, fault.message ?? 'injected', fault.headers);
      }
      const result = this.#answer(seen.method, seen.path, url.searchParams, body);
      const answer = { result, status: 'ok', time: 0.001 };
      this.contract?.response(seen.method, url.pathname, 200, answer);
      if (fault?.kind === 'lostAcknowledgement') return void request.socket.resetAndDestroy();
      if (fault?.kind === 'halfAnswer') return breakOff(response, answer);
      response.setHeader('content-type', 'application/json').end(jsonOf(answer));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const answer = { status: { error: error.message }, time: 0 };
      this.contract?.response(seen.method, url.pathname, error.status, answer);
      response.writeHead(error.status, { 'content-type': 'application/json', ...error.headers });
      response.end(JSON.stringify(answer));
    }
  }

  #authorize(request: IncomingMessage): void {
    const { apiKey } = this.options;
    if (apiKey === undefined || request.headers['api-key'] === apiKey) return;
    request.resume();
    throw new Refusal(401, 'Must provide an API key or an Authorization bearer token');
  }

  async #read(request: IncomingMessage): Promise<Buffer> {
    const { maxBodyBytes = 32 * 2 ** 20, tooLarge = 'qdrant' } = this.options;
    const byteLength = Number(request.headers['content-length'] ?? 0);
    if (byteLength > maxBodyBytes) {
      request.resume();
      throw tooLarge === 'proxy'
        ? new Refusal(413, 'Payload Too Large')
        : new Refusal(
            400,
            `Payload error: JSON payload (${byteLength} bytes) is larger than allowed (limit: ${maxBodyBytes} bytes).`,
          );
    }
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    return Buffer.concat(pieces);
  }

  #answer(method: string, path: string, query: URLSearchParams, body: unknown): unknown {
    const [, name, rest = ''] = /^\/collections\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    if (name === undefined) throw new Refusal(404, '');
    const collection = this.collections.get(name);
    if (method === 'PUT' && rest === '') {
      if (collection) throw new Refusal(409, `Wrong input: Collection \`${name}\` already exists!`);
      this.collections.set(name, new StoredCollection(body as CreateCollection));
      return true;
    }
    if (method === 'DELETE' && rest === '') return this.collections.delete(name);
    if (!collection) throw new Refusal(404, `Not found: Collection \`${name}\` doesn't exist!`);
    switch (`${method} ${rest}`) {
      case 'GET ':
        return collection.info();
      case 'PATCH ':
        collection.change(body as CreateCollection, this.options.keepsMetadata !== false);
        return true;
      case 'PUT /points': {
        const status = this.upsert(collection, body, query.get('wait') === 'true');
        return { operation_id: collection.operations, status };
      }
      case 'POST /points/count':
        return { count: collection.points.size };
      case 'POST /points/scroll':
        return pageOf([...collection.points.values()], body as { limit: number; offset?: PointId });
      case 'POST /points':
        return (body as { ids: PointId[] }).ids.flatMap((id) => {
          const point = collection.points.get(id);
          return point ? [recordOf(point)] : [];
        });
      default:
        throw new Refusal(404, '');
    }
  }
}

function pageOf(points: StoredPoint[], { limit, offset }: { limit: number; offset?: PointId }): unknown {
  const start = offset === undefined ? 0 : points.findIndex(({ id }) => id === offset);
  return {
    points: points.slice(start, start + limit).map(recordOf),
    next_page_offset: points[start + limit]?.id ?? null,
  };
}

function recordOf({ id, vector, payload }: { id: PointId; vector: unknown; payload: unknown }): unknown {
  const numbers = (values: unknown) => Array.from(values as Float32Array);
  return {
    id,
    payload,
    vector:
      vector instanceof Float32Array
        ? numbers(vector)
        : Object.fromEntries(
            Object.entries(vector as object).map(([name, values]) => [name, numbers(values)]),
          ),
  };
}

/** As deep as serde_json reads. */
const MOST_NESTED = 127;

function parse(text: Buffer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text.toString());
  } catch (error) {
    throw new Refusal(400, `Format error in JSON body: ${(error as Error).message}`);
  }
  if (depthOf(body) <= MOST_NESTED) return body;
  throw new Refusal(400, 'Format error in JSON body: recursion limit exceeded at line 1 column 128');
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce((most: number, inner) => Math.max(most, depthOf(inner)), 0);
}

/** JSON that keeps the negative zero, as that of serde_json does. */
const jsonOf = (answer: unknown): string =>
  JSON.stringify(answer, (_, value) => (Object.is(value, -0) ? '-0.0' : value)).replaceAll('"-0.0"', '-0.0');

/** Sends the head and half of the body, and resets the connection once they are gone. */
function breakOff(response: ServerResponse, answer: unknown): void {
  const text = JSON.stringify(answer);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
  response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
}
