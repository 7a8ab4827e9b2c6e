import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { METRICS, type Metric } from '../../src/core/types.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { KernelPool } from '../../src/pool/pool.js';
import { type CompactOptions, compact } from '../../src/vectors/compact.js';
import { CALIBRATION_NAMES, ENCODING_NAMES } from '../../src/vectors/encoding.js';
import { pack } from '../../src/vectors/pack.js';
import { nearestByQuery, recallOf } from '../../src/vectors/recall.js';
import { LAYOUTS } from '../../src/vectors/vector-block.js';

const kernels = Kernels.load();
const context = { kernels, runner: new KernelPool(kernels, { threads: 0 }) };

const FORMATS = ENCODING_NAMES.flatMap((encoding): CompactOptions[] =>
  encoding === 'int8' ? CALIBRATION_NAMES.map((calibration) => ({ encoding, calibration })) : [{ encoding }],
);

/** Vectors around a few centres, all moved off the origin: as embeddings lie. */
function clustered(rows: number, dimension: number, seed: number): Float32Array[] {
  const random = new Random(seed);
  const centres = Array.from({ length: 12 }, () =>
    Float32Array.from({ length: dimension }, () => random.normal() + 0.3),
  );
  return Array.from({ length: rows }, () => {
    const centre = centres[random.integer(centres.length)]!;
    return centre.map((x) => x + 0.6 * random.normal());
  });
}

/** The metric in float64; greater is nearer. */
function score(metric: Metric, q: Float32Array, x: ArrayLike<number>): number {
  let dot = 0;
  let squares = 0;
  let length = 0;
  for (let d = 0; d < q.length; d++) {
    dot += q[d]! * x[d]!;
    squares += x[d]! * x[d]!;
    length += q[d]! * q[d]!;
  }
  if (metric === 'dot') return dot;
  if (metric === 'l2') return -(length + squares - 2 * dot);
  return squares === 0 ? 0 : dot / Math.sqrt(length * squares);
}

const nearest = (metric: Metric, q: Float32Array, vectors: readonly ArrayLike<number>[], k: number) =>
  vectors
    .map((x, id) => ({ id, score: score(metric, q, x) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, k);

const dimension = 70;
const vectors = clustered(500, dimension, 1);
const queries = clustered(12, dimension, 1).map((x) => x.map((v, d) => v + Math.sin(d)));

describe('search', () => {
  it('scores what the codes decode to, by every metric (RaBitQ and int4 with their exact lengths)', async () => {
    using block = await pack(context, vectors);
    for (const format of FORMATS) {
      using small = await compact(context, block, format);
      const decoded = small.decode();
      const rows = vectors.map((_, row) => decoded.subarray(row * dimension, (row + 1) * dimension));
      for (const metric of METRICS) {
        for (const query of queries) {
          const { ids, scores } = small.search(query, 500, { metric });
          expect(new Set(ids).size).toBe(500);
          const sign = metric === 'l2' ? -1 : 1;
          for (let i = 1; i < 500; i++) {
            expect(sign * scores[i]!).toBeLessThanOrEqual(sign * scores[i - 1]!);
          }
          const estimated = format.encoding === 'int4' || format.encoding.startsWith('rabitq');
          const length = Math.sqrt(score('dot', query, query));
          for (const [i, id] of ids.entries()) {
            const expected = sign * score(metric, query, estimated ? vectors[id]! : rows[id]!);
            const scale = metric === 'cosine' ? 1 : length * (length + 12);
            // Estimates are off by their codes' error, the others by the rounding of query and sums.
            const allowed = estimated ? (format.encoding === 'rabitq1' ? 0.5 : 0.25) : 5e-5;
            expect(Math.abs(scores[i]! - expected)).toBeLessThan(allowed * scale);
          }
        }
      }
    }
  });

  it('with every row scored again is the exact search, from either layout and from one array', async () => {
    const flat = Float32Array.from(vectors.flatMap((x) => [...x]));
    for (const layout of LAYOUTS) {
      using block = await pack(context, vectors, { layout });
      for (const format of FORMATS) {
        using small = await compact(context, block, format);
        for (const metric of METRICS) {
          for (const source of [block, flat]) {
            const { ids, scores } = small.search(queries[0]!, 10, {
              metric,
              rescore: { vectors: source, candidates: 500 },
            });
            const expected = nearest(metric, queries[0]!, vectors, 10);
            expect([...ids]).toEqual(expected.map(({ id }) => id));
            for (const [i, { score }] of expected.entries()) {
              expect(Math.abs(scores[i]! - (metric === 'l2' ? -score : score))).toBeLessThan(
                1e-4 * Math.max(1, Math.abs(score)),
              );
            }
          }
        }
      }
    }
  });

  it('finds more the more bits a code has, and about everything once the best are scored again', async () => {
    using block = await pack(context, vectors);
    const expected = nearestByQuery(kernels, block, queries, 10);
    const recall = async (encoding: (typeof ENCODING_NAMES)[number], candidates?: number) => {
      using small = await compact(context, block, { encoding });
      const options = candidates === undefined ? { k: 10 } : { k: 10, candidates };
      return recallOf(small, block, queries, expected, options);
    };
    expect(await recall('float16')).toBeGreaterThan(0.98);
    expect(await recall('int8')).toBeGreaterThan(0.95);
    expect(await recall('rabitq4')).toBeGreaterThan(0.8);
    expect(await recall('int4')).toBeGreaterThan(0.8);
    expect(await recall('rabitq2')).toBeGreaterThan(await recall('rabitq1'));
    expect(await recall('rabitq2', 100)).toBeGreaterThan(0.97);
    expect(await recall('int4', 100)).toBe(1);
  });

  it('answers for no rows, one row, and more results than rows', async () => {
    for (const rows of [0, 1, 3]) {
      for (const format of FORMATS) {
        using block = await pack(context, vectors.slice(0, rows), { dimension });
        using small = await compact(context, block, format);
        const { ids, scores } = small.search(queries[0]!, 5, { rescore: { vectors: block } });
        expect(ids.length).toBe(rows);
        expect(scores.length).toBe(rows);
        expect([...ids].sort()).toEqual([...ids.keys()]);
      }
    }
  });

  it('gives zero vectors the cosine 0 and ranks them by it', async () => {
    using block = await pack(context, [
      [0, 0],
      [1, 1],
      [-1, -1],
    ]);
    for (const encoding of ['float16', 'bfloat16', 'int8'] as const) {
      using small = await compact(context, block, { encoding });
      const { ids, scores } = small.search([2, 2], 3);
      expect([...ids]).toEqual([1, 0, 2]);
      expect(scores[1]).toBe(0);
    }
  });

  it('refuses queries and options that make no sense', async () => {
    using block = await pack(context, vectors);
    const small = await compact(context, block, { encoding: 'int8' });
    const query = queries[0]!;
    const code = (run: () => unknown) => {
      try {
        run();
        return undefined;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(() => small.search([1, 2], 3))).toBe('VBO_ERR_DIMENSION');
    expect(code(() => small.search('x' as never, 3))).toBe('VBO_ERR_ARGUMENT');
    expect(code(() => small.search(query, 0))).toBe('VBO_ERR_ARGUMENT');
    expect(code(() => small.search(query, 1, { metric: 'manhattan' as never }))).toBe('VBO_ERR_ARGUMENT');
    expect(
      code(() =>
        small.search(
          query.map(() => Number.NaN),
          1,
        ),
      ),
    ).toBe('VBO_ERR_NOT_FINITE');
    expect(
      code(() =>
        small.search(
          query.map(() => 0),
          1,
        ),
      ),
    ).toBe('VBO_ERR_ZERO_VECTOR');
    expect(
      code(() =>
        small.search(
          query.map(() => 0),
          1,
          { metric: 'dot' },
        ),
      ),
    ).toBeUndefined();
    const rescore = (vectors: never, candidates?: number) =>
      code(() => small.search(query, 10, { rescore: { vectors, ...(candidates ? { candidates } : {}) } }));
    expect(rescore(block as never, 9)).toBe('VBO_ERR_ARGUMENT');
    expect(rescore(new Float32Array(70) as never)).toBe('VBO_ERR_ARGUMENT');
    expect(rescore(undefined as never)).toBe('VBO_ERR_ARGUMENT');
    small.dispose();
    expect(code(() => small.search(query, 1))).toBe('VBO_ERR_CLOSED');
  });

  it('returns every byte to the arena', async () => {
    const before = kernels.arena.usedBytes;
    for (const format of FORMATS) {
      using block = await pack(context, vectors);
      using small = await compact(context, block, format);
      small.search(queries[0]!, 10, { metric: 'l2', rescore: { vectors: block } });
    }
    expect(kernels.arena.usedBytes).toBe(before);
  });
});
