import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type PointStruct,
  PointsOperationResponseSchema,
  UpdateStatus,
  type UpsertPoints,
  UpsertPointsSchema,
  type Value,
  type Vector,
} from '@qdrant/js-client-grpc';
import type { Fault, QdrantServer } from './qdrant.js';
import { Refusal } from './qdrant-collection.js';

/** HTTP's statuses as gRPC's, as Qdrant maps its errors to both. */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  408: 4,
  413: 11,
  429: 8,
  503: 14,
};

/** The gRPC side of the stand-in: the vendor's generated code reads the upserts, and the same collections store them. */
export class QdrantGrpcServer {
  readonly #store: QdrantServer;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #faults: Fault[] = [];
  /** Connections that were made. */
  connections = 0;

  private constructor(store: QdrantServer) {
    this.#store = store;
    this.#server = createServer();
    this.#server.on('session', (session) => {
      this.connections++;
      this.#sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.#serve(stream, headers[':path']!, headers['api-key']).catch((error) => stream.destroy(error));
    });
  }

  static async start(store: QdrantServer): Promise<QdrantGrpcServer> {
    const server = new QdrantGrpcServer(store);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next upserts go wrong, one fault each, in this order. */
  inject(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(stream: ServerHttp2Stream, path: string, apiKey: unknown): Promise<void> {
    const isUpsert = path === '/qdrant.Points/Upsert';
    const fault = isUpsert ? this.#faults.shift() : undefined;
    if (fault?.kind === 'reset') return stream.session!.destroy();
    if (fault?.kind === 'latency') await sleep(fault.ms);
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    const frame = Buffer.concat(pieces);
    const { apiKey: wanted } = this.#store.options;
    try {
      if (fault?.kind === 'status')
        throw new Refusal(fault.status, fault.message ?? 'injected', fault.headers);
      if (wanted !== undefined && apiKey !== wanted) throw new Refusal(401, 'Invalid API key');
      if (path === '/qdrant.Qdrant/HealthCheck') return answer(stream, Buffer.alloc(0));
      if (!isUpsert) throw new Error(`no such method: ${path}`);
      if (frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) throw new Error('not a gRPC frame');
      const { collectionName, wait, points } = decode(frame.subarray(5));
      const collection = this.#store.collections.get(collectionName);
      if (!collection) throw new Refusal(404, `Collection \`${collectionName}\` doesn't exist!`);
      const status = this.#store.upsert(collection, { points: points.map(pointOf) }, wait ?? false);
      if (fault?.kind === 'lostAcknowledgement') return stream.session!.destroy();
      const message = toBinary(
        PointsOperationResponseSchema,
        create(PointsOperationResponseSchema, {
          result: { status: status === 'completed' ? UpdateStatus.Completed : UpdateStatus.Acknowledged },
        }),
      );
      answer(stream, Buffer.from(message), fault?.kind === 'halfAnswer');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      stream.respond(
        {
          ...{ ':status': 200, 'content-type': 'application/grpc' },
          ...{ 'grpc-status': String(GRPC_STATUS[error.status] ?? 13), ...error.headers },
          'grpc-message': encodeURIComponent(error.message),
        },
        { endStream: true },
      );
    }
  }
}

/** The vendor's code reads as deep as the server's does, and fails in other words. */
function decode(message: Buffer): UpsertPoints {
  try {
    return fromBinary(UpsertPointsSchema, message);
  } catch (error) {
    if (!/maximum recursion depth/.test((error as Error).message)) throw error;
    throw new Refusal(500, 'failed to decode Protobuf message: Value.kind: recursion limit reached');
  }
}

/** Sends a message and its status, or nothing after its length. */
function answer(stream: ServerHttp2Stream, message: Buffer, breaksOff = false): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  if (breaksOff) {
    stream.write(prefix, () => stream.session!.destroy());
    return;
  }
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([prefix, message]));
}

/** A point as the REST interface has it. */
function pointOf({ id, payload, vectors }: PointStruct): unknown {
  const options = vectors!.vectorsOptions;
  return {
    id: id!.pointIdOptions.case === 'num' ? Number(id!.pointIdOptions.value) : id!.pointIdOptions.value,
    payload: Object.keys(payload).length > 0 ? mapOf(payload) : null,
    vector:
      options.case === 'vectors'
        ? Object.fromEntries(Object.entries(options.value.vectors).map(([name, v]) => [name, denseOf(v)]))
        : denseOf(options.value as Vector),
  };
}

function denseOf({ vector }: Vector): number[] {
  if (vector.case !== 'dense') throw new Refusal(400, 'Wrong input: expected a dense vector');
  return vector.value.data;
}

const mapOf = (fields: Record<string, Value>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, valueOfKind(value)]));

function valueOfKind({ kind }: Value): unknown {
  switch (kind.case) {
    case 'integerValue':
      return Number(kind.value);
    case 'structValue':
      return mapOf(kind.value.fields);
    case 'listValue':
      return kind.value.values.map(valueOfKind);
    case 'nullValue':
      return null;
    default:
      return kind.value;
  }
}
