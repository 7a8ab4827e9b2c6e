import type { RegressionTree } from '../../src/kernels/treelets.js';

/** The value of the leaf that a row reaches, as `ml-cart` classifies: left if and only if x < threshold. */
export function treeValue(tree: RegressionTree, row: ArrayLike<number>): number {
  let node = tree[0]!;
  while (!('value' in node)) node = tree[row[node.feature]! < node.threshold ? node.left : node.right]!;
  return node.value;
}

/** The mean in the order of the values, as `ml-array-mean` has it. */
export function meanOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Population variance, in two passes around the exact mean's neighbour. */
export function varianceOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map((value) => (value - mean) ** 2));
}
