import fc from 'fast-check';
import { RandomForestRegression } from 'ml-random-forest';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { CompiledForest } from '../../src/model/forest.js';
import { varianceOf } from '../reference/forest.js';

const SEED = 20_240_607;
const kernels = Kernels.load();

interface Training {
  seed: number;
  samples: number;
  features: number;
  trees: number;
  maxFeatures: number;
  replacement: boolean;
  bagging: boolean;
  maxDepth: number;
  minNumSamples: number;
}

const trainings: fc.Arbitrary<Training> = fc.record({
  seed: fc.nat(),
  samples: fc.integer({ min: 2, max: 40 }),
  features: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 9, max: 20 })),
  trees: fc.integer({ min: 1, max: 12 }),
  maxFeatures: fc.constantFrom(1, 0.5, 0.8),
  replacement: fc.boolean(),
  bagging: fc.boolean(),
  maxDepth: fc.constantFrom(0, 1, 3, Number.POSITIVE_INFINITY),
  minNumSamples: fc.constantFrom(1, 3, 10),
});

function train(training: Training): { forest: RandomForestRegression; samples: number[][] } {
  const random = new Random(training.seed);
  // Few distinct values: many splits fall on each other.
  const samples = Array.from({ length: training.samples }, () =>
    Array.from({ length: training.features }, (_, k) => (k % 2 ? random.normal() : random.integer(6))),
  );
  const targets = samples.map((row) => 1e3 + 10 * row[0]! + row.at(-1)! ** 2 + random.normal());
  const forest = new RandomForestRegression({
    nEstimators: training.trees,
    seed: training.seed % 2 ** 31,
    maxFeatures: training.features * training.maxFeatures < 1 ? 1 : training.maxFeatures,
    replacement: training.replacement,
    useSampleBagging: training.bagging,
    noOOB: true,
    treeOptions: { maxDepth: training.maxDepth, minNumSamples: training.minNumSamples },
  });
  forest.train(samples, targets);
  return { forest, samples };
}

/** The thresholds of a forest, wherever they stand. */
function thresholdsOf(node: unknown, found: number[] = []): number[] {
  if (node === null || typeof node !== 'object') return found;
  for (const [key, value] of Object.entries(node)) {
    if (key === 'splitValue' && typeof value === 'number') found.push(value);
    else thresholdsOf(value, found);
  }
  return found;
}

/** New rows, samples, and rows made of thresholds and special values. */
function queries(random: Random, count: number, samples: number[][], thresholds: number[]): number[][] {
  const special = [Number.NaN, Infinity, -Infinity, 0, -0, ...thresholds];
  return Array.from({ length: count }, (_, k) =>
    samples[k % samples.length]!.map((x) => {
      const kind = k % 4 === 0 ? 1 : random.next();
      if (kind === 1) return x;
      return kind < 0.5 ? special[random.integer(special.length)]! : 3 * random.normal();
    }),
  );
}

const code = (error: string, message: RegExp) =>
  expect.objectContaining({ code: error, message: expect.stringMatching(message) });

describe('a compiled forest', () => {
  it('predicts what the library predicts, from the instance and from its JSON', () => {
    fc.assert(
      fc.property(trainings, fc.integer({ min: 1, max: 40 }), (training, rows) => {
        const { forest, samples } = train(training);
        const json = JSON.parse(JSON.stringify(forest));
        const table = queries(new Random(training.seed), rows, samples, thresholdsOf(json));
        const expected = forest.predict(table);
        const { features } = training;
        for (const model of [forest, forest.toJSON(), json]) {
          const compiled = CompiledForest.from(kernels, model, { features });
          // More than 1e-12: the same bits.
          expect([...compiled.predict(table)]).toEqual(expected);
          expect([...compiled.predict(Float64Array.from(table.flat()))]).toEqual(expected);
          const { mean, variance } = compiled.predictWithVariance(table);
          expect([...mean]).toEqual(expected);
          const perTree = forest.predictionValues(table);
          variance.forEach((got, row) => {
            const want = varianceOf(perTree.getRow(row));
            expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-12 * want + 1e-20 * expected[row]! ** 2);
          });
          compiled.dispose();
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  it('takes a threshold of Infinity, which JSON makes null, for what it was', () => {
    const samples = Array.from({ length: 12 }, (_, k) => [k < 6 ? k : Number.POSITIVE_INFINITY]);
    const forest = new RandomForestRegression({ nEstimators: 5, noOOB: true, useSampleBagging: false });
    forest.train(
      samples,
      samples.map(([x]) => (x === Number.POSITIVE_INFINITY ? 9 : 1 + x! / 10)),
    );
    expect(thresholdsOf(forest.toJSON())).toContain(Number.POSITIVE_INFINITY);
    const json = JSON.parse(JSON.stringify(forest));
    const table = [[-1], [0], [5], [Infinity], [Number.NaN]];
    expect([...CompiledForest.from(kernels, json).predict(table)]).toEqual(forest.predict(table));
  });

  it('knows its features: of an instance all, of JSON those that the trees may ask for', () => {
    const { forest } = train({ ...base, maxFeatures: 0.5, features: 20, trees: 2 });
    expect(CompiledForest.from(kernels, forest)).toMatchObject({ features: 20, trees: 2 });
    const json = JSON.parse(JSON.stringify(forest));
    const least = Math.max(...json.baseModel.indexes.flat()) + 1;
    expect(CompiledForest.from(kernels, json).features).toBe(least);
    expect(() => CompiledForest.from(kernels, json, { features: least - 1 })).toThrow(
      code('VBO_ERR_ARGUMENT', /features is \d+; expected an integer from/),
    );
  });

  it('predicts nothing for no rows', () => {
    const compiled = CompiledForest.from(kernels, train(base).forest);
    expect(compiled.predict([])).toEqual(new Float64Array(0));
    expect(compiled.predictWithVariance(new Float64Array(0))).toEqual({
      mean: new Float64Array(0),
      variance: new Float64Array(0),
    });
  });

  it.each([
    [new Float64Array(7), /rows has 7 numbers; expected a multiple of 3/],
    [
      [
        [1, 2, 3],
        [1, 2],
      ],
      /rows\[1\] has 2 numbers; expected 3/,
    ],
    [[[1, 2, 3, 4]], /rows\[0\] has 4 numbers; expected 3/],
    [[1, 2, 3], /rows\[0\] is 1; expected 3/],
    [[null], /rows\[0\] is null; expected 3/],
    ['rows', /rows is "rows"; expected a Float64Array/],
  ])('refuses rows of another length: %j', (rows, message) => {
    const compiled = CompiledForest.from(kernels, train(base).forest);
    expect(() => compiled.predict(rows as number[][])).toThrow(code('VBO_ERR_ARGUMENT', message));
  });

  it('gives its memory back, once, and is closed afterwards', () => {
    const { usedBytes } = kernels.arena;
    const compiled = CompiledForest.from(kernels, train(base).forest);
    compiled.predictWithVariance([[1, 2, 3]]);
    compiled.dispose();
    compiled.dispose();
    expect(kernels.arena.usedBytes).toBe(usedBytes);
    expect(() => compiled.predict([])).toThrow(code('VBO_ERR_CLOSED', /after dispose/));
  });
});

const base: Training = {
  seed: 5,
  samples: 30,
  features: 3,
  trees: 3,
  maxFeatures: 1,
  replacement: false,
  bagging: true,
  maxDepth: Number.POSITIVE_INFINITY,
  minNumSamples: 3,
};

describe('a malformed model', () => {
  // biome-ignore lint/suspicious/noExplicitAny: broken on purpose
  type Json = any;
  const json = JSON.stringify(train(base).forest);
  const leafOf = (node: Json): Json => (node.left ? leafOf(node.left) : node);

  it.each<[string, (model: Json) => Json, RegExp]>([
    ['null', () => null, /forest is null; expected a trained/],
    ['text', () => 'forest', /forest is "forest"/],
    ['an empty object', () => ({}), /forest\.name is undefined; expected one of RFRegression/],
    ['a classifier', (m) => ({ ...m, name: 'RFClassifier' }), /forest\.name is "RFClassifier"/],
    ['a median', (m) => ({ ...m, selectionMethod: 'median' }), /selectionMethod is "median"; .* mean/],
    ['no base model', (m) => ({ ...m, baseModel: 3 }), /forest\.baseModel is 3/],
    ['no trees', (m) => edit(m, (b) => (b.estimators = [])), /estimators is empty; expected at least one/],
    ['trees of another kind', (m) => edit(m, (b) => (b.estimators = {})), /estimators is Object; .* array/],
    ['too few indexes', (m) => edit(m, (b) => b.indexes.pop()), /indexes\.length is 2; expected 3/],
    ['another count', (m) => edit(m, (b) => (b.nEstimators = 2)), /nEstimators is 2; expected 3/],
    [
      'an index',
      (m) => edit(m, (b) => (b.indexes[1][0] = -1)),
      /indexes\[1\]\[0\] is -1; expected an integer/,
    ],
    ['a null tree', (m) => edit(m, (b) => (b.estimators[2] = null)), /estimators\[2\] is null; .* a tree/],
    ['no root', (m) => edit(m, (b) => delete b.estimators[2].root), /\[2\]\.root is undefined; .* a node/],
    ['no child', (m) => edit(m, (b) => delete b.estimators[0].root.left), /\[0\]\.root\.left is undefined/],
    [
      'a column',
      (m) => edit(m, (b) => (b.estimators[0].root.splitColumn = 3)),
      /splitColumn is 3; .* below 3/,
    ],
    ['a name', (m) => edit(m, (b) => (b.estimators[0].root.splitColumn = 'map')), /splitColumn is "map"/],
    ['a threshold', (m) => edit(m, (b) => (b.estimators[0].root.splitValue = '1')), /splitValue is "1"/],
    [
      'a leaf',
      (m) => edit(m, (b) => (leafOf(b.estimators[1].root).distribution = null)),
      /distribution is null/,
    ],
    [
      'classes',
      (m) => edit(m, (b) => (leafOf(b.estimators[1].root).distribution = [[1]])),
      /is an array of 1/,
    ],
  ])('is refused by what is wrong, and where: %s', (_, spoil, message) => {
    const { usedBytes } = kernels.arena;
    expect(() => CompiledForest.from(kernels, spoil(JSON.parse(json)))).toThrow(
      code('VBO_ERR_ARGUMENT', message),
    );
    expect(kernels.arena.usedBytes).toBe(usedBytes);
  });

  function edit(model: Json, change: (baseModel: Json) => void): Json {
    change(model.baseModel);
    return model;
  }

  it('is refused when it runs in circles', () => {
    const model = JSON.parse(json);
    const { root } = model.baseModel.estimators[1];
    root.right.left = root;
    expect(() => CompiledForest.from(kernels, model)).toThrow(
      code('VBO_ERR_ARGUMENT', /estimators\[1\]\.root\.right\.left is reached twice/),
    );
  });

  it('is refused when it was never trained', () => {
    const forest = new RandomForestRegression({});
    expect(() => CompiledForest.from(kernels, forest)).toThrow(
      code('VBO_ERR_ARGUMENT', /expected a trained/),
    );
  });

  it('may be deeper than a stack', () => {
    const model = JSON.parse(json);
    let root: Json = { distribution: 7 };
    for (let k = 0; k < 50_000; k++) {
      root = { splitColumn: 0, splitValue: k, left: root, right: { distribution: k } };
    }
    Object.assign(model.baseModel, {
      nEstimators: 1,
      indexes: [[0, 1, 2]],
      estimators: [{ name: 'DTRegression', root }],
    });
    const compiled = CompiledForest.from(kernels, model, { features: 3 });
    expect([
      ...compiled.predict([
        [-1, 0, 0],
        [41_000.5, 0, 0],
      ]),
    ]).toEqual([7, 41_000]);
    compiled.dispose();
  });
});
