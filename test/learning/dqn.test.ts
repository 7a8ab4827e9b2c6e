import { describe, expect, it } from 'vitest';
import { DQNAgent, LAYERS } from '../../src/control/dqn-agent.js';
import { BatchEnvironment } from '../../src/control/environment.js';
import { Network } from '../../src/control/network.js';
import { randomScenario } from '../../src/control/random-scenario.js';
import type { Scenario } from '../../src/control/scenario.js';
import { ACTIONS, STATE } from '../../src/control/steered.js';
import { Random } from '../../src/core/random.js';
import { trainDqn } from '../../src/learning/dqn.js';

/** Every doubling of the batch nearly doubles the rate, and more in flight gain nothing: there is one thing to learn. */
const BATCH_MATTERS: Scenario = {
  ...{ sentence: '', dimension: 128, rows: 5_000_000, jitter: 0.1 },
  cost: { fixedMs: 40, perVectorMs: 0.005, superLinearMs: 0, sigma: 1, kappa: 0.05 },
};

/** Mean reward of the rounds 12 to 24 of a load. */
function rewardOf(agent: DQNAgent): number {
  const environment = new BatchEnvironment(BATCH_MATTERS);
  let now = environment.reset(7);
  let sum = 0;
  for (let round = 0; round < 24; round++) {
    now = environment.step(agent.act(now));
    if (round >= 12) sum += now.reward;
  }
  return sum / 12;
}

describe('training a deep Q-network', () => {
  const agent = trainDqn({ seed: 5, steps: 3000, scenarios: [BATCH_MATTERS] });

  it('learns an environment in which the batch is all that matters', () => {
    expect(rewardOf(trainDqn({ seed: 5, steps: 1, scenarios: [BATCH_MATTERS] }))).toBeLessThan(-0.3);
    expect(rewardOf(agent)).toBeGreaterThan(-0.1);
  });

  it('gives the same agent for the same seed, and another for another', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => trainDqn({ seed, steps: 700 }).save());
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('goes on from an agent and from records without changing what it was given', () => {
    const before = agent.save();
    const records = [16, 64, 256, 1024].flatMap((batch_size) =>
      [1, 2, 4].map((concurrency) => ({
        ...{ database_type: 'lancedb', vector_dimension: 128, batch_size, concurrency, success: true },
        ...{ item_count: 100_000, throughput_vps: 1000 * batch_size ** 0.5 },
      })),
    );
    const tuned = trainDqn({ seed: 2, steps: 1200, agent, records });
    expect(agent.save()).toEqual(before);
    expect(tuned.save()).not.toEqual(before);
    expect(rewardOf(tuned)).toBeGreaterThan(-0.3);
  });

  it('learns numbers from records that measured nothing, or with a clock that is too coarse', () => {
    const records = [16, 64, 256, 1024].flatMap((batch_size) => {
      const record = { vector_dimension: 128, batch_size, concurrency: 1, success: true };
      return [
        { ...record, database_type: 'lancedb', item_count: 1, throughput_vps: 5000 },
        { ...record, database_type: 'chroma', throughput_vps: 9e15 },
        { ...record, database_type: 'sqlite', throughput_vps: 1e12 },
        { ...record, database_type: 'qdrant', throughput_vps: 5000 },
      ].map((one) => ({ ...one, batches: 50, batch_p50_ms: 0, batch_p95_ms: 1 }));
    });
    const trained = trainDqn({ seed: 3, steps: 1200, records });
    expect(trained.network.parameters.every(Number.isFinite)).toBe(true);
  });

  it('tells of its progress', () => {
    const steps: number[] = [];
    trainDqn({ steps: 1000, scenarios: [BATCH_MATTERS], onProgress: ({ step }) => steps.push(step) });
    expect(steps).toHaveLength(100);
    expect(steps.at(-1)).toBe(1000);
  });
});

describe('a saved agent', () => {
  const agent = trainDqn({ seed: 9, steps: 800 });

  it('is refused with weights that are no numbers', () => {
    const parameters = Float64Array.from(agent.network.parameters).fill(Number.NaN, 7, 8);
    const saved = new DQNAgent(new Network(LAYERS, parameters)).save();
    expect(() => DQNAgent.load(saved)).toThrow(
      expect.objectContaining({ code: 'VBO_ERR_AGENT', message: expect.stringContaining('no numbers') }),
    );
  });

  it('decides the same after it was loaded', () => {
    const loaded = DQNAgent.load(agent.save());
    const random = new Random(4);
    const open = ACTIONS.map(() => true);
    for (let k = 0; k < 500; k++) {
      const state = Float64Array.from(STATE, () => random.normal());
      expect(loaded.act({ state, open })).toBe(agent.act({ state, open }));
      expect([...loaded.network.forward(state)]).toEqual([...agent.network.forward(state)]);
    }
  });

  it('is refused when damaged, cut short, foreign or of another version', () => {
    const refused = (change: (bytes: Uint8Array) => Uint8Array, message: RegExp) =>
      expect(() => DQNAgent.load(change(agent.save()))).toThrow(
        expect.objectContaining({ code: 'VBO_ERR_AGENT', message: expect.stringMatching(message) }),
      );
    const set = (at: number, value: number) => (bytes: Uint8Array) => bytes.fill(value, at, at + 1);
    refused((bytes) => bytes.subarray(0, 9), /9 bytes/);
    refused((bytes) => bytes.subarray(0, -4), /bytes, expected/);
    refused(set(0, 0), /VBOQ/);
    refused(set(4, 99), /version 99, expected 1/);
    refused((bytes) => bytes.fill(bytes[200]! ^ 1, 200, 201), /checksum/);
  });
});

describe('the environment', () => {
  it('gives the same rounds for the same seed and actions', () => {
    const play = (seed: number) => {
      const environment = new BatchEnvironment(randomScenario(new Random(11)));
      const rewards = [environment.reset(seed).reward];
      for (const action of [1, 1, 3, 0, 2, 4]) rewards.push(environment.step(action).reward);
      return rewards;
    };
    expect(play(1)).toEqual(play(1));
    expect(play(1)).not.toEqual(play(2));
  });

  it('says which actions lead nowhere, and ends when everything is stored', () => {
    const environment = new BatchEnvironment({ ...BATCH_MATTERS, rows: 3000 });
    let now = environment.reset(1);
    expect(now.setting).toEqual({ batchSize: 128, concurrency: 1 });
    expect(now.state).toHaveLength(STATE.length);
    expect(ACTIONS[now.open.indexOf(false)]).toBe('permits down');
    for (let round = 0; round < 50 && !now.done; round++) now = environment.step(0);
    expect(now.done).toBe(true);
    expect(environment.step(1)).toBe(now);
  });
});
