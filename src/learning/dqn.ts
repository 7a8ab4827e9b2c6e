import { bestOpen, DQNAgent, LAYERS } from '../control/dqn-agent.js';
import { BatchEnvironment, type EnvironmentStep } from '../control/environment.js';
import { Network } from '../control/network.js';
import { randomScenario } from '../control/random-scenario.js';
import { replay } from '../control/replay.js';
import type { Scenario } from '../control/scenario.js';
import { ACTIONS } from '../control/steered.js';
import { Random } from '../core/random.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { rateOf, toSample } from '../model/records.js';
import { Adam } from './dqn-adam.js';
import { ReplayMemory, type Transition } from './dqn-memory.js';

export interface DqnTrainingOptions {
  /** Same seed, same agent, bit for bit. Default 1. */
  readonly seed?: number;
  /** Rounds to live through. Default 60,000. */
  readonly steps?: number;
  /** To go on from, in place of random weights. */
  readonly agent?: DQNAgent;
  /** Execution records: half of the loads then replay them, the rest stay random so that nothing is forgotten. */
  readonly records?: readonly BatchExecutionRecord[];
  /** Scenarios to train in, in place of random ones. */
  readonly scenarios?: readonly Scenario[];
  /** Called about a hundred times. */
  readonly onProgress?: (progress: DqnProgress) => void;
}

export interface DqnProgress {
  readonly step: number;
  readonly steps: number;
  /** Mean reward of the last thousand rounds or so: 0 is the best rate throughout. */
  readonly reward: number;
}

/** Rounds of a load that are lived through at most: after that nothing new happens. */
const EPISODE_STEPS = 48;
const MEMORY = 20_000;
const BEFORE_LEARNING = 500;
const BATCH = 32;
const LEARN_EVERY = 2;
const TARGET_EVERY = 500;
const DISCOUNT = 0.9;
const LEARNING_RATE = 1e-3;
/** Huber's loss is linear beyond this. */
const LINEAR_BEYOND = 1;
/** Share of random actions: from the first to the second over the first half of the training. */
const EXPLORATION = [1, 0.05] as const;
/** Fine-tuning begins with this much exploration. */
const CAREFUL = 0.2;
const REPLAYED_SECONDS = 60;
/** Vectors per second: no database takes more, and simulating one that does would not end. */
const MOST_RATE = 1e7;

/**
 * Trains a deep Q-network in the simulator: double DQN (van Hasselt et al. 2016), uniform experience replay, a
 * target network, Huber's loss, Adam. Synchronous, a pure function of its options.
 */
export function trainDqn(options: DqnTrainingOptions = {}): DQNAgent {
  const { seed = 1, steps = 60_000, agent, records = [], onProgress } = options;
  const random = new Random(seed);
  const network = new Network(LAYERS, agent && Float64Array.from(agent.network.parameters));
  if (!agent) network.initialize(random);
  const target = new Network(LAYERS, Float64Array.from(network.parameters));
  const adam = new Adam(network.parameters.length, LEARNING_RATE);
  const memory = new ReplayMemory(MEMORY);
  const draw = scenarioSource(options.scenarios ?? [], records, random);
  const first = agent ? CAREFUL : EXPLORATION[0];
  let environment = new BatchEnvironment(draw());
  let now = begin(environment, random);
  let age = 0;
  let reward = -1;
  for (let step = 1; step <= steps; step++) {
    const share = Math.min(1, (2 * step) / steps);
    const exploration = first + share * (EXPLORATION[1] - first);
    const action =
      random.next() < exploration
        ? anyOpen(now.open, random)
        : bestOpen(network.forward(now.state), now.open);
    const next = environment.step(action);
    memory.add({ state: now.state, action, reward: next.reward, next: next.state, open: next.open });
    reward += 0.001 * (next.reward - reward);
    now = next;
    if (next.done || ++age >= EPISODE_STEPS) {
      environment = new BatchEnvironment(draw());
      now = begin(environment, random);
      age = 0;
    }
    if (step >= BEFORE_LEARNING && step % LEARN_EVERY === 0) {
      learn(network, target, memory, random);
      adam.step(network.parameters, network.gradient);
    }
    if (step % TARGET_EVERY === 0) target.parameters.set(network.parameters);
    if (onProgress && step % Math.ceil(steps / 100) === 0) onProgress({ step, steps, reward });
  }
  // What float32 holds exactly survives being saved.
  return new DQNAgent(new Network(LAYERS, Float64Array.from(Float32Array.from(network.parameters))));
}

/** One batch of the double DQN's loss: the network says which action comes next, the target what it is worth. */
function learn(network: Network, target: Network, memory: ReplayMemory, random: Random): void {
  network.gradient.fill(0);
  const errors = new Float64Array(ACTIONS.length);
  for (let k = 0; k < BATCH; k++) {
    const { state, action, reward, next, open }: Transition = memory.draw(random);
    const following = bestOpen(network.forward(next), open);
    const goal = reward + DISCOUNT * target.forward(next)[following]!;
    const error = network.forward(state)[action]! - goal;
    errors.fill(0);
    errors[action] = Math.max(-LINEAR_BEYOND, Math.min(LINEAR_BEYOND, error)) / BATCH;
    network.backward(errors);
  }
}

function begin(environment: BatchEnvironment, random: Random): EnvironmentStep {
  const batchSize = 2 ** (4 + random.integer(9));
  const concurrency = 2 ** random.integer(5);
  // Half of the loads begin where real ones do.
  return random.next() < 0.5
    ? environment.reset(random.uint32())
    : environment.reset(random.uint32(), { batchSize, concurrency });
}

function anyOpen(open: readonly boolean[], random: Random): number {
  const choices = ACTIONS.flatMap((_, action) => (open[action] ? [action] : []));
  return choices[random.integer(choices.length)]!;
}

function scenarioSource(
  scenarios: readonly Scenario[],
  records: readonly BatchExecutionRecord[],
  random: Random,
): () => Scenario {
  const pairs = new Map<string, BatchExecutionRecord[]>();
  for (const record of records) {
    const name = `${record.database_type}-${record.vector_dimension}`;
    pairs.set(name, [...(pairs.get(name) ?? []), record]);
  }
  const replays = [...pairs].flatMap(([name, own]) => {
    const rates = own.flatMap((record) => {
      const sample = toSample(record);
      return 'unmeasured' in sample ? [] : [rateOf(sample)];
    });
    const best = rates.reduce((a, b) => Math.max(a, b), 0);
    return best > 0 && best <= MOST_RATE ? [replay(own, name, Math.ceil(best * REPLAYED_SECONDS))] : [];
  });
  return () => {
    if (scenarios.length > 0) return scenarios[random.integer(scenarios.length)]!;
    const known = replays.length > 0 && random.next() < 0.5;
    return known ? replays[random.integer(replays.length)]! : randomScenario(random);
  };
}
