import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type PointStruct,
  PointsOperationResponseSchema,
  UpdateStatus,
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
  receivedBytes = 0;

  private constructor(store: QdrantServer) {
    this.#store = store;
    this.#server = createServer();
    this.#server.on('session', (session) => {
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
    const fault = this.#faults.shift();
    if (fault?.kind === 'reset') return stream.session!.destroy();
    if (fault?.kind === 'latency') await sleep(fault.ms);
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    const frame = Buffer.concat(pieces);
    this.receivedBytes += frame.length;
    const { apiKey: wanted } = this.#store.options;
    try {
      if (fault?.kind === 'status')
        throw new Refusal(fault.status, fault.message ?? 'injected', fault.headers);
      if (path !== '/qdrant.Points/Upsert') throw new Error(`no such method: ${path}`);
      if (wanted !== undefined && apiKey !== wanted) throw new Refusal(401, 'Invalid API key');
      if (frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) throw new Error('not a gRPC frame');
      const { collectionName, wait, points } = fromBinary(UpsertPointsSchema, frame.subarray(5));
      const collection = this.#store.collections.get(collectionName);
      if (!collection) throw new Refusal(404, `Collection \`${collectionName}\` doesn't exist!`);
      const status = this.#store.upsert(collection, { points: points.map(pointOf) }, wait ?? false);
      if (fault?.kind === 'lostAcknowledgement') return stream.session!.destroy();
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      const message = toBinary(
        PointsOperationResponseSchema,
        create(PointsOperationResponseSchema, {
          result: { status: status === 'completed' ? UpdateStatus.Completed : UpdateStatus.Acknowledged },
        }),
      );
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      if (fault?.kind === 'halfAnswer') {
        stream.write(prefix, () => stream.session!.destroy());
        return;
      }
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([prefix, message]));
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
