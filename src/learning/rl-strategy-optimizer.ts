import { readFile, rename, writeFile } from 'node:fs/promises';
import { AdaptiveController, type AdaptiveControllerOptions } from '../control/adaptive-controller.js';
import { DQNAgent } from '../control/dqn-agent.js';
import { trainedAgent } from '../control/trained-agent.js';
import { checkNumber } from '../core/check.js';
import { toVectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { Learner } from './learner.js';
import { slicesOf } from './tasks.js';

export interface RLTrainingOptions {
  /** Same seed, same agent, bit for bit. Default 1. */
  seed?: number;
  /** Rounds of batches to live through, about a millisecond each. Default 60,000. */
  steps?: number;
  /** What was measured: half of the simulated loads then replay it. Default: none. */
  records?: readonly BatchExecutionRecord[];
  /** Begins with random weights instead of the present agent. Default false. */
  fromScratch?: boolean;
  /** Called about a hundred times: share of the rounds that are over, and the recent mean reward (0 is the best rate throughout). */
  onProgress?: (progress: { share: number; reward: number }) => void;
  /** Ends the training with VBO_ERR_ABORTED; the agent stays as it was. */
  signal?: AbortSignal;
}

const MOST_STEPS = 1e8;
const PAGE_RECORDS = 2000;

/** A deep Q-network from its training to its use: trained in the learner's worker, kept in a file, put in charge of a load. */
export class RLStrategyOptimizer {
  readonly #learner = new Learner();
  #agent: DQNAgent;

  /** @param agent default: the one that comes with the package */
  constructor(agent: DQNAgent = trainedAgent()) {
    this.#agent = agent;
  }

  get agent(): DQNAgent {
    return this.#agent;
  }

  /**
   * Trains the present agent on, in the simulator and in replays of the records, off the event loop.
   * @throws VBO_ERR_ABORTED; VBO_ERR_ARGUMENT; VBO_ERR_CLOSED; VBO_ERR_LEARNER; VBO_ERR_RECORD
   */
  async train(options: RLTrainingOptions = {}): Promise<DQNAgent> {
    const { seed = 1, steps = 60_000, records = [], fromScratch = false, onProgress, signal } = options;
    checkNumber(seed, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
    checkNumber(steps, 'steps', { min: 1, max: MOST_STEPS, integer: true });
    const bytes = await this.#learner.run(
      'trainAgent',
      { seed, steps, ...(fromScratch ? {} : { agent: this.#agent.save() }) },
      {
        pages: () => slicesOf(records, PAGE_RECORDS),
        onProgress: ({ share, reward }) => {
          if (share !== undefined && reward !== undefined) onProgress?.({ share, reward });
        },
        ...(signal ? { signal } : {}),
      },
    );
    this.#agent = DQNAgent.load(bytes);
    return this.#agent;
  }

  /**
   * A controller with the agent in charge, watched and inside the guard.
   * @throws VBO_ERR_ARGUMENT
   */
  controller(options: Omit<AdaptiveControllerOptions, 'policy' | 'agent'> = {}): AdaptiveController {
    return new AdaptiveController({ ...options, policy: 'dqn', agent: this.#agent });
  }

  /**
   * Writes the agent to a file, whole or not at all.
   * @throws VBO_ERR_FILE_NOT_FOUND if the folder is missing or may not be written
   */
  async save(path: string): Promise<void> {
    try {
      await writeFile(`${path}.new`, this.#agent.save());
      await rename(`${path}.new`, path);
    } catch (error) {
      throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot write the agent ${path}`);
    }
  }

  /**
   * Reads an agent that {@link save} wrote.
   * @throws VBO_ERR_FILE_NOT_FOUND; VBO_ERR_AGENT if the file is damaged or of another version
   */
  static async load(path: string): Promise<RLStrategyOptimizer> {
    const bytes = await readFile(path).catch((error) => {
      throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot read the agent ${path}`);
    });
    return new RLStrategyOptimizer(DQNAgent.load(bytes));
  }

  /** Stops the worker; the agent stays usable. */
  async close(): Promise<void> {
    await this.#learner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
