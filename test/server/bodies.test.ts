import { expect, it } from 'vitest';
import { decodeJson, MAX_DEPTH } from '../../src/server/bodies.js';

const nested = (levels: number) => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`;

it('takes as many levels as are allowed, and not one more', () => {
  expect(decodeJson(nested(MAX_DEPTH))).toEqual(JSON.parse(nested(MAX_DEPTH)));
  expect(() => decodeJson(`[${nested(MAX_DEPTH)}]`)).toThrow('nested deeper than 32 levels');
});

it('counts levels, not brackets', () => {
  const wide = JSON.stringify(Array.from({ length: 1000 }, () => ({ a: [1] })));
  expect(decodeJson(wide)).toHaveLength(1000);
  expect(decodeJson(JSON.stringify({ a: '[{\\"'.repeat(1000) }))).toEqual({ a: '[{\\"'.repeat(1000) });
});
