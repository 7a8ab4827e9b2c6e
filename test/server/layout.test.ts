import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { decode, encode } from '@msgpack/msgpack';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { blockStream } from '../../src/server/layout/block-stream.js';
import type { OptimizeLayoutAnswer } from '../../src/server/schemas/optimize-layout.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { CompactBlock } from '../../src/vectors/compact-block.js';

const optimizer = await VectorBatchOptimizer.create();
const app = await createApp(optimizer, readServerConfig({}));
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

const URL = '/api/v1/batch-optimization/optimize-layout';
const ROWS = 3;
const DIMENSION = 20;
const vectors = Array.from({ length: ROWS }, (_, row) =>
  Array.from({ length: DIMENSION }, (_, d) => Math.fround(Math.sin(1 + row * DIMENSION + d))),
);
const flat = Float32Array.from(vectors.flat());
const bytes = Buffer.from(flat.buffer);

const post = (payload: Buffer | object, headers: Record<string, string> = {}, query = '') =>
  app.inject({ method: 'POST', url: URL + query, payload, headers });
const msgpack = (value: unknown): Buffer => Buffer.from(encode(value));
const MSGPACK = { 'content-type': 'application/msgpack' };
const OCTETS = { 'content-type': 'application/octet-stream' };

/** Rows of a block in `rows` layout, padding cut off. */
function rowsOf(block: Buffer): number[][] {
  const strideFloats = Math.ceil((4 * DIMENSION) / 64) * 16;
  const floats = new Float32Array(new Uint8Array(block).buffer);
  return Array.from({ length: ROWS }, (_, row) => [
    ...floats.subarray(row * strideFloats, row * strideFloats + DIMENSION),
  ]);
}

describe('optimize-layout', () => {
  it.each([
    ['JSON', () => post({ vectors, batch_size: 2 })],
    ['MessagePack arrays', () => post(msgpack({ vectors, batch_size: 2 }), MSGPACK)],
    [
      'MessagePack bytes of each vector',
      () =>
        post(
          msgpack({
            vectors: vectors.map((v) => new Uint8Array(Float32Array.from(v).buffer)),
            batch_size: 2,
          }),
          MSGPACK,
        ),
    ],
    [
      'MessagePack bytes of all',
      () => post(msgpack({ vectors: new Uint8Array(bytes), dimension: DIMENSION, batch_size: 2 }), MSGPACK),
    ],
    ['bytes', () => post(bytes, OCTETS, `?dimension=${DIMENSION}&batch_size=2`)],
  ])('packs %s into the same block', async (_, send) => {
    const answer = await send();
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-vbo-rows': String(ROWS),
      'x-vbo-dimension': String(DIMENSION),
      'x-vbo-encoding': 'float32',
      'x-vbo-layout': 'rows',
      'x-vbo-batch-size': '2',
      'x-vbo-byte-length': String(answer.rawPayload.byteLength),
    });
    expect(rowsOf(answer.rawPayload)).toEqual(vectors);
  });

  it('encodes, and answers in MessagePack with where each batch lies', async () => {
    const answer = await post(
      { vectors, batch_size: 2, encoding: 'int8' },
      { accept: 'application/msgpack' },
    );
    const body = decode(answer.rawPayload) as OptimizeLayoutAnswer;
    expect(body).toMatchObject({ rows: ROWS, dimension: DIMENSION, encoding: 'int8', batch_size: 2 });
    expect(body.batches.map(({ first_row, rows }) => [first_row, rows])).toEqual([
      [0, 2],
      [2, 1],
    ]);
    using block = CompactBlock.from(body.data);
    const decoded = block.decode();
    for (const [i, value] of flat.entries()) expect(decoded[i]).toBeCloseTo(value, 1);
  });

  it('decodes large bodies on a worker, with the same outcome', async () => {
    const many = Array.from({ length: 2000 }, () => vectors[0]!);
    const answer = await post({ vectors: many, batch_size: 100, encoding: 'float16' });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['x-vbo-rows']).toBe('2000');
    const wrong = await post({ vectors: [...many, [1]], batch_size: 100 });
    expect(wrong.statusCode).toBe(400);
    expect(wrong.json().error.details).toEqual([
      { path: 'vectors[2000]', expected: '20 numbers, as the others', value: 'an array of 1' },
    ]);
  });

  it.each([
    ['no vectors', { batch_size: 1 }, 'vectors'],
    ['an empty list', { vectors: [], batch_size: 1 }, 'vectors'],
    ['a ragged list', { vectors: [[1, 2], [3]], batch_size: 1 }, 'vectors[1]'],
    ['text in a vector', { vectors: [[1, '2']], batch_size: 1 }, 'vectors[0][1]'],
    ['null in a vector', { vectors: [[1, null]], batch_size: 1 }, 'vectors[0][1]'],
    ['more than float32 holds', { vectors: [[1e39]], batch_size: 1 }, 'vectors[0][0]'],
    ['vectors of no dimension', { vectors: [[]], batch_size: 1 }, 'vectors[0]'],
    ['an unknown encoding', { vectors, batch_size: 1, encoding: 'int2' }, 'encoding'],
    ['an unknown field', { vectors, batch_size: 1, speed: 9 }, 'speed'],
    ['no batch size', { vectors }, 'batch_size'],
    ['a dimension of half', { vectors, dimension: 0.5, batch_size: 1 }, 'dimension'],
  ])('refuses %s and names the field', async (_, payload, path) => {
    for (const answer of [await post(payload), await post(msgpack(payload), MSGPACK)]) {
      expect(answer.statusCode).toBe(400);
      expect(answer.json().error.details[0].path).toBe(path);
    }
  });

  it('refuses bytes that are not whole vectors, and NaN where codes cannot hold it', async () => {
    expect((await post(bytes.subarray(1), OCTETS, `?dimension=${DIMENSION}`)).statusCode).toBe(400);
    expect((await post(bytes, OCTETS)).json().error.details[0].path).toBe('dimension');
    const holed = Buffer.from(Float32Array.of(1, Number.NaN).buffer);
    const answer = await post(holed, OCTETS, '?dimension=2&encoding=int8');
    expect(answer.statusCode).toBe(422);
    expect(answer.json().error.code).toBe('VBO_ERR_NOT_FINITE');
  });

  it('refuses a block far larger than its body, and more batches than can be told, however they come', async () => {
    const thin = await post(Buffer.alloc(4_400_000), OCTETS, '?dimension=1&batch_size=1');
    const arrays = await post(msgpack({ vectors: Array(1_100_000).fill([1]), batch_size: 1024 }), MSGPACK);
    for (const answer of [thin, arrays]) {
      expect(answer.statusCode).toBe(422);
      expect(answer.json().error).toMatchObject({
        code: 'VBO_ERR_ARGUMENT',
        details: [{ path: 'vectors', expected: 'at most 1,000,000 vectors of dimension 1' }],
      });
    }
    const rows = Buffer.alloc(65_537 * 64);
    const many = await post(rows, OCTETS, '?dimension=16&batch_size=1');
    expect(many.statusCode).toBe(422);
    expect(many.json().error.details).toEqual([
      {
        path: 'batch_size',
        expected: 'at least 2, for 65,537 vectors in at most 65,536 batches',
        value: '1',
      },
    ]);
    expect((await post(rows, OCTETS, '?dimension=16&batch_size=2')).statusCode).toBe(200);
  });

  it('lets everybody else have a turn between two pieces of an answer, however fast its reader', async () => {
    const dimension = 1024;
    const layout = await optimizer.dimension.optimizeMemoryLayout(new Float32Array(4096 * dimension), {
      ...{ dimension, batchSize: 1000 },
    });
    let isReading = true;
    let turns = 0;
    const turn = () => {
      turns++;
      if (isReading) setImmediate(turn);
    };
    let readBytes = 0;
    turn();
    await pipeline(
      blockStream(layout),
      new Writable({
        write(piece: Buffer, _encoding, done) {
          readBytes += piece.byteLength;
          done();
        },
      }),
    );
    isReading = false;
    expect(readBytes).toBe(layout.byteLength);
    expect(turns).toBeGreaterThanOrEqual(layout.byteLength / 262_144);
  });

  it('gives the memory back, also where the work failed', async () => {
    const { usedBytes } = optimizer.statistics().memory;
    await post({ vectors, batch_size: 2, encoding: 'int4' });
    await post(Buffer.from(Float32Array.of(1, Number.NaN).buffer), OCTETS, '?dimension=2&encoding=int8');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(optimizer.statistics().memory.usedBytes).toBe(usedBytes);
  });
});
