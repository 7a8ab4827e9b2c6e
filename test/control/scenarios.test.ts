import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { expectedRate, oracle } from '../../src/control/oracle.js';
import { parseScenario } from '../../src/control/scenario.js';
import { simulate } from '../../src/control/simulate.js';

const FOLDER = new URL('../scenarios/', import.meta.url);
const SEEDS = [1, 2, 3, 4, 5];
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

describe('the default policy in every scenario', () => {
  it('there are more than twenty of them', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  for (const file of files) {
    const scenario = parseScenario(readFileSync(new URL(file, FOLDER), 'utf8'), file);
    it(`${file}: ${scenario.sentence}`, () => {
      const best = oracle(scenario);
      const { shareOfOracle, settledShare } = scenario.bands!;
      const seconds = scenario.rows / best.vectorsPerSecond;
      const changes = scenario.steps !== undefined || scenario.neighbour !== undefined;
      expect(seconds < 2 || seconds >= 10, `lasts ${seconds} s`).toBe(true);
      expect(shareOfOracle[0]).toBe(seconds < 2 ? 0.6 : changes ? 0.7 : 0.8);
      expect(settledShare[0]).toBe(seconds < 2 ? 0 : 0.8);
      for (const seed of SEEDS) {
        const policy = new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });
        const result = simulate(scenario, policy, seed);
        const share = result.vectorsPerSecond / best.vectorsPerSecond;
        within(share, shareOfOracle, `share of the oracle, seed ${seed}`);
        const { totalMs, best: settled } = result;
        const rate = (setting: typeof settled) => expectedRate(scenario, setting, totalMs);
        const { batchSize, concurrency } = settled;
        within(
          rate(settled) / rate(best.schedule.at(-1)!),
          settledShare,
          `${batchSize} x ${concurrency}, seed ${seed}`,
        );
      }
    });
  }
});

function within(value: number, [low, high]: readonly [number, number], what: string): void {
  expect(value, what).toBeGreaterThanOrEqual(low);
  expect(value, what).toBeLessThanOrEqual(high);
}
