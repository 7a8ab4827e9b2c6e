import { readFile, rename, writeFile } from 'node:fs/promises';
import { AdaptiveController, type AdaptiveControllerOptions } from '../control/adaptive-controller.js';
import { DQNAgent } from '../control/dqn-agent.js';
import { trainedAgent } from '../control/trained-agent.js';
import { toVectorBatchError } from '../core/errors.js';
import { type DqnTrainingOptions, trainDqn } from './dqn.js';

/** A deep Q-network from its training to its use: trained, kept in a file, put in charge of a load. */
export class RLStrategyOptimizer {
  #agent: DQNAgent;

  /** @param agent default: the one that comes with the package */
  constructor(agent: DQNAgent = trainedAgent()) {
    this.#agent = agent;
  }

  get agent(): DQNAgent {
    return this.#agent;
  }

  /**
   * Trains the present agent on, in the simulator and, with `records`, in replays of what was measured; see
   * {@link trainDqn}. It takes about a millisecond a round on the calling thread.
   */
  train(options: DqnTrainingOptions = {}): DQNAgent {
    this.#agent = trainDqn({ agent: this.#agent, ...options });
    return this.#agent;
  }

  /** A controller with the agent in charge, watched and inside the guard. */
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
}
