import { describe } from '../../core/check.js';
import { MAX_DIMENSION } from '../../core/limits.js';
import { decodeJson, decodeMessagePack } from '../bodies.js';
import type { Problem } from '../schemas/common.js';

export type LayoutFormat = 'json' | 'msgpack';

/**
 * A body whose `vectors` are one Float32Array, rows x dimension, and whose `dimension` is given; or one that its schema
 * will refuse; or what is wrong with its text or its vectors.
 */
export type DecodedLayout = { readonly body: unknown } | { readonly problem: Problem & { message?: string } };

/** Decodes and packs a body of `/optimize-layout`. A body that is not of its form but for the vectors passes: the schema has the word. */
export function decodeLayout(bytes: Uint8Array, format: LayoutFormat): DecodedLayout {
  let body: unknown;
  try {
    body = format === 'json' ? decodeJson(new TextDecoder().decode(bytes)) : decodeMessagePack(bytes);
  } catch (error) {
    return { problem: { path: '', expected: format, message: (error as Error).message } };
  }
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return { body };
  const { vectors, dimension, ...rest } = body as Record<string, unknown>;
  if (vectors === undefined) return { body };
  // The schema says what is wrong with it.
  if (dimension !== undefined && !isDimension(dimension)) return { body };
  const packed = packVectors(vectors, dimension);
  if ('path' in packed) return { problem: packed };
  return { body: { ...rest, ...packed } };
}

const isDimension = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_DIMENSION;

function packVectors(
  given: unknown,
  dimension: number | undefined,
): { vectors: Float32Array; dimension: number } | Problem {
  if (given instanceof Uint8Array) return packBytes(given, dimension);
  if (!Array.isArray(given) || given.length === 0) {
    return wrong('vectors', 'an array of at least one vector', given);
  }
  const width = dimension ?? lengthOf(given[0]);
  if (width === undefined || width === 0 || width > MAX_DIMENSION) {
    return wrong('vectors[0]', `1 to ${MAX_DIMENSION} numbers`, given[0]);
  }
  // Before anything is allocated: rows without end could be claimed by a few bytes each.
  for (const [row, vector] of given.entries()) {
    if (lengthOf(vector) !== width)
      return wrong(`vectors[${row}]`, `${width} numbers, as the others`, vector);
  }
  const vectors = new Float32Array(given.length * width);
  for (const [row, vector] of given.entries()) {
    if (vector instanceof Uint8Array) vectors.set(float32Of(vector), row * width);
    else {
      for (let d = 0; d < width; d++) {
        const element: unknown = vector[d];
        if (typeof element !== 'number' || !Number.isFinite(Math.fround(element))) {
          return wrong(`vectors[${row}][${d}]`, 'a finite number of float32', element);
        }
        vectors[row * width + d] = element;
      }
    }
  }
  return { vectors, dimension: width };
}

function packBytes(bytes: Uint8Array, dimension: number | undefined): ReturnType<typeof packVectors> {
  if (dimension === undefined) return wrong('dimension', 'to be given with vectors in one piece', undefined);
  if (bytes.byteLength === 0 || bytes.byteLength % (4 * dimension) !== 0) {
    return wrong('vectors', `whole vectors of ${4 * dimension} bytes`, `${bytes.byteLength} bytes`);
  }
  return { vectors: float32Of(bytes), dimension };
}

/** Components of an array or of float32 bytes; undefined for anything else. */
function lengthOf(vector: unknown): number | undefined {
  if (Array.isArray(vector)) return vector.length;
  return vector instanceof Uint8Array && vector.byteLength % 4 === 0 ? vector.byteLength / 4 : undefined;
}

/** Copied, so that the floats are aligned. */
const float32Of = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

const wrong = (path: string, expected: string, value: unknown): Problem => ({
  path,
  expected,
  ...(value === undefined ? {} : { value: describe(value) }),
});
