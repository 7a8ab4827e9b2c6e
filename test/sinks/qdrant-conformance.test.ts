import { afterAll, beforeAll } from 'vitest';
import type { Id, Payload } from '../../src/ingest/ports.js';
import { QdrantServer } from '../servers/qdrant.js';
import { QdrantGrpcServer } from '../servers/qdrant-grpc.js';
import { describeConformance, type StoredRecord } from './conformance.js';

// Vectors compared by direction are stored with length 1, as by Qdrant itself, unless they are told not to be.
let rest: QdrantServer;
let grpc: QdrantGrpcServer;
let collections = 0;

beforeAll(async () => {
  rest = await QdrantServer.start({ normalizes: false });
  grpc = await QdrantGrpcServer.start(rest);
});
afterAll(async () => {
  await grpc.close();
  await rest.close();
});

async function stored(url: string): Promise<ReadonlyMap<Id, StoredRecord>> {
  const { points } = rest.collections.get(new URL(url).pathname.slice(1))!;
  return new Map(
    [...points.values()].map(({ id, vector, payload }) => {
      const { _id = id, ...rest } = payload ?? {};
      return [
        _id as Id,
        {
          vector: new Uint32Array((vector as Float32Array).slice().buffer),
          payload: Object.keys(rest).length > 0 ? (rest as Payload) : null,
        },
      ];
    }),
  );
}

const url = () => `qdrant://${rest.address}/c${collections++}`;

describeConformance('Qdrant over REST', { url, stored });
describeConformance('Qdrant over gRPC', {
  url: () => `${url()}?transport=grpc&grpc_port=${grpc.port}`,
  stored,
});
