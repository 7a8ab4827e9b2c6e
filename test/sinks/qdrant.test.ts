import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { Batch, Id, Sink, SinkOpenOptions } from '../../src/ingest/ports.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { openQdrantSink } from '../../src/sinks/qdrant.js';
import { uuidOfName } from '../../src/sinks/qdrant-points.js';
import { openSource } from '../../src/sources/index.js';
import { QdrantServer, type QdrantServerOptions } from '../servers/qdrant.js';
import { hasOpenApi } from '../servers/qdrant-contract.js';

/** `http://HOST:PORT` of a real server to run the suite against, instead of the stand-in. */
const REAL = process.env.QDRANT_URL;
const API_KEY = REAL === undefined ? undefined : process.env.QDRANT_API_KEY;
const INDEXING_MARKER = 'vector_batch_optimizer_indexing_threshold';
const signal = new AbortController().signal;

function batch(first: number, rows: number, dimension: number, options: Partial<Batch> = {}): Batch {
  const random = new Random(first + 1);
  const vectors = new Float32Array(new SharedArrayBuffer(4 * rows * dimension + 64), 64, rows * dimension);
  for (let i = 0; i < vectors.length; i++) vectors[i] = random.normal();
  const ids = Array.from({ length: rows }, (_, i) => first + i);
  return { sequence: first, rows, dimension, ids, vectors, ...options };
}

const bitsOf = (values: ArrayLike<number>) => new Uint32Array(Float32Array.from(values).buffer);
const rowBits = (b: Batch, row: number) =>
  bitsOf(b.vectors.slice(row * b.dimension, (row + 1) * b.dimension));

let server: QdrantServer | undefined;
let origin: string;
const collections: string[] = [];
const sinks: Sink[] = [];

beforeAll(async () => {
  if (REAL === undefined) server = await QdrantServer.start();
  origin = REAL ?? `http://${server!.address}`;
});
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close().catch(() => {});
});
afterAll(async () => {
  for (const name of collections) await call('DELETE', `/collections/${name}`);
  await server?.close();
  expect(server?.violations ?? []).toEqual([]);
});

async function call<T>(method: string, path: string, body?: unknown, base = origin): Promise<T> {
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(API_KEY ? { 'api-key': API_KEY } : {}) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return ((await answer.json()) as { result: T }).result;
}

function newCollection(): string {
  collections.push(`vbo_test_${process.pid}_${collections.length}`);
  return collections.at(-1)!;
}

function urlOf(collection: string, options = '', base = origin): string {
  const key = API_KEY && base === origin ? `&api_key_env=QDRANT_API_KEY` : '';
  return `${base.replace(/^http/, 'qdrant')}/${collection}?${options}${key}`;
}

async function opened(url: string, options: Partial<SinkOpenOptions> = {}): Promise<Sink> {
  const sink = await openSink(url);
  sinks.push(sink);
  await sink.open({ dimension: 4, metric: 'dot', idType: 'number', hasPayloads: false, ...options });
  return sink;
}

interface ReadPoint {
  id: Id;
  vector: number[] & Record<string, number[]>;
  payload: Record<string, unknown> | null;
}

async function stored(collection: string, ids: readonly Id[]): Promise<Map<Id, ReadPoint>> {
  const body = { ids, with_vector: true, with_payload: true };
  const points = await call<ReadPoint[]>('POST', `/collections/${collection}/points`, body);
  return new Map(points.map((point) => [point.id, point]));
}

const thresholdOf = async (collection: string, base = origin) => {
  const { config } = await call<{
    config: { optimizer_config: { indexing_threshold: number }; metadata?: Record<string, unknown> };
  }>('GET', `/collections/${collection}`, undefined, base);
  return {
    threshold: config.optimizer_config.indexing_threshold,
    marker: config.metadata?.[INDEXING_MARKER],
  };
};

/** A stand-in of its own, whatever the suite runs against. */
async function standIn<T>(
  options: QdrantServerOptions,
  use: (server: QdrantServer) => Promise<T>,
): Promise<T> {
  const own = await QdrantServer.start(options);
  try {
    const result = await use(own);
    expect(own.violations).toEqual([]);
    return result;
  } finally {
    for (const sink of sinks.splice(0)) await sink.close().catch(() => {});
    await own.close();
  }
}

describe('the Qdrant sink', () => {
  test('creates the collection and stores what it is given, bit for bit', async () => {
    const collection = newCollection();
    const sink = await opened(urlOf(collection), { dimension: 33 });
    const batches = [batch(0, 1, 33), batch(1, 300, 33), batch(301, 7, 33)];
    for (const b of batches) expect(await sink.write(b, signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(308);
    await sink.finish();
    for (const b of batches) {
      const points = await stored(collection, b.ids);
      for (let i = 0; i < b.rows; i++) expect(bitsOf(points.get(b.ids[i]!)!.vector)).toEqual(rowBits(b, i));
    }
  });

  test('stores text ids under their UUID, with the original and the payload beside it', async () => {
    const collection = newCollection();
    const sink = await opened(urlOf(collection), { idType: 'string', hasPayloads: true });
    const uuid = '550e8400-e29b-41d4-a716-446655440000';
    const ids = ['a', 'größe 漢字 🙂', uuid];
    const payloads = [{ text: 'Ünïcode "quoted"', deep: [{ x: null }] }, null, { n: 1 }];
    expect(await sink.write(batch(0, 3, 4, { ids, payloads }), signal)).toMatchObject({ kind: 'ok' });
    const points = await stored(collection, [uuidOfName(ids[0]!), uuidOfName(ids[1]!), uuid]);
    expect(points.get(uuidOfName('a'))!.payload).toEqual({ _id: 'a', ...payloads[0] });
    expect(points.get(uuidOfName(ids[1]!))!.payload).toEqual({ _id: ids[1] });
    expect(points.get(uuid)!.payload).toEqual({ n: 1 });
  });

  test('stores a point that is sent twice once, the later one', async () => {
    const collection = newCollection();
    const sink = await opened(urlOf(collection));
    for (const first of [0, 5]) await sink.write(batch(first, 10, 4), signal);
    const again = batch(100, 10, 4, { ids: batch(0, 10, 4).ids });
    await sink.write(again, signal);
    expect(await sink.count!()).toBe(15);
    expect(bitsOf((await stored(collection, [3])).get(3)!.vector)).toEqual(rowBits(again, 3));
    expect(sink.upserts).toBe(true);
  });

  test('keeps everything of many writes in flight at once', async () => {
    const sink = await opened(urlOf(newCollection()));
    const batches = Array.from({ length: 40 }, (_, i) => batch(i * 50, 50, 4));
    const outcomes = await Promise.all(batches.map((b) => sink.write(b, new AbortController().signal)));
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['ok']));
    expect(await sink.count!()).toBe(2000);
  });

  test('creates the collection once when several open it at the same time', async () => {
    const url = urlOf(newCollection());
    const all = await Promise.all([opened(url), opened(url), opened(url)]);
    await Promise.all(all.map((sink, i) => sink.write(batch(i * 10, 10, 4), signal)));
    expect(await all[0]!.count!()).toBe(30);
  });

  test.each([
    ['another dimension', { dimension: 5 }, 'VBO_ERR_DIMENSION', /dimension 4; the source has dimension 5/],
    ['another metric', { metric: 'l2' }, 'VBO_ERR_SINK', /compares vectors by Dot; the load asks for Euclid/],
  ] as const)('refuses a collection of %s', async (_, options, code, message) => {
    const url = urlOf(newCollection());
    await opened(url);
    await expect(opened(url, options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('writes the named vector of a collection: the only one, or the one asked for', async () => {
    const collection = newCollection();
    const vectors = { text: { size: 4, distance: 'Dot' } };
    await call('PUT', `/collections/${collection}`, { vectors });
    const sink = await opened(urlOf(collection));
    const b = batch(0, 3, 4);
    await sink.write(b, signal);
    expect(bitsOf((await stored(collection, [1])).get(1)!.vector.text!)).toEqual(rowBits(b, 1));

    const several = newCollection();
    await call('PUT', `/collections/${several}`, {
      vectors: { ...vectors, image: { size: 8, distance: 'Dot' } },
    });
    await expect(opened(urlOf(several))).rejects.toMatchObject({
      code: 'VBO_ERR_SINK',
      message: expect.stringContaining('text'),
    });
    const image = await opened(urlOf(several, 'vector=image'), { dimension: 8 });
    expect(await image.write(batch(0, 3, 8), signal)).toMatchObject({ kind: 'ok' });
    await expect(opened(urlOf(several, 'vector=sound'))).rejects.toMatchObject({ code: 'VBO_ERR_SINK' });
  });

  test('puts indexing off for the load, and restores it at the end', async () => {
    const collection = newCollection();
    const vectors = { size: 4, distance: 'Dot' };
    await call('PUT', `/collections/${collection}`, {
      vectors,
      optimizers_config: { indexing_threshold: 1234 },
      metadata: { theirs: 1 },
    });
    const sink = await opened(urlOf(collection));
    expect(await thresholdOf(collection)).toEqual({ threshold: 0, marker: 1234 });
    await sink.write(batch(0, 10, 4), signal);
    await sink.finish();
    expect(await thresholdOf(collection)).toEqual({ threshold: 1234, marker: undefined });
  });

  test.each(['index-later', 'keep'])(
    'restores what a load that died has put off, with on_load=%s',
    async (onLoad) => {
      const collection = newCollection();
      await call('PUT', `/collections/${collection}`, {
        vectors: { size: 4, distance: 'Dot' },
        optimizers_config: { indexing_threshold: 1234 },
      });
      sinks.splice(sinks.indexOf(await opened(urlOf(collection))), 1); // It dies: neither finish nor close.
      const sink = await opened(urlOf(collection, `on_load=${onLoad}`));
      expect((await thresholdOf(collection)).threshold).toBe(onLoad === 'keep' ? 1234 : 0);
      await sink.close();
      expect(await thresholdOf(collection)).toEqual({ threshold: 1234, marker: undefined });
    },
  );

  test('leaves indexing alone with on_load=keep, and where it was off before', async () => {
    const [kept, off] = [newCollection(), newCollection()];
    for (const collection of [kept, off]) {
      await call('PUT', `/collections/${collection}`, {
        vectors: { size: 4, distance: 'Dot' },
        optimizers_config: { indexing_threshold: collection === off ? 0 : 99 },
      });
    }
    await (await opened(urlOf(kept, 'on_load=keep'))).finish();
    expect(await thresholdOf(kept)).toEqual({ threshold: 99, marker: undefined });
    await (await opened(urlOf(off))).finish();
    expect(await thresholdOf(off)).toEqual({ threshold: 0, marker: undefined });
  });

  test('reads the limits of the collection’s strict mode, and shrinks where they are passed', async () => {
    const collection = newCollection();
    const create = { vectors: { size: 4, distance: 'Dot' } };
    await call('PUT', `/collections/${collection}`, {
      ...create,
      strict_mode_config: { enabled: true, upsert_max_batchsize: 5 },
    });
    const sink = await opened(urlOf(collection));
    expect(sink.limits()).toMatchObject({ maxRows: 5, maxBytes: 33_554_432, maxConcurrency: 4 });
    expect(await sink.write(batch(0, 6, 4), signal)).toMatchObject({
      kind: 'shrink',
      limits: { maxRows: 5 },
    });
    expect(await sink.write(batch(0, 5, 4), signal)).toMatchObject({ kind: 'ok' });
  });

  test('drops the collection it opened, and restores nothing in it', async () => {
    const url = urlOf(newCollection());
    const sink = await opened(url);
    await sink.write(batch(0, 3, 4), signal);
    await sink.drop!();
    await sink.close();
    expect(await (await opened(url, { dimension: 5 })).count!()).toBe(0);
  });

  test('counts a value JSON cannot hold as a fault of its record', async () => {
    const sink = await opened(urlOf(newCollection()));
    const b = batch(0, 3, 4);
    b.vectors[5] = Number.NaN;
    expect(await sink.write(b, signal)).toMatchObject({
      kind: 'permanent',
      error: { code: 'VBO_ERR_NOT_FINITE', details: { position: 1, component: 1 } },
    });
  });

  test('says fatal when the collection vanishes in the middle of the load', async () => {
    const collection = newCollection();
    const sink = await opened(urlOf(collection));
    await call('DELETE', `/collections/${collection}`);
    expect(await sink.write(batch(0, 1, 4), signal)).toMatchObject({
      kind: 'fatal',
      error: { code: 'VBO_ERR_SINK', message: expect.stringContaining('404'), details: { status: 404 } },
    });
  });

  test('never sends a body the server would not take', async () => {
    const sink = await opened(urlOf(newCollection()), { dimension: 4096 });
    const b = batch(0, 1200, 4096);
    expect(await sink.write(b, signal)).toMatchObject({
      kind: 'shrink',
      limits: { maxBytes: 33_554_432 },
    });
  });

  test('loads a whole source through the engine, reconciled', async () => {
    const collection = newCollection();
    const rows = Array.from({ length: 3000 }, (_, i) => ({ id: i, vector: [i, 1, -i, 0.5] }));
    const sink = await openSink(urlOf(collection, 'wait=false'));
    const report = await ingest({ kernels: Kernels.shared() }, await openSource(rows), sink, {
      metric: 'dot',
    });
    expect(report).toMatchObject({ acknowledged: 3000, rejected: 0, reconciled: true });
    expect((await thresholdOf(collection)).threshold).toBeGreaterThan(0);
  });
});

describe('the URL of a Qdrant sink', () => {
  test.each([
    'qdrant://localhost',
    'qdrant://localhost/',
    'qdrant://localhost/a/b',
    'qdrant://user:secret@localhost/a',
    'qdrant:///a',
  ])('%s is none', async (url) => {
    await expect(openSink(url)).rejects.toMatchObject({
      code: 'VBO_ERR_URL',
      message: expect.not.stringContaining('secret'),
    });
  });

  test.each(['wait=yes', 'transport=ftp', 'grpc_port=x', 'on_load=never', 'api_key_env=VBO_TEST_UNSET'])(
    '?%s is refused',
    async (query) => {
      await expect(openSink(`qdrant://localhost/c?${query}`)).rejects.toMatchObject({
        code: expect.stringMatching(/^VBO_ERR_(URL|ARGUMENT)$/),
      });
    },
  );

  test('names the server and the collection, and no key', () => {
    const sink = openQdrantSink(new URL('qdrants://h.example/a%20b?api_key_env=K'), { K: 'hush' });
    expect(sink.name).toBe('qdrants://h.example:6333/a b');
    expect(JSON.stringify(sink)).not.toContain('hush');
    const named = openQdrantSink(new URL('qdrant://h/a?vector=text&wait=false'));
    expect(named.name).toBe('qdrant://h:6333/a?vector=text');
    expect([sink.database, sink.bytesPerVector(100)]).toEqual(['qdrant', 1330]);
  });

  test('cannot be opened where nobody listens', async () => {
    await expect(opened('qdrant://127.0.0.1:1/c')).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });
});

describe('a Qdrant server that fails', () => {
  const write = async (own: QdrantServer, rows = 3, options = '') => {
    const sink = await opened(urlOf('c', options, `http://${own.address}`));
    return { sink, outcome: await sink.write(batch(0, rows, 4), signal) };
  };

  test.each([
    [503, {}, { kind: 'backOff' }],
    [503, { 'retry-after': '7' }, { kind: 'backOff', retryAfterMs: 7000 }],
    [429, { 'retry-after': '60' }, { kind: 'backOff', retryAfterMs: 60_000 }],
    [502, {}, { kind: 'backOff' }],
    [500, {}, { kind: 'retry' }],
    [408, {}, { kind: 'retry' }],
    [400, {}, { kind: 'permanent' }],
    [422, {}, { kind: 'permanent' }],
    [401, {}, { kind: 'fatal' }],
    [403, {}, { kind: 'fatal' }],
    [413, {}, { kind: 'shrink' }],
  ] as const)('with %i %j: the outcome is %j', async (status, headers, expected) => {
    await standIn({}, async (own) => {
      own.inject({ kind: 'status', status, headers });
      const { sink, outcome } = await write(own);
      expect(outcome).toMatchObject({ ...expected, error: { code: 'VBO_ERR_SINK', details: { status } } });
      expect(await sink.count!()).toBe(0);
    });
  });

  test.each([
    [429, 'Write rate limit exceeded, request larger than rate limiter capacity, please try', 'shrink'],
    [500, 'Service internal error: No space left on device: WAL buffer size exceeds', 'fatal'],
    [400, 'Wrong input: Vector dimension error: expected dim: 4, got 3', 'fatal'],
    [400, 'Wrong input: Not existing vector name error: text', 'fatal'],
    [400, 'Format error in JSON body: data did not match', 'permanent'],
  ] as const)('with %i %j: the outcome is %s', async (status, message, kind) => {
    await standIn({}, async (own) => {
      own.inject({ kind: 'status', status, message });
      expect((await write(own)).outcome).toMatchObject({ kind });
    });
  });

  test.each(['reset', 'halfAnswer', 'lostAcknowledgement'] as const)(
    'with a %s is asked again, and stores every point once',
    async (kind) => {
      await standIn({}, async (own) => {
        own.inject({ kind });
        const { sink, outcome } = await write(own);
        expect(outcome).toMatchObject({ kind: 'retry', error: { code: 'VBO_ERR_SINK_UNREACHABLE' } });
        expect(await sink.count!()).toBe(kind === 'reset' ? 0 : 3);
        expect(await sink.write(batch(0, 3, 4), signal)).toMatchObject({ kind: 'ok' });
        expect(await sink.count!()).toBe(3);
      });
    },
  );

  test.each([
    ['qdrant', { maxBytes: 2000 }],
    ['proxy', undefined],
  ] as const)('to take a large body (%s) is taken at its word', async (tooLarge, limits) => {
    await standIn({ maxBodyBytes: 2000, tooLarge }, async (own) => {
      const { sink, outcome } = await write(own, 100);
      expect(outcome).toMatchObject({ kind: 'shrink', ...(limits ? { limits } : {}) });
      expect(await sink.write(batch(0, 10, 4), signal)).toMatchObject({ kind: 'ok' });
    });
  });

  test('to answer in time is given up when the signal says so, with its reason', async () => {
    await standIn({}, async (own) => {
      own.inject({ kind: 'latency', ms: 2000 });
      const sink = await opened(urlOf('c', '', `http://${own.address}`));
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('too slow for us')), 50);
      expect(await sink.write(batch(0, 3, 4), controller.signal)).toMatchObject({
        kind: 'retry',
        error: { message: expect.stringContaining('too slow for us') },
      });
    });
  });

  test('loses nothing of a load, whatever happens to its requests', async () => {
    await standIn({ maxBodyBytes: 30_000 }, async (own) => {
      own.inject(
        { kind: 'reset' },
        { kind: 'status', status: 503 },
        { kind: 'lostAcknowledgement' },
        { kind: 'halfAnswer' },
        { kind: 'status', status: 429, headers: { 'retry-after': '0' } },
        { kind: 'status', status: 500 },
      );
      const rows = Array.from({ length: 5000 }, (_, i) => ({ id: `doc ${i}`, vector: [i, 1, -i, 0.5] }));
      const sink = await openSink(urlOf('c', '', `http://${own.address}`));
      const source = await openSource(rows);
      const report = await ingest({ kernels: Kernels.shared() }, source, sink, { metric: 'dot' });
      expect(report).toMatchObject({ acknowledged: 5000, rejected: 0, reconciled: true });
      expect(report.retries).toBeGreaterThanOrEqual(5);
      expect(own.collections.get('c')!.points.size).toBe(5000);
    });
  });

  test('to let a key in says so when it is opened', async () => {
    await standIn({ apiKey: 'right' }, async (own) => {
      process.env.VBO_TEST_QDRANT_KEY = 'wrong';
      const url = urlOf('c', 'api_key_env=VBO_TEST_QDRANT_KEY', `http://${own.address}`);
      await expect(opened(url)).rejects.toMatchObject({
        code: 'VBO_ERR_SINK',
        details: { status: 401 },
        message: expect.not.stringContaining('wrong'),
      });
      process.env.VBO_TEST_QDRANT_KEY = 'right';
      await opened(url);
    });
  });

  test('to keep metadata has its indexing left alone', async () => {
    await standIn({ keepsMetadata: false }, async (own) => {
      await write(own);
      expect(await thresholdOf('c', `http://${own.address}`)).toEqual({ threshold: 10_000 });
    });
  });

  test('to apply in time what it only received is waited for, and no longer than that', async () => {
    await standIn({ applyAfterMs: Infinity }, async (own) => {
      const { sink, outcome } = await write(own, 3, 'wait=false');
      expect(outcome).toMatchObject({ kind: 'ok' });
      expect(await sink.count!()).toBe(0);
      const collection = own.collections.get('c')!;
      setTimeout(() => collection.drain(), 300);
      await sink.finish();
      expect(await sink.count!()).toBe(3);
      expect(collection.indexingThreshold).toBe(10_000);
    });
  });
});

describe('the stand-in for Qdrant', () => {
  test.skipIf(!hasOpenApi)(
    'keeps to the published OpenAPI file, as does every request of the sink',
    async () => {
      await standIn({}, async (own) => {
        const url = urlOf('c', '', `http://${own.address}`);
        const sink = await opened(url, { hasPayloads: true });
        await sink.write(batch(0, 5, 4, { payloads: [{ a: 1 }, null, {}, null, { b: [null] }] }), signal);
        await sink.finish();
        await call('POST', '/collections/c/points', { ids: [1], with_vector: true }, `http://${own.address}`);
        expect(own.contract!.checked).toBeGreaterThan(8);
        expect(own.violations).toEqual([]);
      });
    },
  );

  test.skipIf(!hasOpenApi)('notices what does not keep to it', async () => {
    const own = await QdrantServer.start();
    const base = `http://${own.address}`;
    await call('PUT', '/collections/c', { vectors: { size: 'four', distance: 'Dot' } }, base);
    await call('PUT', '/collections/c/points?wait=maybe&what=1', { points: 3 }, base);
    expect(own.contract!.violations.join('\n')).toMatch(/PUT \/collections\/c request.*\n.*unknown query/s);
    expect(own.contract!.violations.length).toBeGreaterThanOrEqual(4);
    await own.close();
  });
});
