import { fromBinary } from '@bufbuild/protobuf';
import { UpsertPointsSchema } from '@qdrant/js-client-grpc';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ingest } from '../../src/ingest/ingest.js';
import type { Batch, Payload, Sink, SinkOpenOptions } from '../../src/ingest/ports.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { upsertFrame } from '../../src/sinks/qdrant-message.js';
import { uuidOfName } from '../../src/sinks/qdrant-points.js';
import { openSource } from '../../src/sources/index.js';
import { QdrantServer, type QdrantServerOptions } from '../servers/qdrant.js';
import { QdrantGrpcServer } from '../servers/qdrant-grpc.js';
import { TcpProxy } from '../servers/tcp-proxy.js';

let rest: QdrantServer;
let grpc: QdrantGrpcServer;
const sinks: Sink[] = [];
const signal = () => new AbortController().signal;

async function start(options: QdrantServerOptions = {}): Promise<void> {
  rest = await QdrantServer.start(options);
  grpc = await QdrantGrpcServer.start(rest);
}

beforeEach(() => start());
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close().catch(() => {});
  await grpc.close();
  await rest.close();
  expect(rest.violations).toEqual([]);
});

const urlOf = (options = '') => `qdrant://${rest.address}/c?transport=grpc&grpc_port=${grpc.port}${options}`;

async function opened(url = urlOf(), options: Partial<SinkOpenOptions> = {}): Promise<Sink> {
  const sink = await openSink(url);
  sinks.push(sink);
  await sink.open({ dimension: 4, metric: 'dot', idType: 'number', hasPayloads: false, ...options });
  return sink;
}

function batch(rows: number, options: Partial<Batch> = {}): Batch {
  const vectors = new Float32Array(new SharedArrayBuffer(16 * rows));
  for (let i = 0; i < vectors.length; i++) vectors[i] = Math.sin(i);
  const ids = Array.from({ length: rows }, (_, i) => i);
  return { sequence: 0, rows, dimension: 4, ids, vectors, ...options };
}

describe('an upsert in Protocol Buffers', () => {
  test('is read by the vendor’s generated code as it was meant', () => {
    const payload = fc.option(fc.dictionary(fc.string(), fc.jsonValue()));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(fc.maxSafeNat(), fc.uuid()), payload), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 300 }),
        fc.boolean(),
        (records, dimension, wait) => {
          const vectors = Float32Array.from({ length: records.length * dimension }, (_, i) => Math.sin(i));
          const ids = records.map(([id]) => id);
          const payloads = records.map(([, value]) => value);
          const frame = upsertFrame(
            { sequence: 0, rows: records.length, dimension, ids, vectors, payloads },
            { collection: 'größe', wait },
          );
          expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
          const message = fromBinary(UpsertPointsSchema, frame.subarray(5));
          expect([message.collectionName, message.wait, message.points.length]).toEqual([
            'größe',
            wait,
            records.length,
          ]);
          for (const [row, point] of message.points.entries()) {
            expect(String(point.id!.pointIdOptions.value)).toBe(String(ids[row]));
            const vector = point.vectors!.vectorsOptions.value as { vector: { value: { data: number[] } } };
            expect(vector.vector.value.data).toEqual([
              ...vectors.subarray(row * dimension, (row + 1) * dimension),
            ]);
            expect(Object.keys(point.payload).sort()).toEqual(Object.keys(payloads[row] ?? {}).sort());
          }
        },
      ),
      { seed: 3, numRuns: 100 },
    );
  });
});

describe('the Qdrant sink over gRPC', () => {
  test('stores vectors, ids and payloads as they are', async () => {
    const sink = await opened(urlOf(), { hasPayloads: true, idType: 'string' });
    const uuid = '550e8400-e29b-41d4-a716-446655440000';
    const payloads: (Payload | null)[] = [
      { n: -3, x: 0.5, big: 2 ** 52, s: 'größe', b: true, deep: { list: [1, null, 'a', { y: [] }] } },
      null,
    ];
    const b = batch(2, { ids: ['doc', uuid], payloads });
    expect(await sink.write(b, signal())).toMatchObject({ kind: 'ok' });
    const { points } = rest.collections.get('c')!;
    expect(points.get(uuidOfName('doc'))).toMatchObject({ payload: { _id: 'doc', ...payloads[0] } });
    expect(points.get(uuid)).toMatchObject({ payload: null });
    expect(points.get(uuid)!.vector).toEqual(b.vectors.slice(4));
    expect([await sink.count!(), sink.bytesPerVector(1000)]).toEqual([2, 4090]);
  });

  test('writes the named vector of a collection', async () => {
    const sink = await opened(urlOf('&vector=text'));
    const b = batch(3);
    expect(await sink.write(b, signal())).toMatchObject({ kind: 'ok' });
    expect(rest.collections.get('c')!.points.get(1)!.vector).toEqual({ text: b.vectors.slice(4, 8) });
  });

  test.each([
    [503, 'Unavailable', {}, { kind: 'backOff' }],
    [429, 'Rate limiting exceeded', { 'retry-after': '9' }, { kind: 'backOff', retryAfterMs: 9000 }],
    [429, 'request larger than rate limiter capacity', {}, { kind: 'shrink' }],
    [
      413,
      'Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes',
      {},
      { kind: 'shrink', limits: { maxBytes: 8 } },
    ],
    [400, 'Format error: größe 100%', {}, { kind: 'permanent' }],
    [500, 'Service internal error', {}, { kind: 'retry' }],
    [
      500,
      'failed to decode Protobuf message: Value.kind: recursion limit reached',
      {},
      { kind: 'permanent' },
    ],
    [401, 'Must provide an API key', {}, { kind: 'fatal' }],
    [404, "Collection `c` doesn't exist!", {}, { kind: 'fatal' }],
  ] as const)('takes status %i %j %j for %j', async (status, message, headers, expected) => {
    const sink = await opened();
    grpc.inject({ kind: 'status', status, message, headers });
    expect(await sink.write(batch(1), signal())).toMatchObject({
      ...expected,
      error: { message: expect.stringContaining(message) },
    });
    expect(await sink.write(batch(1), signal())).toMatchObject({ kind: 'ok' });
  });

  test.each(['reset', 'halfAnswer', 'lostAcknowledgement'] as const)(
    'asks again after a %s, over a new connection',
    async (kind) => {
      const sink = await opened();
      grpc.inject({ kind });
      expect(await sink.write(batch(3), signal())).toMatchObject({
        kind: expect.stringMatching(/^(retry|backOff)$/),
      });
      expect(await sink.write(batch(3), signal())).toMatchObject({ kind: 'ok' });
      expect(await sink.count!()).toBe(3);
    },
  );

  test('gives up a call when the signal says so', async () => {
    const sink = await opened();
    grpc.inject({ kind: 'latency', ms: 500 });
    expect(await sink.write(batch(3), AbortSignal.timeout(30))).toMatchObject({ kind: 'retry' });
    expect(await sink.write(batch(3), AbortSignal.abort())).toMatchObject({ kind: 'retry' });
    expect(await sink.write(batch(3), signal())).toMatchObject({ kind: 'ok' });
  });

  test('gives up the connection of a call that timed out, but not the calls under way on it', async () => {
    const sink = await opened();
    grpc.inject({ kind: 'latency', ms: 500 }, { kind: 'latency', ms: 100 });
    const late = sink.write(batch(3), AbortSignal.timeout(30));
    const other = sink.write(batch(3), signal());
    expect(await late).toMatchObject({ kind: 'retry' });
    expect(await sink.write(batch(3), signal())).toMatchObject({ kind: 'ok' });
    expect(await other).toMatchObject({ kind: 'ok' });
    expect(grpc.connections).toBe(2);
  });

  test('is asked over a new connection once the old one has gone silent', async () => {
    const proxy = await TcpProxy.start(`127.0.0.1:${grpc.port}`);
    const sink = await opened(
      urlOf().replace(`=${grpc.port}`, `=${new URL(`http://${proxy.address}`).port}`),
    );
    proxy.stall();
    expect(await sink.write(batch(3), AbortSignal.timeout(50))).toMatchObject({ kind: 'retry' });
    expect(await sink.write(batch(3), AbortSignal.timeout(5000))).toMatchObject({ kind: 'ok' });
    await sink.close();
    await vi.waitFor(() => expect(proxy.open).toBe(0));
    await proxy.down();
  });

  test.each([
    ['nobody listens', async () => 1],
    ['something else answers', async () => Number(new URL(`http://${rest.address}`).port)],
  ])('cannot be opened where %s, says what to do, and leaves no collection behind', async (_, port) => {
    const grpcPort = await port();
    await expect(
      opened(`qdrant://${rest.address}/c?transport=grpc&grpc_port=${grpcPort}`),
    ).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: expect.stringMatching(
        new RegExp(
          `gRPC at 127.0.0.1:${grpcPort} cannot be reached: [^;\\n]+; publish that port, name another`,
        ),
      ),
    });
    expect(rest.collections.size).toBe(0);
  });

  test('sends its key', async () => {
    await grpc.close();
    await rest.close();
    await start({ apiKey: 'right' });
    process.env.VBO_TEST_QDRANT_KEY = 'right';
    const sink = await opened(urlOf('&api_key_env=VBO_TEST_QDRANT_KEY'));
    expect(await sink.write(batch(1), signal())).toMatchObject({ kind: 'ok' });
  });

  test('loads a source through the engine, reconciled', async () => {
    grpc.inject({ kind: 'reset' }, { kind: 'lostAcknowledgement' }, { kind: 'status', status: 503 });
    const rows = Array.from({ length: 3000 }, (_, i) => ({ id: i, vector: [i, 1, -i, 0.5] }));
    const sink = await openSink(urlOf('&wait=false'));
    const options = { metric: 'dot' } as const;
    const report = await ingest({ kernels: Kernels.shared() }, await openSource(rows), sink, options);
    expect(report).toMatchObject({ acknowledged: 3000, rejected: 0, reconciled: true });
  });
});
