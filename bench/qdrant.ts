import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { create, toBinary } from '@bufbuild/protobuf';
import { UpsertPointsSchema } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { Random } from '../src/core/random.js';
import { median } from '../src/core/statistics.js';
import type { Batch } from '../src/ingest/ports.js';
import { HttpConnection } from '../src/sinks/http.js';
import { upsertFrame } from '../src/sinks/qdrant-message.js';
import { RestWriter } from '../src/sinks/qdrant-rest.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const SHAPES = [
  [256, 384],
  [256, 1536],
] as const;
const ROUNDS = 15;
const COLLECTION = 'bench';
const CLIENT = '@qdrant/js-client-rest';

/** Upserts written by the sink against the vendor's client: time to encode, CPU of a whole upsert, bytes on the wire. */
export default async function qdrant(options: BenchOptions): Promise<Case[]> {
  const server = fork(fileURLToPath(new URL('./qdrant-server.ts', import.meta.url)));
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const connection = new HttpConnection({ origin: `http://127.0.0.1:${port}` });
  const writer = new RestWriter(connection, {
    ...{ name: 'qdrant', path: `/collections/${COLLECTION}/points?wait=true`, maxBytes: 2 ** 30 },
  });
  const client = new QdrantClient({ host: '127.0.0.1', port, checkCompatibility: false });
  const cases: Case[] = [];
  try {
    for (const [rows, dimension] of SHAPES) {
      const batch = unitVectors(rows, dimension);
      const ours = async () => {
        const outcome = await writer.write(batch, new AbortController().signal);
        if (outcome.kind !== 'ok') throw outcome.error;
      };
      const theirs = () => client.upsert(COLLECTION, { wait: true, points: pointsOf(batch) });
      const input = `${rows} x ${dimension} unit vectors`;
      cases.push(
        await compare(
          {
            ...{ name: 'qdrant upsert body', input, run: () => writer.encode(batch) },
            baseline: {
              name: 'JSON.stringify of points',
              run: () => JSON.stringify({ points: pointsOf(batch) }),
            },
          },
          options,
        ),
        await compare(
          {
            ...{ name: 'qdrant upsert frame, gRPC', input },
            run: () => upsertFrame(batch, { collection: COLLECTION, wait: true }),
            baseline: { name: '@qdrant/js-client-grpc', run: () => messageOf(batch) },
          },
          options,
        ),
        await compareCpu(input, ours, theirs, options),
        await compareBytes(input, server, ours, theirs),
      );
    }
  } finally {
    await connection.close();
    server.kill();
  }
  return cases;
}

function unitVectors(rows: number, dimension: number): Batch {
  const random = new Random(7);
  const vectors = Float32Array.from(
    { length: rows * dimension },
    () => random.normal() / Math.sqrt(dimension),
  );
  return { sequence: 0, rows, dimension, ids: Array.from({ length: rows }, (_, i) => i), vectors };
}

const pointsOf = ({ ids, vectors, dimension }: Batch) =>
  ids.map((id, row) => ({
    id,
    vector: Array.from(vectors.subarray(row * dimension, (row + 1) * dimension)),
  }));

/** What the vendor's client puts into a frame. */
function messageOf(batch: Batch): Uint8Array {
  const points = pointsOf(batch).map(({ id, vector }) => ({
    id: { pointIdOptions: { case: 'num' as const, value: BigInt(id) } },
    vectors: {
      vectorsOptions: {
        case: 'vector' as const,
        value: { vector: { case: 'dense' as const, value: { data: vector } } },
      },
    },
  }));
  return toBinary(
    UpsertPointsSchema,
    create(UpsertPointsSchema, { collectionName: COLLECTION, wait: true, points }),
  );
}

/** CPU of this process, all threads and the garbage collector's, per upsert; turn by turn. */
async function compareCpu(
  input: string,
  ours: () => Promise<unknown>,
  theirs: () => Promise<unknown>,
  { quick }: BenchOptions,
): Promise<Case> {
  const samples: [number[], number[]] = [[], []];
  for (let round = -2; round < (quick ? 1 : ROUNDS); round++) {
    for (const [which, run] of [ours, theirs].entries()) {
      const before = process.cpuUsage();
      for (let k = 0; k < 4; k++) await run();
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) samples[which]!.push((user + system) / 4000);
    }
  }
  return caseOf('qdrant upsert, CPU', input, 'ms', samples.map(median) as [number, number]);
}

async function compareBytes(
  input: string,
  server: ChildProcess,
  ours: () => Promise<unknown>,
  theirs: () => Promise<unknown>,
): Promise<Case> {
  const bytes: number[] = [];
  await received(server);
  for (const run of [ours, theirs]) {
    await run();
    bytes.push(await received(server));
  }
  return caseOf('qdrant upsert, wire', input, 'kB', [bytes[0]! / 1e3, bytes[1]! / 1e3]);
}

/** Bytes of the bodies since it was last asked. */
async function received(server: ChildProcess): Promise<number> {
  server.send('bytes');
  const [{ bytes }] = (await once(server, 'message')) as [{ bytes: number }];
  return bytes;
}

function caseOf(name: string, input: string, unit: string, [ours, theirs]: [number, number]): Case {
  return {
    ...{ name, input, unit },
    median: ours,
    baseline: { name: CLIENT, median: theirs },
    ratio: theirs / ours,
  };
}
