import { RandomForestRegression } from 'ml-random-forest';
import { Random } from '../src/core/random.js';
import { Kernels } from '../src/kernels/kernels.js';
import type { RegressionTree } from '../src/kernels/treelets.js';
import { CompiledForest } from '../src/model/forest.js';
import { parseForest } from '../src/model/forest-json.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const TREES = 100;
const ROWS = 10_000;
/** Eight features fit one register; sixteen do not. */
const FEATURES = [8, 16];
const SAMPLES = 400;

/**
 * A trained forest on a batch of rows, from the caller's array to the result, against `ml-random-forest` itself and
 * against a flattened forest in plain JavaScript. Both baselines and the kernel give the same bits.
 */
export default async function forest(options: BenchOptions): Promise<Case[]> {
  const kernels = Kernels.load();
  const cases: Case[] = [];
  for (const features of FEATURES) cases.push(...(await forestCases(kernels, features, options)));
  return cases;
}

async function forestCases(kernels: Kernels, features: number, options: BenchOptions): Promise<Case[]> {
  const random = new Random(1);
  const rowsOf = (count: number) =>
    Array.from({ length: count }, () => Array.from({ length: features }, () => random.next()));
  const samples = rowsOf(options.quick ? 40 : SAMPLES);
  const library = new RandomForestRegression({ nEstimators: TREES, seed: 3, noOOB: true });
  library.train(
    samples,
    samples.map((x) => Math.sin(6 * x[0]!) + 3 * x[1]! * x[2]! + x[3]! ** 2 + 0.1 * random.normal()),
  );
  const rows = rowsOf(options.quick ? 100 : ROWS);
  const table = Float64Array.from(rows.flat());
  const compiled = CompiledForest.from(kernels, library);
  const plain = flattenPlain(parseForest(library).trees);
  const theirs = { name: 'ml-random-forest', run: () => library.predict(rows) };
  const js = { name: 'typed-array JS', run: () => predictPlain(plain, table, features) };
  const mean = { name: 'forest, mean', run: () => compiled.predict(table) };
  const nested = { name: 'forest, mean, number[][]', run: () => compiled.predict(rows) };
  const both = { name: 'forest, mean and variance', run: () => compiled.predictWithVariance(table) };
  const input = `${TREES} trees, ${rows.length} x ${features} float64`;
  const cases = [
    await compare({ ...mean, input, baseline: theirs }, options),
    await compare({ ...nested, input, baseline: theirs }, options),
    await compare({ ...both, input, baseline: theirs }, options),
    await compare({ ...mean, input, baseline: js }, options),
  ];
  compiled.dispose();
  return cases;
}

interface PlainForest {
  roots: Int32Array;
  /** -1: a leaf. */
  feature: Int32Array;
  threshold: Float64Array;
  /** The right child follows it. */
  left: Int32Array;
  value: Float64Array;
}

/** All trees in arrays, siblings adjacent. */
function flattenPlain(trees: readonly RegressionTree[]): PlainForest {
  const count = trees.reduce((sum, tree) => sum + tree.length, 0);
  const plain: PlainForest = {
    roots: new Int32Array(trees.length),
    feature: new Int32Array(count).fill(-1),
    threshold: new Float64Array(count),
    left: new Int32Array(count),
    value: new Float64Array(count),
  };
  let end = 0;
  trees.forEach((tree, t) => {
    plain.roots[t] = end;
    const places = new Map([[0, end++]]);
    tree.forEach((node, k) => {
      const at = places.get(k)!;
      if ('value' in node) {
        plain.value[at] = node.value;
        return;
      }
      plain.feature[at] = node.feature;
      plain.threshold[at] = node.threshold;
      plain.left[at] = end;
      places.set(node.left, end++);
      places.set(node.right, end++);
    });
  });
  return plain;
}

/** Tree by tree, so that a tree stays in the cache; walks as far as a row's leaf. */
function predictPlain(plain: PlainForest, table: Float64Array, features: number): Float64Array {
  const { roots, feature, threshold, left, value } = plain;
  const rows = table.length / features;
  const means = new Float64Array(rows);
  for (let t = 0; t < roots.length; t++) {
    const root = roots[t]!;
    for (let row = 0; row < rows; row++) {
      const first = row * features;
      let at = root;
      for (let f = feature[at]!; f >= 0; f = feature[at]!) {
        at = table[first + f]! < threshold[at]! ? left[at]! : left[at]! + 1;
      }
      means[row]! += value[at]!;
    }
  }
  for (let row = 0; row < rows; row++) means[row]! /= roots.length;
  return means;
}
