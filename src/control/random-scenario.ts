import type { Random } from '../core/random.js';
import { vectorsPerSecond } from '../model/cost.js';
import type { Scenario } from './scenario.js';

/** Loads last so long at the best setting's rate, ms. */
const DURATION_MS = [10_000, 300_000] as const;
/** A load of more requests than this at the best setting is cut short: it would only repeat itself. */
const MOST_REQUESTS = 8_000;
const DIMENSIONS = [96, 128, 384, 768, 1024, 1536];
/** Each of the troubles comes to a scenario on its own with this probability. */
const TROUBLE = 1 / 8;

/**
 * Draws a scenario from the distribution that learned policies are trained on and that policies are compared
 * over. "Log-uniform" is written a..b.
 *
 * - a vector costs 0.003..0.3 ms; 90 % of the rate of endless batches is reached at 16..4096 vectors, which
 *   gives the cost of a request (at least 0.2 ms)
 * - half of the databases have an interior optimum, at 256..16384 vectors or above that size
 * - the serial share sigma is uniform in 0.05 to 1; the cross-talk kappa puts the useful concurrency at 1..24
 * - jitter is uniform in 0.1 to 0.6 (the sweeps show 0.11 to 0.9, most of them 0.23 to 0.5)
 * - the load takes 10..300 s at the best setting
 * - half of the databases start cold; each of these comes to one in eight: slowing down with growth, stalls, a
 *   knee, a noisy neighbour, a wandering machine, a step change, a limit of rows (named or not), a limit of
 *   bytes, push-back
 */
export function randomScenario(random: Random): Scenario {
  const uniform = (low: number, high: number) => low + (high - low) * random.next();
  const log = (low: number, high: number) => low * (high / low) ** random.next();
  const perVectorMs = log(0.003, 0.3);
  const ninetyPercentRows = log(16, 4096);
  const fixedMs = Math.max(0.2, (perVectorMs * ninetyPercentRows) / 9);
  const interior = random.next() < 0.5;
  const optimum = Math.max(ninetyPercentRows, log(256, 16_384));
  const sigma = uniform(0.05, 1);
  const cost = {
    fixedMs,
    perVectorMs,
    // The rate b / (f + p b + s b log2 b) peaks where f = s b / ln 2.
    superLinearMs: interior ? (fixedMs * Math.LN2) / optimum : 0,
    sigma,
    kappa: (1 - sigma) / log(1, 24) ** 2,
  };
  const dimension = DIMENSIONS[random.integer(DIMENSIONS.length)]!;
  const jitter = uniform(0.1, 0.6);
  let best = { rate: 0, batchSize: 1 };
  for (let batchSize = 16; batchSize <= 16_384; batchSize *= 2) {
    for (let concurrency = 1; concurrency <= 32; concurrency *= 2) {
      const rate = vectorsPerSecond(cost, { batchSize, concurrency });
      if (rate > best.rate) best = { rate, batchSize };
    }
  }
  const durationMs = log(...DURATION_MS);
  const rows = Math.round(
    Math.max(1000, Math.min((best.rate * durationMs) / 1000, MOST_REQUESTS * best.batchSize)),
  );
  const lastsMs = (1000 * rows) / best.rate;
  const troubles: Partial<Scenario>[] = [
    { slowdownPerMillion: (log(0.2, 2) * 1e6) / rows },
    { stall: { everyRows: Math.ceil(rows / log(10, 100)), ms: log(0.001, 0.01) * lastsMs } },
    { knee: { inFlight: 2 + random.integer(7), base: uniform(1.1, 1.8) } },
    {
      neighbour: {
        everyMs: lastsMs / log(3, 20),
        forMs: (lastsMs / 20) * uniform(0.1, 0.5),
        factor: uniform(1.5, 4),
      },
    },
    { wander: { sd: uniform(0.05, 0.3), forMs: log(200, 5000) } },
    {
      steps: [{ atMs: lastsMs * uniform(0.2, 0.6), fixed: log(0.25, 16), perVector: log(0.5, 4) }],
    },
    { limits: { maxRows: Math.round(log(100, 4000)), tells: random.next() < 0.5 } },
    { limits: { maxBytes: Math.round(log(1e6, 64e6)) } },
    { pushBack: { inFlight: 1 + random.integer(8), retryAfterMs: Math.round(log(50, 1000)) } },
  ];
  const come = troubles.filter(() => random.next() < TROUBLE);
  const cold =
    random.next() < 0.5 ? { warmUp: { batches: 1 + random.integer(4), factor: uniform(1.5, 3) } } : {};
  return {
    ...Object.assign({}, ...come, cold),
    ...{ sentence: 'A random database and load.', dimension, rows, cost, jitter },
  };
}
