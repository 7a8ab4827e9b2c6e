import { contention, serviceMs, vectorsPerSecond } from '../model/cost.js';
import { BATCH_STEPS, CONCURRENCY_STEPS, NODES, placeOf, settingAt } from '../model/lattice.js';
import { type FrontPoint, paretoFront } from './pareto.js';
import { allowedBy, type SearchAnswer, type SearchTask } from './search.js';

/**
 * The settings that none beats in rate, latency, memory and number of requests at once, among those that a search
 * considered and the limits allow. Its choice is one of them. Rates count up to what fills the path for certain.
 */
export function frontOf(task: SearchTask, answer: SearchAnswer): FrontPoint[] {
  return answer.isByShares ? measuredFront(task, answer) : predictedFront(task, answer);
}

function predictedFront(task: SearchTask, { axes }: SearchAnswer): FrontPoint[] {
  const { cost, limits, ceilingVps = Number.POSITIVE_INFINITY, slowerBy = 1 } = task;
  const isAllowed = allowedBy(task);
  const batchSizes = Array.from(axes.batchSizes).filter((batchSize) =>
    isAllowed({ batchSize, concurrency: 1 }),
  );
  const most = limits.maxConcurrency ?? Number.POSITIVE_INFINITY;
  const concurrencies = Array.from(axes.concurrencies).filter((concurrency) => concurrency <= most);
  const perRequest = concurrencies.map((concurrency) => contention(cost, concurrency) / concurrency);
  const rates = new Float64Array(batchSizes.length * concurrencies.length);
  for (const [row, batchSize] of batchSizes.entries()) {
    const service = serviceMs(cost, batchSize) / (1000 * batchSize);
    for (const [column, concurrency] of concurrencies.entries()) {
      if (!isAllowed({ batchSize, concurrency })) continue;
      const rate = 1 / (service * perRequest[column]!);
      rates[row * concurrencies.length + column] = Math.min(rate, ceilingVps * slowerBy);
    }
  }
  return paretoFront({ batchSizes, concurrencies, rates });
}

/** By the expected shares of what was measured, at the level that the cost model predicts for the choice. */
function measuredFront(task: SearchTask, { chosen }: SearchAnswer): FrontPoint[] {
  const shares = task.shares!;
  const isAllowed = allowedBy(task);
  const level = vectorsPerSecond(task.cost, chosen) / shares[placeOf(chosen).nodes[0]!]!;
  const rates = Float64Array.from({ length: NODES }, (_, node) =>
    isAllowed(settingAt(node)) ? level * shares[node]! : 0,
  );
  return paretoFront({
    batchSizes: Array.from({ length: BATCH_STEPS }, (_, step) => 2 ** step),
    concurrencies: Array.from({ length: CONCURRENCY_STEPS }, (_, step) => 2 ** step),
    rates,
  });
}
