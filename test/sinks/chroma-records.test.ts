import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Payload } from '../../src/ingest/ports.js';
import { metadataOf, upsertBody } from '../../src/sinks/chroma-records.js';
import { inlineContext } from '../../src/vectors/pack.js';
import { batch, bitsOf } from './batches.js';

/** The payload that a record's metadata stands for. */
function payloadOf(metadata: Payload | null): Payload | null {
  if (metadata === null) return null;
  const { _json = '{}', ...flat } = metadata as Payload & { _json?: string };
  return { ...flat, ...JSON.parse(_json) };
}

describe('the metadata of a payload', () => {
  test('is flat, and stands for all of the payload', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('_json', 'chroma:document', 'a'));
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue()), (payload) => {
        const metadata = metadataOf(payload as Payload)!;
        expect(payloadOf(JSON.parse(JSON.stringify(metadata)))).toEqual(JSON.parse(JSON.stringify(payload)));
        for (const [key, value] of Object.entries(metadata)) {
          expect(['string', 'number', 'boolean']).toContain(typeof value);
          expect(key.startsWith('chroma:')).toBe(false);
        }
      }),
      { seed: 11 },
    );
  });

  test.each([
    [
      { a: 1, b: 'x', c: true, d: 0.5 },
      { a: 1, b: 'x', c: true, d: 0.5 },
    ],
    [{ tags: ['x', 'y'] }, { _json: '{"tags":["x","y"]}' }],
    [
      { a: 1, deep: { x: null }, none: null },
      { a: 1, _json: '{"deep":{"x":null},"none":null}' },
    ],
    [{ at: new Date(0) }, { _json: '{"at":"1970-01-01T00:00:00.000Z"}' }],
    [{ _json: 'mine' }, { _json: '{"_json":"mine"}' }],
    [{ 'chroma:document': 'x' }, { _json: '{"chroma:document":"x"}' }],
    [{ gone: undefined }, {}],
    [{}, {}],
    [null, null],
  ])('of %j is %j', (payload, metadata) => {
    expect(metadataOf(payload)).toEqual(metadata);
  });

  test('of what JSON cannot tell is an error', () => {
    expect(() => metadataOf({ big: 1n })).toThrow(expect.objectContaining({ code: 'VBO_ERR_RECORD' }));
  });
});

describe('the body of an upsert', () => {
  const b = batch(0, 3, 5, { ids: ['a', '"b"', 'ü'], payloads: [{ x: 1 }, null, { y: [2] }] });

  test('holds the vectors as base64 of float32, in rows that are texts', async () => {
    const body = JSON.parse((await upsertBody(inlineContext(), b, 'base64')).toString());
    expect(body.ids).toEqual(b.ids);
    expect(body.metadatas).toEqual([{ x: 1 }, null, { _json: '{"y":[2]}' }]);
    for (const [row, text] of body.embeddings.entries()) {
      const bytes = Buffer.from(text, 'base64');
      expect(new Uint32Array(new Uint8Array(bytes).buffer)).toEqual(bitsOf(b, row));
    }
  });

  test('holds them as numbers for a server that takes no base64', async () => {
    const body = JSON.parse((await upsertBody(inlineContext(), b, 'json')).toString());
    for (const [row, numbers] of body.embeddings.entries()) {
      expect(new Uint32Array(Float32Array.from(numbers).buffer)).toEqual(bitsOf(b, row));
    }
  });

  test('names every id as text', async () => {
    const body = JSON.parse((await upsertBody(inlineContext(), batch(7, 2, 4), 'base64')).toString());
    expect(body).toMatchObject({ ids: ['7', '8'] });
    expect(body).not.toHaveProperty('metadatas');
  });
});
