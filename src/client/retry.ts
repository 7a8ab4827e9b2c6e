import type { Random } from '../core/random.js';

export interface RetryOptions {
  /** Attempts beyond the first. Default 4. */
  retries?: number;
  /** The first pause, ms; each further one is twice as long. Default 200. */
  retryDelayMs?: number;
  /** No pause is longer, ms, unless the service asks for more by Retry-After. Default 5000. */
  maxRetryDelayMs?: number;
  /** Seed of what is drawn at random, for the same pauses again. Default: another for every client. */
  seed?: number;
}

const DEFAULT_RETRIES = 4;
const DEFAULT_DELAY_MS = 200;
const DEFAULT_MAX_DELAY_MS = 5000;

/**
 * How long to wait after so many failures, ms; undefined when it is enough. Between half of the pause and all of it, so
 * that callers who failed together do not come back together. What Retry-After asks for (seconds, or a date, which is
 * taken as unknown) is the least.
 */
export function retryDelayMs(
  options: RetryOptions,
  random: Random,
  failures: number,
  retryAfter: string | undefined,
): number | undefined {
  if (failures >= (options.retries ?? DEFAULT_RETRIES)) return undefined;
  const pauseMs = Math.min(
    options.maxRetryDelayMs ?? DEFAULT_MAX_DELAY_MS,
    (options.retryDelayMs ?? DEFAULT_DELAY_MS) * 2 ** failures,
  );
  const askedMs = 1000 * Number(retryAfter);
  return Math.max(pauseMs * (0.5 + random.next() / 2), Number.isFinite(askedMs) ? askedMs : 0);
}
