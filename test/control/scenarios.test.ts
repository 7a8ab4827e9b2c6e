import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ModelGuidedPolicy } from '../../src/control/model-guided.js';
import { expectedRate, oracle } from '../../src/control/oracle.js';
import { parseScenario } from '../../src/control/scenario.js';
import { simulate } from '../../src/control/simulate.js';
import { median } from '../../src/core/statistics.js';

const FOLDER = new URL('../scenarios/', import.meta.url);
const SEEDS = [1, 2, 3, 4, 5];
/** One of five loads may be unlucky by so much. */
const UNLUCKY = 0.15;
/** A load of fewer, at the oracle's setting, is mostly ramp. */
const FEW_REQUESTS = 100;
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
      const isShort = scenario.rows < FEW_REQUESTS * best.batchSize;
      const changes = scenario.steps !== undefined || scenario.neighbour !== undefined;
      expect(shareOfOracle[0]).toBe(isShort ? 0.6 : changes ? 0.7 : 0.8);
      expect(settledShare[0]).toBe(isShort ? 0 : 0.8);
      const shares: number[] = [];
      for (const seed of SEEDS) {
        const policy = new ModelGuidedPolicy({ initial: { batchSize: 128, concurrency: 1 } });
        const result = simulate(scenario, policy, seed);
        shares.push(result.vectorsPerSecond / best.vectorsPerSecond);
        const { totalMs, best: settled } = result;
        const rate = (setting: typeof settled) => expectedRate(scenario, setting, totalMs);
        const { batchSize, concurrency } = settled;
        within(
          rate(settled) / rate(best.schedule.at(-1)!),
          settledShare,
          `${batchSize} x ${concurrency}, seed ${seed}`,
        );
      }
      within(median(shares), shareOfOracle, 'median share of the oracle');
      expect(Math.min(...shares), 'least share').toBeGreaterThanOrEqual(shareOfOracle[0] - UNLUCKY);
    });
  }
});

function within(value: number, [low, high]: readonly [number, number], what: string): void {
  expect(value, what).toBeGreaterThanOrEqual(low);
  expect(value, what).toBeLessThanOrEqual(high);
}
