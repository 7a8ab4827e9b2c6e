import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { parseScenario } from '../../src/control/scenario.js';
import { oracle, simulate } from '../../src/control/simulate.js';

const FOLDER = new URL('../scenarios/', import.meta.url);
const SEEDS = [1, 2, 3, 4, 5];

describe('the default policy in every scenario', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.json'))) {
    const scenario = parseScenario(readFileSync(new URL(file, FOLDER), 'utf8'), file);
    it(`${file}: ${scenario.sentence}`, () => {
      const best = oracle(scenario);
      for (const seed of SEEDS) {
        const policy = new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });
        const result = simulate(scenario, policy, seed);
        const share = result.vectorsPerSecond / best.vectorsPerSecond;
        within(share, scenario.bands.shareOfOracle, `share of the oracle, seed ${seed}`);
        within(result.best.batchSize, scenario.bands.batchSize, `batch size, seed ${seed}`);
        within(result.best.concurrency, scenario.bands.concurrency, `concurrency, seed ${seed}`);
      }
    });
  }
});

function within(value: number, [low, high]: readonly [number, number], what: string): void {
  expect(value, what).toBeGreaterThanOrEqual(low);
  expect(value, what).toBeLessThanOrEqual(high);
}
