import { vectorsPerSecond } from '../model/cost.js';
import { BATCH_STEPS, CONCURRENCY_STEPS, placeOf, settingAt } from '../model/lattice.js';
import { type Extreme, extremesOf, type RateTable, tableOf } from './pareto.js';
import { allowedBy, type SearchAnswer, type SearchTask } from './search.js';

/**
 * The settings that are best at something, and that none beats in rate, latency, memory and number of requests at once, among
 * those that a search considered and the limits allow. Rates count up to what fills the path for certain.
 */
export function frontOf(task: SearchTask, answer: SearchAnswer): Extreme[] {
  if (answer.isByShares) return extremesOf(measuredRates(task, answer));
  const { ceilingVps = Number.POSITIVE_INFINITY, slowerBy = 1 } = task;
  return extremesOf(answer.rates.within(task.limits, ceilingVps * slowerBy));
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
  return {
    batchSizes: BATCH_SIZES,
    rows: BATCH_STEPS,
    concurrencies: CONCURRENCIES,
    columns: CONCURRENCY_STEPS,
    rates,
  };
}

const BATCH_SIZES = Array.from({ length: BATCH_STEPS }, (_, step) => 2 ** step);
const CONCURRENCIES = Array.from({ length: CONCURRENCY_STEPS }, (_, step) => 2 ** step);
