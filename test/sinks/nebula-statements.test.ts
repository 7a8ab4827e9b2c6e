import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Batch, Id, Payload } from '../../src/ingest/ports.js';
import { insertStatement, quote, type VidType, vidText } from '../../src/sinks/nebula-statements.js';
import { inlineContext } from '../../src/vectors/pack.js';
import { toJsonText } from '../../src/vectors/wire.js';
import { GraphSpace } from '../servers/nebula-graph.js';

const STRINGS: VidType = { kind: 'string', byteLength: 256 };
const INTEGERS: VidType = { kind: 'integer' };

async function insert(
  ids: readonly Id[],
  options: { payloads?: readonly (Payload | null)[]; vidType?: VidType; vectors?: Float32Array } = {},
) {
  const { payloads, vidType = STRINGS, vectors = new Float32Array(2 * ids.length) } = options;
  const batch: Batch = {
    ...{ sequence: 0, rows: ids.length, dimension: vectors.length / ids.length, ids, vectors },
    ...(payloads ? { payloads } : {}),
  };
  const text = await toJsonText(inlineContext(), vectors, { dimension: batch.dimension });
  return insertStatement(batch, text, { tag: 't', vidType, hasPayloads: payloads !== undefined });
}

describe('an INSERT statement', () => {
  test('reads as the grammar has it', async () => {
    const vectors = Float32Array.of(0.5, 0.25, 1, 0);
    const { statement } = await insert(['a', 'b"'], { payloads: [{ n: 1 }, null], vectors });
    expect(statement.toString()).toBe(
      String.raw`INSERT VERTEX ${'`t`(`vector`,`payload`)'} VALUES "a":("[0.5,0.25]","{\"n\":1}"),"b\"":("[1,0]",NULL)`,
    );
    expect((await insert([-3, 4], { vidType: INTEGERS })).statement.toString()).toBe(
      'INSERT VERTEX `t`(`vector`) VALUES -3:("[0,0]"),4:("[0,0]")',
    );
  });

  test('leaves out the rows whose ids the space cannot hold, and says so', async () => {
    const { statement, rejected } = await insert(['a', 'größe', 'b\0', 'c'], {
      vidType: { kind: 'string', byteLength: 6 },
    });
    expect(statement.toString()).toMatch(/VALUES "a":\("\[0,0]"\),"c":\("\[0,0]"\)$/);
    expect(rejected.map(({ index, code }) => [index, code])).toEqual([
      [1, 'VBO_ERR_RECORD'],
      [2, 'VBO_ERR_RECORD'],
    ]);
    expect((await insert([0.5], { vidType: INTEGERS })).statement).toHaveLength(0);
    expect(vidText(2 ** 53, INTEGERS)).toBeUndefined();
  });

  test('is read by a scanner like graphd’s as it was meant, whatever the ids, payloads and floats', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.string({ unit: 'binary', maxLength: 40 }).filter((id) => !id.includes('\0')),
          { minLength: 1, maxLength: 10 },
        ),
        fc.infiniteStream(fc.option(fc.dictionary(fc.string(), fc.jsonValue()))),
        fc.infiniteStream(fc.float({ noNaN: true, noDefaultInfinity: true })),
        async (ids, payloadStream, floats) => {
          const payloads = [...payloadStream.take(ids.length)];
          const vectors = Float32Array.from([...floats.take(3 * ids.length)]);
          const space = new GraphSpace({ vidType: 'FIXED_STRING(256)' });
          space.execute('CREATE TAG IF NOT EXISTS `t`(`vector` string, `payload` string)');
          space.execute((await insert(ids, { payloads, vectors })).statement.toString());
          const { vertices } = space.tags.get('t')!;
          expect([...vertices.keys()]).toEqual(ids);
          const stored = [...vertices.values()].map(({ properties }) => properties);
          expect(
            new Uint32Array(
              Float32Array.from(stored.flatMap(({ vector }) => JSON.parse(vector as string))).buffer,
            ),
          ).toEqual(new Uint32Array(vectors.buffer));
          expect(stored.map(({ payload }) => payload)).toEqual(
            payloads.map((payload) => payload && JSON.stringify(payload)),
          );
        },
      ),
      { seed: 5, numRuns: 200 },
    );
  });

  test.each([
    ['plain', '"plain"'],
    ['"\\', String.raw`"\"\\"`],
    ['a\nb', String.raw`"a\nb"`],
    ['\u00011', '"\u00011"'],
  ])('quotes %j as %s', (text, literal) => {
    expect(quote(text)).toBe(literal);
  });
});
