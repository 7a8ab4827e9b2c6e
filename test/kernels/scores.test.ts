import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosineScores, l2Scores, topK, topKBytes } from '../../src/kernels/scores.js';
import { callTask } from '../../src/kernels/task.js';
import { arena, expectSameBytes, kernels, SEED, scoped, vectors } from './support.js';

const f32 = Math.fround;

describe('the k best', () => {
  it('are those of a full sort, equals by row, NaN last, for any k', () => {
    const score = fc.oneof(
      fc.float(),
      fc.constantFrom(0, -0, 1, 1, 1, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY),
    );
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 300 }), fc.nat(299), (list, wanted) => {
        scoped(({ span }) => {
          const scores = Float32Array.from(list);
          const k = Math.min(scores.length, wanted + 1);
          const at = span(4 * scores.length);
          arena.float32(at.pointer, scores.length).set(scores);
          const ranking = callTask(kernels, topK(arena, at, scores.length, k, span(topKBytes(k))));
          const value = (row: number) =>
            Number.isNaN(scores[row]!) ? Number.NEGATIVE_INFINITY : scores[row]! + 0;
          const order = [...scores.keys()].sort((a, b) => {
            const [x, y] = [value(a), value(b)];
            return x === y ? a - b : y > x ? 1 : -1;
          });
          expect([...ranking.rows]).toEqual(order.slice(0, k));
          expect([...ranking.scores].map((x) => x + 0)).toEqual(order.slice(0, k).map(value));
        });
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

describe('scores', () => {
  it('are cosines, 0 for a zero vector, and negative squared distances, at most 0', () => {
    for (const count of [0, 1, 3, 4, 5, 16, 33]) {
      scoped(({ span }) => {
        const dots = vectors(count, count, 'unit');
        const squares = vectors(count + 1, count, 'unit').map((x, i) => (i % 5 === 0 ? 0 : x * x));
        const [scores, table] = [span(4 * count), span(4 * count)];
        arena.float32(table.pointer, count).set(squares);
        arena.float32(scores.pointer, count).set(dots);
        kernels.call(cosineScores(scores, table, count, 0.5));
        expectSameBytes(
          arena.float32(scores.pointer, count),
          dots.map((x, i) => (squares[i]! > 0 ? f32(f32(x * 0.5) / f32(Math.sqrt(squares[i]!))) : 0)),
        );
        arena.float32(scores.pointer, count).set(dots);
        kernels.call(l2Scores(scores, table, count, f32(0.01)));
        expect([...arena.float32(scores.pointer, count)]).toEqual(
          [...dots].map((x, i) => Math.min(0, f32(f32(f32(x + x) - squares[i]!) - f32(0.01)))),
        );
      });
    }
  });
});
