import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Sink } from '../../src/ingest/ports.js';
import { openChromaSink, outcomeOfRefusal } from '../../src/sinks/chroma.js';
import { codeBlocks } from '../docs/code-blocks.js';
import { type Chroma, hasChroma, startChroma } from '../servers/chroma.js';
import { type ChromaRecord, getAll } from '../servers/chroma-records.js';
import { batch, opened, signal } from './batches.js';

const sinks: Sink[] = [];
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close();
});

async function open(url: string, options: Parameters<typeof opened>[1] = {}): Promise<Sink> {
  const sink = await opened(url, options);
  sinks.push(sink);
  return sink;
}

describe.skipIf(!hasChroma)('on a real server', () => {
  let server: Chroma;
  let collections = 0;
  const name = () => `sink-${process.pid}-${Date.now()}-${collections++}`;
  const url = (collection = name()) => `chroma://${server.address}/${collection}`;

  beforeAll(async () => {
    server = await startChroma();
  });
  afterAll(() => server?.close());

  test('takes its row limit from the pre-flight checks', async () => {
    const answer = await fetch(`http://${server.address}/api/v2/pre-flight-checks`);
    const { max_batch_size } = (await answer.json()) as { max_batch_size: number };
    expect((await open(url())).limits()).toEqual({ maxRows: max_batch_size, maxBytes: 40 * 2 ** 20 });
  });

  test.each([
    ['cosine', 'cosine'],
    ['dot', 'ip'],
    ['l2', 'l2'],
  ] as const)('creates a collection that compares by %s with the space %s', async (metric, space) => {
    const collection = name();
    await open(url(collection), { metric });
    const path = `/api/v2/tenants/default_tenant/databases/default_database/collections/${collection}`;
    const answer = await fetch(`http://${server.address}${path}`);
    expect(await answer.json()).toMatchObject({ configuration_json: { hnsw: { space } } });
  });

  test('refuses a collection that compares vectors otherwise', async () => {
    const collection = name();
    await open(url(collection), { metric: 'l2' });
    await expect(open(url(collection), { metric: 'dot' })).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringContaining('compares vectors by l2; the load asks for ip.'),
    });
  });

  test('ends the load if another loader has stored vectors of another dimension meanwhile', async () => {
    const collection = name();
    const sink = await open(url(collection), { dimension: 4 });
    const other = await open(url(collection), { dimension: 5 });
    expect(await other.write(batch(0, 1, 5), signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.write(batch(1, 1, 4), signal)).toMatchObject({
      kind: 'fatal',
      error: {
        code: 'VBO_ERR_DIMENSION',
        message: expect.stringContaining('expecting embedding with dimension of 5, got 4'),
      },
    });
  });

  test('ends the load if the collection is gone', async () => {
    const sink = await open(url());
    await sink.drop!();
    expect(await sink.write(batch(0, 1, 4), signal)).toMatchObject({
      kind: 'fatal',
      error: { code: 'VBO_ERR_SINK', message: expect.stringContaining('does not exist') },
    });
  });

  test('says that a body above 40 MiB is too large', async () => {
    const sink = await open(url(), { hasPayloads: true });
    const b = batch(0, 2, 4, { payloads: [{ text: 'x'.repeat(41 * 2 ** 20) }, null] });
    expect(await sink.write(b, signal)).toMatchObject({
      kind: 'shrink',
      error: { message: expect.stringMatching(/answered 413: Payload too large \(4\d(\.\d)? MB\)/) },
    });
  });

  test('keeps nested payloads, and members it can filter by as they are', async () => {
    const collection = name();
    const sink = await open(url(collection), { hasPayloads: true });
    const b = batch(0, 1, 4, { payloads: [{ lang: 'en', tags: ['a'], none: null }] });
    expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    const [record] = await getAll(server.address, collection);
    expect(record?.metadata).toEqual({ lang: 'en', _json: '{"tags":["a"],"none":null}' });
  });

  test('merges the metadata of a record that replaces another, as docs/sinks.md says, which also says how to read it', async () => {
    const collection = name();
    const sink = await open(url(collection), { hasPayloads: true });
    const [before, after] = [{ lang: 'en', tags: ['a'], year: 1999 }, { lang: 'de' }];
    for (const payload of [before, after]) {
      expect(await sink.write(batch(0, 1, 4, { payloads: [payload] }), signal)).toMatchObject({ kind: 'ok' });
    }
    const [{ metadata }] = (await getAll(server.address, collection)) as [ChromaRecord];
    expect(metadata).toEqual({ lang: 'de', year: 1999, _json: '{"tags":["a"]}' });
    const [snippet] = codeBlocks('docs/sinks.md', 'js');
    const payload = new Function('metadata', `${snippet}; return payload;`)(metadata);
    expect(payload).toEqual({ ...before, ...after });
  });

  test('says which database or name the server does not take', async () => {
    await expect(open(`${url()}?database=nowhere`)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringContaining('Database [nowhere] does not exist'),
    });
    await expect(open(url('x'))).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringContaining('Expected a name containing 3-512 characters'),
    });
  });
});

describe('on a server that behaves otherwise', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  let url: string;

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      answer(request, response, body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `chroma://127.0.0.1:${(server.address() as AddressInfo).port}/items`;
  });
  afterAll(() => server.close());

  const json = (response: ServerResponse, status: number, value: unknown, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));

  /** A server of long ago: no base64, the space in the metadata. */
  const old = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url!.endsWith('/pre-flight-checks')) return json(response, 200, { max_batch_size: 166 });
    return json(response, 200, { id: 'i', name: 'items', metadata: { 'hnsw:space': 'cosine' } });
  };

  test('an old one is sent numbers, and its row limit holds', async () => {
    const bodies: string[] = [];
    answer = (request, response, body) => {
      if (!request.url!.endsWith('/upsert')) return old(request, response);
      bodies.push(body);
      return json(response, 200, null);
    };
    const sink = await open(url);
    expect(sink.limits().maxRows).toBe(166);
    const b = batch(3, 1, 4);
    expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    expect(Float32Array.from(JSON.parse(bodies[0]!).embeddings[0])).toEqual(Float32Array.from(b.vectors));
  });

  test.each([
    [200, '<html>welcome</html>', {}, { kind: 'retry' }],
    [
      429,
      '{"error":"RateLimited","message":"slow down"}',
      { 'retry-after': '3' },
      { kind: 'backOff', retryAfterMs: 3000 },
    ],
    [503, '{"error":"Backoff","message":"Backoff and retry"}', {}, { kind: 'backOff' }],
    [413, 'Payload too large', {}, { kind: 'shrink' }],
    [500, '{"error":"InternalError","message":"Query error"}', {}, { kind: 'retry' }],
    [500, '{"error":"InternalError","message":"database or disk is full"}', {}, { kind: 'fatal' }],
    [401, '{"error":"AuthError","message":"Unauthorized"}', {}, { kind: 'fatal' }],
    [422, '{"error":"ChromaError","message":"Failed to deserialize"}', {}, { kind: 'permanent' }],
    [
      400,
      '{"error":"ValueError","message":"Batch size 200 exceeds maximum batch size 166"}',
      {},
      { kind: 'shrink', limits: { maxRows: 166 } },
    ],
    [
      400,
      '{"error":"InvalidArgumentError","message":"Empty ID, ID must have at least one character"}',
      {},
      { kind: 'permanent' },
    ],
  ])('an upsert answered by %i %s', async (status, text, headers, outcome) => {
    expect(outcomeOfRefusal('chroma://h/c', { status, headers, text }, 99)).toMatchObject(outcome);
  });

  test('the key of api_key_env goes out as x-chroma-token, and into no message', async () => {
    const tokens = new Set<unknown>();
    answer = (request, response) => {
      tokens.add(request.headers['x-chroma-token']);
      json(response, 401, { error: 'AuthError', message: 'Unauthorized' });
    };
    const sink = openChromaSink(new URL(`${url}?api_key_env=KEY`), { KEY: 's3cret' });
    const opening = sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false });
    await expect(opening).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringMatching(/^chroma:\/\/127\.0\.0\.1:\d+\/items answered 401: Unauthorized$/),
    });
    expect([...tokens]).toEqual(['s3cret']);
    await sink.close();
  });

  test('one that is no Chroma server is told apart', async () => {
    answer = (_, response) => response.end('<html>hello</html>');
    await expect(open(url)).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringContaining('does not answer as a Chroma server would'),
    });
  });

  test('one that is not there cannot be reached', async () => {
    await expect(open('chroma://127.0.0.1:1/items')).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED 127.0.0.1:1'),
    });
  });
});

describe('a URL', () => {
  test.each(['chroma://h', 'chroma://h/', 'chroma://h/a/b', 'chroma://user:secret@h/a', 'chroma:///a'])(
    '%s is refused, without a password in the message',
    (url) => {
      expect(() => openChromaSink(new URL(url))).toThrow(
        expect.objectContaining({ code: 'VBO_ERR_URL', message: expect.not.stringContaining('secret') }),
      );
    },
  );

  test('that names a variable which is not set is refused', () => {
    expect(() => openChromaSink(new URL('chroma://h/a?api_key_env=NONE'), {})).toThrow(/NONE.*not set/);
  });

  test.each([
    ['chroma://h/a', 'chroma://h:8000/a'],
    ['chromas://h:443/a', 'chromas://h:443/a'],
    ['chroma://h/a?tenant=default_tenant&database=default_database', 'chroma://h:8000/a'],
    ['chroma://h/a?database=d', 'chroma://h:8000/a?database=d'],
    ['chroma://h/a?tenant=a%26b&database=d', 'chroma://h:8000/a?tenant=a%26b&database=d'],
  ])('%s names the sink %s', (url, name) => {
    expect(openChromaSink(new URL(url)).name).toBe(name);
  });
});
