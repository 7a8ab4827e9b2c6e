import type { Random } from '../../src/core/random.js';

/** As much of JSON Schema as the service's own schemas use. */
export interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  pattern?: string;
  format?: string;
  examples?: unknown[];
}

const oneOf = <T>(random: Random, values: readonly T[]): T => values[random.integer(values.length)]!;

/** A value that the schema takes, or nearly: what the schema cannot say the service checks itself. */
export function valid(random: Random, schema: Schema): unknown {
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return valid(random, oneOf(random, variants));
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return oneOf(random, schema.enum);
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([name]) => schema.required?.includes(name) || random.next() < 0.3)
          .map(([name, inner]) => [name, valid(random, inner)]),
      );
    case 'array':
      return Array.from({ length: (schema.minItems ?? 0) + random.integer(4) }, () =>
        valid(random, schema.items ?? { type: 'number' }),
      );
    case 'integer':
      return Math.floor(numberIn(random, schema));
    case 'number':
      return numberIn(random, schema);
    case 'boolean':
      return random.next() < 0.5;
    case 'null':
      return null;
    case 'string':
      return text(random, schema);
    default:
      // The vectors of optimize-layout, the only thing that has no type.
      return Array.from({ length: 1 + random.integer(8) }, () => [
        random.normal(),
        random.normal(),
        random.normal(),
      ]);
  }
}

/** Small numbers as often as large ones, and now and then the bounds themselves. */
function numberIn(random: Random, { minimum = 0, maximum = 1e6 }: Schema): number {
  const chance = random.next();
  if (chance < 0.05) return minimum;
  if (chance < 0.1) return maximum;
  const low = Math.max(minimum, 1e-3);
  return Math.min(maximum, Math.max(minimum, Math.ceil(low) * (maximum / Math.ceil(low)) ** random.next()));
}

const WORDS = [
  'qdrant',
  'lancedb',
  'chroma',
  'postgres',
  'a.npy',
  'null://',
  'cosine',
  '../a.npy',
  '768',
  '1',
  '',
];

function text(random: Random, { examples, format, pattern, minLength = 0 }: Schema): string {
  if (format === 'uuid') return '00000000-0000-4000-8000-000000000000';
  if (pattern?.includes('0-9')) return String(random.integer(2000));
  if (examples && random.next() < 0.5) return String(oneOf(random, examples));
  return oneOf(random, WORDS).padEnd(minLength, 'x');
}

/** Values that have no place in any of the schemas. */
const STRANGE: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => -0,
  () => '',
  () => '1',
  () => 'x'.repeat(5000),
  () => '\u0000\ud800\u2028',
  () => [],
  () => {},
  () => ({}),
  () => ({ length: 4_294_967_295 }),
  () => [[[[[[[[[[[[[[]]]]]]]]]]]]]],
  () => true,
  (random) => Array.from({ length: random.integer(2000) }, () => 1),
  () => new Uint8Array(7),
  () => JSON.parse('{"__proto__":{"admin":true}}'),
  () => JSON.parse('{"constructor":{"prototype":{"admin":true}}}'),
];

/** The value with one thing in it taken away, added, or replaced by what does not belong there. */
export function broken(random: Random, value: unknown): unknown {
  const isContainer = value !== null && typeof value === 'object' && Object.keys(value).length > 0;
  if (!isContainer || random.next() < 0.1) return oneOf(random, STRANGE)(random);
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  const key = oneOf(random, Object.keys(copy));
  const chance = random.next();
  if (chance < 0.15) delete copy[key];
  else if (chance < 0.3) copy[`${key}_`] = oneOf(random, STRANGE)(random);
  else copy[key] = broken(random, copy[key]);
  return copy;
}
