import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import { AimdPolicy } from './aimd.js';
import type { DQNAgent } from './dqn-agent.js';
import { FixedPolicy } from './fixed.js';
import { GradientPolicy } from './gradient.js';
import { ModelGuidedPolicy } from './model-guided.js';
import type { Policy } from './policy.js';
import { SteeredPolicy } from './steered.js';
import { trainedAgent } from './trained-agent.js';
import { Watchdog } from './watchdog.js';

export const POLICY_NAMES = ['model-guided', 'gradient', 'aimd', 'dqn', 'fixed'] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

export interface PolicyOptions {
  /** Where to begin; for `fixed`, where to stay. */
  readonly initial: Setting;
  /** Shape of the cost before anything is measured. */
  readonly prior?: CostModel;
  /** For `dqn`. Default: the one that comes with the package. */
  readonly agent?: DQNAgent;
}

/** Makes a policy for one load. It still needs a {@link Guard} around it. */
export function createPolicy(name: PolicyName, options: PolicyOptions): Policy {
  switch (name) {
    case 'fixed':
      return new FixedPolicy(options.initial);
    case 'aimd':
      return new AimdPolicy(options);
    case 'gradient':
      return new GradientPolicy(options);
    case 'dqn':
      return new Watchdog(agentPolicy(options), new ModelGuidedPolicy(options));
    case 'model-guided':
      return new ModelGuidedPolicy(options);
  }
}

/** The agent alone: what it does when nobody watches. */
export function agentPolicy({ initial, agent = trainedAgent() }: PolicyOptions): Policy {
  return new SteeredPolicy(initial, 'dqn', (seen) => agent.act(seen));
}
