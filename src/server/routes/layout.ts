import type { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { VectorBatchError } from '../../core/errors.js';
import { MAX_BATCH_SIZE, MAX_DIMENSION } from '../../core/limits.js';
import { formatBytes, formatCount } from '../../core/units.js';
import { blockBytesPerVector } from '../../model/memory.js';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { ServerConfig } from '../config.js';
import type { Gate } from '../gate.js';
import { HttpError } from '../http-error.js';
import { blockStream, factsOf, messagePackHead } from '../layout/block-stream.js';
import { collectBody } from '../layout/collect.js';
import type { LayoutFormat } from '../layout/decode.js';
import { LayoutDecoder } from '../layout/layout-decoder.js';
import type { Metrics } from '../metrics/metrics.js';
import { MESSAGE_PACK, MESSAGE_PACK_TYPES } from '../plugins/encoding.js';
import { dropBody } from '../plugins/limits.js';
import {
  OptimizeLayoutAnswer,
  OptimizeLayoutBlock,
  OptimizeLayoutBody,
  OptimizeLayoutBytes,
  OptimizeLayoutQuery,
} from '../schemas/optimize-layout.js';

const BYTES = 'application/octet-stream';
const DEFAULT_BATCH_SIZE = 1024;
/** Where each of them lies is told in a MessagePack answer: more would hold up everybody else. */
const MOST_BATCHES = 65_536;
/** A block may take this many times the largest body: short vectors are padded to lines of 64 bytes. */
const BLOCK_PER_BODY = 4;

/** `/api/v1/batch-optimization/optimize-layout`: vectors in, their block out. */
export const layoutRoute: FastifyPluginAsyncTypebox<{
  optimizer: VectorBatchOptimizer;
  gate: Gate;
  metrics: Metrics;
  config: ServerConfig;
}> = async (app, { optimizer, gate, metrics, config }) => {
  const { bodyLimitBytes } = config;
  const decoder = new LayoutDecoder(config);
  app.addHook('onClose', () => decoder.close());
  const observe = metrics.algorithm('optimize-layout');

  const collect = ({ headers }: FastifyRequest, payload: Readable) =>
    collectBody(payload, headers['content-length'], bodyLimitBytes);
  const parserOf = (format: LayoutFormat) => async (request: FastifyRequest, payload: Readable) =>
    decoder.decode(await collect(request, payload), format);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', parserOf('json'));
  app.addContentTypeParser([...MESSAGE_PACK_TYPES], parserOf('msgpack'));
  app.addContentTypeParser(BYTES, collect);

  const packed = { schema: OptimizeLayoutBody };
  app.post(
    '/optimize-layout',
    {
      config: { scope: 'recommend' },
      schema: {
        ...{
          tags: ['optimization'],
          summary: 'Pack vectors, encoded or not, so that each batch is one range of bytes',
        },
        querystring: OptimizeLayoutQuery,
        body: {
          content: {
            'application/json': packed,
            [MESSAGE_PACK]: packed,
            'application/x-msgpack': packed,
            'application/vnd.msgpack': packed,
            [BYTES]: { schema: OptimizeLayoutBytes },
          },
        },
        response: {
          200: {
            description: 'The block, as bytes or with where each batch lies',
            content: {
              [BYTES]: { schema: OptimizeLayoutBlock },
              [MESSAGE_PACK]: { schema: OptimizeLayoutAnswer },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const wanted = (
        request.body instanceof Uint8Array ? ofBytes(request.body, request.query) : request.body
      ) as OptimizeLayoutBody;
      const { vectors, batch_size: batchSize, encoding, layout } = wanted;
      // Given, or found out when the vectors were packed.
      const dimension = wanted.dimension!;
      checkSize(vectors.length / dimension, dimension, batchSize, BLOCK_PER_BODY * bodyLimitBytes);
      const answer = await gate.run(
        async () => {
          const startMs = performance.now();
          const made = await optimizer.dimension.optimizeMemoryLayout(vectors, {
            ...{ dimension, batchSize },
            ...(encoding === undefined ? {} : { encoding }),
            ...(layout === undefined ? {} : { layout }),
          });
          observe(performance.now() - startMs);
          return made;
        },
        (late) => late.block.dispose(),
      );
      dropBody(request);
      const { explanation: _, ...facts } = factsOf(answer);
      for (const [name, value] of Object.entries(facts)) {
        reply.header(`x-vbo-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, value);
      }
      if (!request.headers.accept?.includes('msgpack')) {
        reply.type(BYTES).header('content-length', answer.byteLength);
        return reply.send(blockStream(answer));
      }
      const head = messagePackHead(answer);
      reply.type(MESSAGE_PACK).header('content-length', head.byteLength + answer.byteLength);
      return reply.send(blockStream(answer, head));
    },
  );
};

/** @throws VBO_ERR_ARGUMENT */
function checkSize(rows: number, dimension: number, batchSize: number, mostBytes: number): void {
  const strideBytes = blockBytesPerVector(dimension);
  if (rows * strideBytes > mostBytes) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `vectors take ${formatBytes(rows * strideBytes)}, ${strideBytes} bytes each in the block; expected at most ${formatCount(Math.floor(mostBytes / strideBytes))} vectors of dimension ${dimension}.`,
      { details: { argument: 'vectors' } },
    );
  }
  if (rows > MOST_BATCHES * batchSize) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `batchSize is ${batchSize}; expected at least ${Math.ceil(rows / MOST_BATCHES)}, for ${formatCount(rows)} vectors in at most ${formatCount(MOST_BATCHES)} batches.`,
      { details: { argument: 'batchSize', value: batchSize } },
    );
  }
}

/** @throws HttpError 400 */
function ofBytes(bytes: Uint8Array, query: OptimizeLayoutQuery): OptimizeLayoutBody {
  const dimension = count(query.dimension, 'dimension', MAX_DIMENSION);
  const batchSize =
    query.batch_size === undefined
      ? DEFAULT_BATCH_SIZE
      : count(query.batch_size, 'batch_size', MAX_BATCH_SIZE);
  if (bytes.byteLength === 0 || bytes.byteLength % (4 * dimension) !== 0) {
    throw wrong('body', `whole vectors of ${4 * dimension} bytes`, `${bytes.byteLength} bytes`);
  }
  return {
    vectors: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4),
    dimension,
    batch_size: batchSize,
    ...(query.encoding === undefined ? {} : { encoding: query.encoding }),
    ...(query.layout === undefined ? {} : { layout: query.layout }),
  };
}

function count(text: string | undefined, path: string, max: number): number {
  const value = Number(text);
  if (text === undefined || value < 1 || value > max) {
    throw wrong(path, `an integer from 1 to ${max} in the query`, text);
  }
  return value;
}

const wrong = (path: string, expected: string, value: string | undefined): HttpError =>
  new HttpError('VBO_HTTP_BAD_REQUEST', `${path}: expected ${expected}.`, {
    details: [{ path, expected, ...(value === undefined ? {} : { value }) }],
  });
