import { afterAll, beforeAll, expect } from 'vitest';
import type { Id, Payload } from '../../src/ingest/ports.js';
import { QdrantServer } from '../servers/qdrant.js';
import { QdrantGrpcServer } from '../servers/qdrant-grpc.js';
import { describeConformance, nested, type StoredRecord } from './conformance.js';

/** `http://HOST:PORT` of a real server to run the suite against, instead of the stand-in. */
const REAL = process.env.QDRANT_URL;
const API_KEY = REAL === undefined ? undefined : process.env.QDRANT_API_KEY;
const PAGE = 1000;

let rest: QdrantServer | undefined;
let grpc: QdrantGrpcServer | undefined;
let origin = REAL ?? '';
let grpcPort = Number(process.env.QDRANT_GRPC_PORT ?? 6334);
const collections: string[] = [];

beforeAll(async () => {
  if (REAL !== undefined) return;
  rest = await QdrantServer.start();
  grpc = await QdrantGrpcServer.start(rest);
  origin = `http://${rest.address}`;
  grpcPort = grpc.port;
});
afterAll(async () => {
  for (const collection of collections) await call('DELETE', `/collections/${collection}`);
  await grpc?.close();
  await rest?.close();
  expect(rest?.violations ?? []).toEqual([]);
});

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${origin}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(API_KEY ? { 'api-key': API_KEY } : {}) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return ((await answer.json()) as { result: T }).result;
}

interface Page {
  readonly points: { id: Id; vector: number[]; payload: (Payload & { _id?: Id }) | null }[];
  readonly next_page_offset: Id | null;
}

async function stored(url: string): Promise<ReadonlyMap<Id, StoredRecord>> {
  const path = `/collections/${new URL(url).pathname.slice(1)}/points/scroll`;
  const records = new Map<Id, StoredRecord>();
  for (let offset: Id | null | undefined; offset !== null; ) {
    const ask = {
      limit: PAGE,
      with_vector: true,
      with_payload: true,
      ...(offset === undefined ? {} : { offset }),
    };
    const { points, next_page_offset }: Page = await call('POST', path, ask);
    for (const { id, vector, payload } of points) {
      const { _id = id, ...rest } = payload ?? {};
      records.set(_id, {
        vector: new Uint32Array(Float32Array.from(vector).buffer),
        payload: Object.keys(rest).length > 0 ? rest : null,
      });
    }
    offset = next_page_offset;
  }
  return records;
}

function urlWith(options: string): string {
  collections.push(`vbo_conformance_${process.pid}_${collections.length}`);
  const key = API_KEY ? '&api_key_env=QDRANT_API_KEY' : '';
  return `${origin.replace(/^http/, 'qdrant')}/${collections.at(-1)}?${options}${key}`;
}

// Nested deeper than the server reads.
const payload = nested(200);

describeConformance('Qdrant over REST', {
  url: () => urlWith('wait=true'),
  stored,
  poison: { payload, message: /recursion limit exceeded/ },
});
describeConformance('Qdrant over gRPC', {
  url: () => urlWith(`transport=grpc&grpc_port=${grpcPort}`),
  stored,
  poison: { payload, message: /recursion limit reached/ },
});
