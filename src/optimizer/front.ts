import { vectorsPerSecond } from '../model/cost.js';
import { BATCH_STEPS, CONCURRENCY_STEPS, placeOf, settingAt } from '../model/lattice.js';
import { type Extreme, Extremes } from './pareto.js';
import { allowedBy, type SearchAnswer, type SearchTask } from './search.js';

/**
 * The settings that are best at something, and that none beats in rate, latency, memory and number of requests at once, among
 * those that a search considered and the limits allow. Rates count up to what fills the path for certain.
 */
export function frontOf(task: SearchTask, answer: SearchAnswer): Extreme[] {
  if (answer.isByShares) return measuredFront(task, answer);
  const { ceilingVps = Number.POSITIVE_INFINITY, slowerBy = 1 } = task;
  return answer.rates.extremes(task.limits, ceilingVps * slowerBy);
}

/** By the expected shares of what was measured, at the level that the cost model predicts for the choice. */
function measuredFront(task: SearchTask, { chosen }: SearchAnswer): Extreme[] {
  const shares = task.shares!;
  const isAllowed = allowedBy(task);
  const level = vectorsPerSecond(task.cost, chosen) / shares[placeOf(chosen).nodes[0]!]!;
  const rates = shares.map((share, node) => {
    const { batchSize, concurrency } = settingAt(node);
    return isAllowed(batchSize, concurrency) ? level * share : 0;
  });
  const extremes = new Extremes(Math.max(...rates));
  for (let row = 0; row < BATCH_STEPS; row++) {
    for (let column = CONCURRENCY_STEPS - 1; column >= 0; column--) {
      const node = row * CONCURRENCY_STEPS + column;
      const { batchSize, concurrency } = settingAt(node);
      extremes.offer(batchSize, concurrency, rates[node]!);
    }
  }
  return extremes.found();
}
