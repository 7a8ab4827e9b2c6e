import { contention, serviceMs, vectorsPerSecond } from '../model/cost.js';
import { BATCH_STEPS, CONCURRENCY_STEPS, placeOf, settingAt } from '../model/lattice.js';
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
  const columns = concurrencies.length;
  const filling = ceilingVps * slowerBy;
  const batchSizes: number[] = [];
  const rates = tableOf(axes.batchSizes.length * columns);
  // What is not allowed to a batch size is not allowed to any larger one.
  let allowed = columns;
  for (let row = 0; row < axes.batchSizes.length; row++) {
    const batchSize = axes.batchSizes[row]!;
    while (allowed > 0 && !isAllowed(batchSize, concurrencies[allowed - 1]!)) allowed--;
    if (allowed === 0) break;
    batchSizes.push(batchSize);
    const perVector = serviceMs(cost, batchSize) / (1000 * batchSize);
    for (let column = 0; column < columns; column++) {
      rates[row * columns + column] =
        column < allowed ? Math.min(1 / (perVector * perRequest[column]!), filling) : 0;
    }
  }
  return { batchSizes, concurrencies, rates };
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
  const rates = tableOf(BATCH_STEPS * CONCURRENCY_STEPS);
  for (let node = 0; node < BATCH_STEPS * CONCURRENCY_STEPS; node++) {
    const { batchSize, concurrency } = settingAt(node);
    rates[node] = isAllowed(batchSize, concurrency) ? level * shares[node]! : 0;
  }
  return { batchSizes: BATCH_SIZES, concurrencies: CONCURRENCIES, rates };
}

/** Kept from front to front: memory for a new table takes longer than to fill it. */
let latest = new Float64Array(4096);

function tableOf(cells: number): Float64Array {
  if (latest.length < cells) latest = new Float64Array(cells);
  return latest;
}

const BATCH_SIZES = Array.from({ length: BATCH_STEPS }, (_, step) => 2 ** step);
const CONCURRENCIES = Array.from({ length: CONCURRENCY_STEPS }, (_, step) => 2 ** step);
