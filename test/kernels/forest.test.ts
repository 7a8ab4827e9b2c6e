import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { flattenForest, forestScratchBytes, predictForest } from '../../src/kernels/forest.js';
import {
  MAX_COLUMN_THRESHOLDS,
  type RegressionTree,
  rankColumns,
  type TreeNode,
} from '../../src/kernels/treelets.js';
import { meanOf, treeValue, varianceOf } from '../reference/forest.js';
import { arena, expectSameBytes, runAll, SEED, scoped } from './support.js';

const SPECIAL = [0, -0, 1, -1, 5e-324, Number.MAX_VALUE, Infinity, -Infinity, Number.NaN];

/** Values of which many are equal, and some special. */
function value(random: Random): number {
  const kind = random.next();
  if (kind < 0.1) return SPECIAL[random.integer(SPECIAL.length)]!;
  return kind < 0.6 ? random.integer(9) / 4 - 1 : random.normal();
}

/** A tree that splits a node with probability `growth`, any shape, down to `depth` levels. */
function randomTree(random: Random, features: number, depth: number, growth: number): RegressionTree {
  const nodes: TreeNode[] = [];
  const grow = (level: number): number => {
    const index = nodes.push({ value: 100 + random.normal() }) - 1;
    if (level < depth && random.next() < growth) {
      const feature = random.integer(features);
      const threshold = value(random);
      const left = grow(level + 1);
      nodes[index] = { feature, threshold, left, right: grow(level + 1) };
    }
    return index;
  };
  grow(0);
  return nodes;
}

/** A chain: every left child is a leaf. */
function chain(thresholds: readonly number[], feature = 0): RegressionTree {
  const last = 2 * thresholds.length;
  return Array.from({ length: last + 1 }, (_, k) => {
    if (k === last || k % 2 === 1) return { value: k };
    return { feature, threshold: thresholds[k / 2]!, left: k + 1, right: k + 2 };
  });
}

/** Runs the kernel over rows of `features` numbers. */
function predict(
  trees: readonly RegressionTree[],
  table: Float64Array,
  features: number,
  options: { parts?: number; variance?: boolean; strideBytes?: number } = {},
) {
  const { parts = 1, variance = true, strideBytes = 8 * features } = options;
  const rows = table.length / features;
  return scoped(({ span }) => {
    const forest = flattenForest(arena, trees);
    const source = { pointer: span(rows * strideBytes).pointer, rows, strideBytes };
    for (let row = 0; row < rows; row++) {
      const at = source.pointer + row * strideBytes;
      arena.float64(at, features).set(table.subarray(row * features, (row + 1) * features));
    }
    const scratch = span(forestScratchBytes(forest, parts));
    const means = span(8 * rows);
    const variances = span(8 * rows);
    runAll(predictForest(forest, source, scratch, means, variance ? variances : null, parts));
    arena.free(forest.span);
    return {
      means: Float64Array.from(arena.float64(means.pointer, rows)),
      variances: Float64Array.from(arena.float64(variances.pointer, rows)),
      behind: Float64Array.from(arena.float64(means.pointer + 8 * rows, means.byteLength / 8 - rows)),
      forest,
    };
  });
}

function expectPrediction(
  trees: readonly RegressionTree[],
  table: Float64Array,
  features: number,
  parts = 1,
) {
  const { means, variances } = predict(trees, table, features, { parts });
  const values = Array.from(means, (_, row) =>
    trees.map((tree) => treeValue(tree, table.subarray(row * features, (row + 1) * features))),
  );
  expectSameBytes(means, Float64Array.from(values, meanOf));
  values.forEach((of, row) => {
    const expected = varianceOf(of);
    expect(Math.abs(variances[row]! - expected)).toBeLessThanOrEqual(1e-12 * expected);
  });
}

describe('a forest', () => {
  it('has the mean of the reference bit for bit and its variance, for every shape of tree, row and split', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          trees: fc.integer({ min: 1, max: 12 }),
          // One register, one window, several windows.
          features: fc.oneof(
            fc.integer({ min: 1, max: 8 }),
            fc.integer({ min: 9, max: 16 }),
            fc.integer({ min: 17, max: 60 }),
          ),
          rows: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(511, 512, 513, 1030)),
          depth: fc.integer({ min: 0, max: 12 }),
          growth: fc.double({ min: 0.5, max: 1, noNaN: true }),
          parts: fc.integer({ min: 1, max: 4 }),
        }),
        ({ seed, trees, features, rows, depth, growth, parts }) => {
          const random = new Random(seed);
          const levels = growth > 0.9 ? Math.min(depth, 6) : depth;
          const forest = Array.from({ length: trees }, () => randomTree(random, features, levels, growth));
          const table = Float64Array.from({ length: rows * features }, () => value(random));
          expectPrediction(forest, table, features, parts);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });

  it('sends a row that equals a threshold, and NaN, to the right', () => {
    const tree = chain([-1, 0, 1]);
    const table = Float64Array.of(-1.5, -1, -0.5, -0, 0, 0.5, 1, 1.5, Number.NaN, Infinity, -Infinity);
    expect([...predict([tree], table, 1).means]).toEqual([1, 3, 3, 5, 5, 5, 6, 6, 6, 6, 1]);
  });

  it('separates neighbouring doubles', () => {
    const next = 1 + Number.EPSILON;
    const { means } = predict([chain([next])], Float64Array.of(1, next), 1);
    expect([...means]).toEqual([1, 2]);
  });

  it('goes right everywhere at a threshold of NaN, and left only below one of Infinity', () => {
    const table = Float64Array.of(-Infinity, 0, Infinity, Number.NaN);
    expect([...predict([chain([Number.NaN])], table, 1).means]).toEqual([2, 2, 2, 2]);
    expect([...predict([chain([Infinity])], table, 1).means]).toEqual([1, 1, 2, 2]);
    expect([...predict([chain([-Infinity])], table, 1).means]).toEqual([2, 2, 2, 2]);
  });

  it('of one leaf is that leaf, whatever the rows', () => {
    const { means, variances } = predict([[{ value: 0.1 }]], Float64Array.of(1, Number.NaN, 3), 1);
    expect([...means]).toEqual([0.1, 0.1, 0.1]);
    expect([...variances]).toEqual([0, 0, 0]);
  });

  it('of equal trees has a variance of exactly 0, and of distant ones an exact one', () => {
    const leaf = (x: number): RegressionTree => [{ value: x }];
    const row = Float64Array.of(0);
    expect(predict(Array(100).fill(leaf(0.1)), row, 1).variances[0]).toBe(0);
    expect(predict([leaf(1e15), leaf(1e15 + 2)], row, 1).variances[0]).toBe(1);
    const outlier = Array.from({ length: 100 }, (_, k) => leaf(k === 0 ? 1e9 : k));
    const expected = varianceOf(outlier.map((tree) => treeValue(tree, row)));
    expect(Math.abs(predict(outlier, row, 1).variances[0]! / expected - 1)).toBeLessThan(1e-12);
  });

  it('may be thousands of levels deep', () => {
    const thresholds = Array.from({ length: 5000 }, (_, k) => k);
    const { means } = predict([chain(thresholds)], Float64Array.of(-1, 2500.5, 4999), 1);
    expect([...means]).toEqual([1, 5003, 10_000]);
  });

  it('may hold more thresholds against a feature than a rank can count', () => {
    const count = 2 * MAX_COLUMN_THRESHOLDS + 10;
    const halves = (low: number, high: number): number => {
      const index = nodes.push({ value: low }) - 1;
      if (high > low) {
        const middle = (low + high + 1) >> 1;
        const left = halves(low, middle - 1);
        nodes[index] = { feature: 0, threshold: middle, left, right: halves(middle, high) };
      }
      return index;
    };
    const nodes: TreeNode[] = [];
    halves(0, count);
    expect(rankColumns([nodes]).columns.length).toBe(3);
    const picks = [0, 1, 32_766, 32_767, 32_768, 65_534, 65_535, 65_536, count];
    const table = Float64Array.from([...picks, ...picks.map((x) => x + 0.5)]);
    const { means } = predict([nodes], table, 1);
    expect([...means]).toEqual([...picks, ...picks]);
  });

  it('reads rows at any stride and leaves what lies behind its targets alone', () => {
    const random = new Random(3);
    const trees = Array.from({ length: 5 }, () => randomTree(random, 3, 6, 0.8));
    const table = Float64Array.from({ length: 3 * 13 }, () => value(random));
    const dense = predict(trees, table, 3);
    const sparse = predict(trees, table, 3, { strideBytes: 64, variance: false });
    expectSameBytes(sparse.means, dense.means);
    const untouched = new Uint8Array(8 * sparse.behind.length).fill(0xa5);
    expectSameBytes(sparse.behind, untouched);
    expectSameBytes(sparse.variances, new Uint8Array(8 * 13).fill(0xa5));
  });

  it('refuses more columns than a treelet can address', () => {
    const trees = Array.from({ length: 4097 }, (_, feature) => chain([0], feature));
    expect(() => flattenForest(arena, trees)).toThrow(
      expect.objectContaining({ code: 'VBO_ERR_ARGUMENT', message: expect.stringContaining('4097 columns') }),
    );
    const table = Float64Array.from({ length: 4096 }, (_, k) => k % 2);
    expectPrediction(trees.slice(0, 4096), table, 4096);
  });
});
