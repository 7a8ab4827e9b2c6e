/**
 * Trains the agent that comes with the package and writes `src/control/trained-agent.ts`; the same every time.
 *
 *     npx tsx bench/train-dqn.ts > trained-agent.ts && mv trained-agent.ts src/control/trained-agent.ts
 */
import { trainDqn } from '../src/learning/dqn.js';

const SEED = 1;

const agent = trainDqn({
  seed: SEED,
  onProgress: ({ step, steps, reward }) =>
    process.stderr.write(`round ${step} of ${steps}, mean reward ${reward.toFixed(3)}\n`),
});

process.stdout.write(`import { DQNAgent } from './dqn-agent.js';

/** Written by \`bench/train-dqn.ts\`, seed ${SEED}; not edited by hand. Base64 of what \`DQNAgent.save\` gives. */
const SAVED =
  '${Buffer.from(agent.save()).toString('base64')}';

let agent: DQNAgent | undefined;

/** The agent that comes with the package, trained in the simulator alone. */
export function trainedAgent(): DQNAgent {
  agent ??= DQNAgent.load(Uint8Array.from(atob(SAVED), (character) => character.charCodeAt(0)));
  return agent;
}
`);
