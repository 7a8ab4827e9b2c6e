import { contention, serviceMs, vectorsPerSecond } from '../model/cost.js';
import { BATCH_STEPS, CONCURRENCY_STEPS, placeOf } from '../model/lattice.js';
import { type Front, paretoFront, type RateTable } from './pareto.js';
import { allowedBy, type SearchAnswer, type SearchTask } from './search.js';

/**
 * The settings that none beats in rate, latency, memory and number of requests at once, among those that a search
 * considered and the limits allow. Its choice is one of them. Rates count up to what fills the path for certain.
 */
export function frontOf(task: SearchTask, answer: SearchAnswer): Front {
  return paretoFront(answer.isByShares ? measuredRates(task, answer) : predictedRates(task, answer));
}

function predictedRates(task: SearchTask, { axes }: SearchAnswer): RateTable {
  const { cost, ceilingVps = Number.POSITIVE_INFINITY, slowerBy = 1 } = task;
  const isAllowed = allowedBy(task);
  const { concurrencies, perRequest } = upToFastest(task, axes.concurrencies);
  const batchSizes: number[] = [];
  const service: number[] = [];
  for (let k = 0; k < axes.batchSizes.length; k++) {
    const batchSize = axes.batchSizes[k]!;
    if (!isAllowed(batchSize, 1)) break;
    batchSizes.push(batchSize);
    service.push(serviceMs(cost, batchSize) / (1000 * batchSize));
  }
  const filling = ceilingVps * slowerBy;
  return {
    batchSizes,
    concurrencies,
    rateOf: (row, column) =>
      isAllowed(batchSizes[row]!, concurrencies[column]!)
        ? Math.min(1 / (service[row]! * perRequest[column]!), filling)
        : 0,
  };
}

/** More in flight than are allowed, or than are fastest, are on no front. */
function upToFastest({ cost, limits }: SearchTask, candidates: ArrayLike<number>) {
  const concurrencies: number[] = [];
  const perRequest: number[] = [];
  let fastest = 0;
  for (let k = 0; k < candidates.length; k++) {
    const concurrency = candidates[k]!;
    if (limits.maxConcurrency !== undefined && concurrency > limits.maxConcurrency) break;
    concurrencies.push(concurrency);
    perRequest.push(contention(cost, concurrency) / concurrency);
    if (perRequest[k]! < perRequest[fastest]!) fastest = k;
  }
  concurrencies.length = fastest + 1;
  return { concurrencies, perRequest };
}

/** By the expected shares of what was measured, at the level that the cost model predicts for the choice. */
function measuredRates(task: SearchTask, { chosen }: SearchAnswer): RateTable {
  const shares = task.shares!;
  const isAllowed = allowedBy(task);
  const level = vectorsPerSecond(task.cost, chosen) / shares[placeOf(chosen).nodes[0]!]!;
  return {
    batchSizes: BATCH_SIZES,
    concurrencies: CONCURRENCIES,
    rateOf: (row, column) =>
      isAllowed(BATCH_SIZES[row]!, CONCURRENCIES[column]!)
        ? level * shares[row * CONCURRENCY_STEPS + column]!
        : 0,
  };
}

const BATCH_SIZES = Array.from({ length: BATCH_STEPS }, (_, step) => 2 ** step);
const CONCURRENCIES = Array.from({ length: CONCURRENCY_STEPS }, (_, step) => 2 ** step);
