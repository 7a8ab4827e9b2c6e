import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';

type Node = Readonly<Record<string, unknown>>;

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(optimizer, readServerConfig({}));
let document: Node;
beforeAll(async () => {
  document = (await app.inject({ url: '/docs/json' })).json();
});
afterAll(async () => {
  await app.close();
  await optimizer.close();
});

/** A schema, an example of what it describes, and where they stand. */
interface Example {
  readonly path: string;
  readonly schema: Node;
  readonly value: unknown;
}

/** Every example below `node`, of a schema itself or of what has one (a media type, a parameter). */
function examplesIn(node: unknown, path = ''): Example[] {
  if (node === null || typeof node !== 'object') return [];
  const { schema = node, example, examples, ...rest } = node as Node;
  const values = [
    ...(example === undefined ? [] : [example]),
    ...(Array.isArray(examples)
      ? examples
      : Object.values((examples ?? {}) as Record<string, { value: unknown }>).map(({ value }) => value)),
  ];
  return [
    ...values.map((value) => ({ path, schema: schema as Node, value })),
    ...Object.entries(rest).flatMap(([key, child]) => examplesIn(child, `${path}/${key}`)),
    ...(schema === node ? [] : examplesIn(schema, `${path}/schema`)),
  ];
}

describe('the OpenAPI document', () => {
  it('has examples that are of their schemas, one for each body of JSON at least', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false, discriminator: true });
    const examples = examplesIn(document.paths);
    for (const { path, schema, value } of examples) {
      expect(ajv.validate(schema, value), `${path}: ${ajv.errorsText()}`).toBe(true);
    }
    for (const [url, methods] of Object.entries(document.paths as Record<string, Node>)) {
      if (!url.startsWith('/api/') || !methods.post) continue;
      const path = `/${url}/post/requestBody/content/application/json`;
      expect(
        examples.some((example) => example.path.startsWith(path)),
        url,
      ).toBe(true);
    }
  });

  it('has examples that the service takes', async () => {
    const bodies = new Map(
      examplesIn(document.paths)
        .filter(({ path }) =>
          /^\/\/api\/v1\/(batch-optimization\/[\w-]+|history)\/post\/requestBody\/content\/application\/json(\/schema)?$/.test(
            path,
          ),
        )
        .map(({ path, value }) => [path.slice(1, path.indexOf('/post/')), value as object]),
    );
    expect(bodies.size).toBe(7);
    for (const [url, payload] of bodies) {
      expect((await app.inject({ method: 'POST', url, payload })).statusCode, url).toBe(200);
    }
  });

  it('says of optimize-layout what may be left out, what it takes and both that it answers', () => {
    const paths = document.paths as Record<string, { post: Record<string, Record<string, never>> }>;
    const { requestBody, responses } = paths['/api/v1/batch-optimization/optimize-layout']!.post;
    const { content } = requestBody as unknown as {
      content: Record<string, { schema: { required: string[] } }>;
    };
    expect(content['application/json']!.schema.required).toEqual(['vectors', 'batch_size']);
    expect(content).toHaveProperty(['application/octet-stream']);
    const answers = (responses!['200'] as unknown as { content: object }).content;
    expect(Object.keys(answers)).toEqual(['application/octet-stream', 'application/msgpack']);
    expect(answers).toHaveProperty(['application/msgpack', 'schema', 'properties', 'byte_length']);
  });
});
