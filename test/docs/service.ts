import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Most tokens in one request, as the guide says. */
const MOST_TOKENS = 8000;

/**
 * The services that the guides call: embeddings as OpenAI's answer, searches and deletions as Qdrant's. Each pushes
 * back now and then, and refuses what is wrong.
 */
export class Service {
  readonly embeddings = { heaviestTokens: 0, pushedBack: 0 };
  readonly deleted = new Set<number>();
  readonly #server: Server;
  #requests = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error) => response.destroy(error));
    });
  }

  static async start(): Promise<Service> {
    const service = new Service();
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const [status, answer, headers = {}] = this.#answer(new URL(request.url!, 'http://x').pathname, body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(answer));
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of three services.
  #answer(path: string, body: any): [status: number, answer: unknown, headers?: Record<string, string>] {
    if (++this.#requests % 5 === 2) {
      if (path === '/v1/embeddings') this.embeddings.pushedBack++;
      return [429, { error: 'too many requests' }, { 'retry-after': '0' }];
    }
    if (path === '/v1/embeddings') return this.#embed(body.input);
    if (path === '/collections/items/points/query/batch') return search(body.searches);
    if (path === '/collections/items/points/delete') {
      for (const id of body.points) this.deleted.add(id);
      return [200, { result: { operation_id: 1, status: 'completed' } }];
    }
    return [404, { error: `nothing at ${path}` }];
  }

  #embed(input: string[]): [number, unknown] {
    const tokens = input.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
    if (tokens > MOST_TOKENS) return [413, { error: `${tokens} tokens` }];
    if (input.includes('refuse me')) return [400, { error: 'this text is refused' }];
    this.embeddings.heaviestTokens = Math.max(this.embeddings.heaviestTokens, tokens);
    return [200, { data: input.map((text, index) => ({ index, embedding: [text.length, 1, 0] })) }];
  }
}

/** The point found for the query [i, 1] is i; asked for one point only, the query of 13 is an error of the server. */
function search(searches: { query: number[]; limit: number }[]): [number, unknown] {
  if (searches.some(({ query, limit }) => limit === 1 && query[0] === 13)) {
    return [500, { status: { error: 'malformed query' } }];
  }
  return [200, { result: searches.map(({ query }) => ({ points: [{ id: query[0], score: 1 }] })) }];
}
