import type { Random } from '../core/random.js';

const FIRST_DELAY_MS = 200;
const MOST_DELAY_MS = 30_000;
/** A server that asks for more patience than this is asked again all the same. */
const MOST_RETRY_AFTER_MS = 120_000;

/**
 * How long to wait before attempt `attempt + 1`, ms: exponential from 200 ms to 30 s with half of it random
 * ("equal jitter"), so that requests that failed together do not come back together; never less than the
 * sink asked for, up to two minutes.
 */
export function retryDelayMs(attempt: number, random: Random, retryAfterMs = 0): number {
  const full = Math.min(MOST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return Math.max(full * (0.5 + 0.5 * random.next()), Math.min(retryAfterMs, MOST_RETRY_AFTER_MS));
}
