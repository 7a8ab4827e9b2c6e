import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import type { RegressionTree, TreeNode } from '../kernels/treelets.js';

/** What a prediction needs of a trained `ml-random-forest` regression (2.1). */
export interface ParsedForest {
  readonly trees: readonly RegressionTree[];
  /** Features per row that the model was trained on, as far as it says so; else `minFeatures`. */
  readonly features: number;
  /** Features per row that its trees may ask for. */
  readonly minFeatures: number;
}

type Fields = Record<string, unknown>;

function refuse(what: string, expected: string, cause?: unknown): never {
  throw new VectorBatchError('VBO_ERR_ARGUMENT', `${what}; expected ${expected}.`, {
    cause,
    details: { argument: 'forest' },
  });
}

function fieldsOf(value: unknown, name: string, expected: string): Fields {
  if (value === null || typeof value !== 'object') refuse(`${name} is ${describe(value)}`, expected);
  return value as Fields;
}

function arrayOf(value: unknown, name: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(`${name} is ${describe(value)}`, 'an array');
}

/**
 * Reads a `RandomForestRegression` or its JSON. Nothing is taken on trust: the trees that it returns are finite and all
 * of their features lie below `minFeatures`.
 * @throws VBO_ERR_ARGUMENT saying what is wrong, and where.
 */
export function parseForest(given: unknown): ParsedForest {
  const instance = fieldsOf(given, 'forest', 'a trained RandomForestRegression or its JSON');
  const model = fieldsOf(toModel(instance), 'forest.toJSON()', 'a model');
  checkOneOf(model.name, 'forest.name', ['RFRegression']);
  // The median needs all values of a row at once; no model of this package uses it.
  checkOneOf(model.selectionMethod, 'forest.selectionMethod', ['mean']);
  const base = fieldsOf(model.baseModel, 'forest.baseModel', 'an object');
  const estimators = arrayOf(base.estimators, 'forest.baseModel.estimators');
  const indexes = arrayOf(base.indexes, 'forest.baseModel.indexes');
  if (estimators.length === 0) refuse('forest.baseModel.estimators is empty', 'at least one tree');
  for (const [name, count] of [
    ['indexes.length', indexes.length],
    ['nEstimators', base.nEstimators],
  ] as const) {
    if (count !== estimators.length)
      refuse(`forest.baseModel.${name} is ${describe(count)}`, `${estimators.length}, one per estimator`);
  }

  let minFeatures = 1;
  const featuresOf = indexes.map((list, t) =>
    arrayOf(list, `forest.baseModel.indexes[${t}]`).map((value, k) => {
      const name = `forest.baseModel.indexes[${t}][${k}]`;
      const feature = checkNumber(value, name, { min: 0, max: MAX_DIMENSION - 1, integer: true });
      minFeatures = Math.max(minFeatures, feature + 1);
      return feature;
    }),
  );
  const seen = new Set<object>();
  const trees = estimators.map((estimator, t) => {
    const name = `forest.baseModel.estimators[${t}]`;
    const { name: kind, root } = fieldsOf(estimator, name, 'a tree');
    checkOneOf(kind, `${name}.name`, ['DTRegression']);
    return readTree(root, `${name}.root`, featuresOf[t]!, seen);
  });
  const { numberFeatures } = instance;
  return { trees, minFeatures, features: typeof numberFeatures === 'number' ? numberFeatures : minFeatures };
}

/** An instance's `toJSON` gives the live trees, whose infinities are still numbers. */
function toModel(instance: Fields): unknown {
  if (typeof instance.toJSON !== 'function') return instance;
  try {
    return instance.toJSON();
  } catch (cause) {
    return refuse('forest.toJSON() failed', 'a trained forest', cause);
  }
}

/** Numbers the nodes breadth first, without recursion: a tree may be as deep as it likes, but not run in circles. */
function readTree(
  root: unknown,
  rootName: string,
  features: readonly number[],
  seen: Set<object>,
): RegressionTree {
  const found: { fields: unknown; parent: number; side: 'left' | 'right' }[] = [];
  const nameOf = (k: number): string => {
    const path: string[] = [];
    for (let at = k; at > 0; at = found[at]!.parent) path.push(found[at]!.side);
    return [rootName, ...path.reverse()].join('.');
  };
  found.push({ fields: root, parent: -1, side: 'left' });
  const nodes: TreeNode[] = [];
  for (let k = 0; k < found.length; k++) {
    const node = found[k]!.fields as Fields;
    if (node === null || typeof node !== 'object') refuse(`${nameOf(k)} is ${describe(node)}`, 'a node');
    if (seen.has(node)) refuse(`${nameOf(k)} is reached twice`, 'a tree');
    seen.add(node);
    const { distribution } = node;
    // A leaf may have kept the split that it did not use.
    if (distribution !== undefined) {
      if (typeof distribution !== 'number')
        refuse(`${nameOf(k)}.distribution is ${describe(distribution)}`, 'a number');
      nodes.push({ value: distribution });
      continue;
    }
    const threshold = node.splitValue === null ? Number.POSITIVE_INFINITY : node.splitValue;
    if (typeof threshold !== 'number')
      refuse(`${nameOf(k)}.splitValue is ${describe(threshold)}`, 'a number or null');
    const feature = typeof node.splitColumn === 'number' ? features[node.splitColumn] : undefined;
    if (feature === undefined) {
      refuse(
        `${nameOf(k)}.splitColumn is ${describe(node.splitColumn)}`,
        `a column below ${features.length}, or a distribution`,
      );
    }
    const left = found.push({ fields: node.left, parent: k, side: 'left' }) - 1;
    const right = found.push({ fields: node.right, parent: k, side: 'right' }) - 1;
    nodes.push({ feature, threshold, left, right });
  }
  return nodes;
}
