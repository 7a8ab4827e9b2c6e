import type { Random } from '../core/random.js';
import type { Failure } from './ports.js';

const FIRST_DELAY_MS = 200;
/** A receiver that pushes back is left alone ever longer; one that failed is asked often enough to notice its return. */
const MOST_DELAY_MS: Readonly<Record<'backOff' | 'retry', number>> = { backOff: 30_000, retry: 5_000 };
/** A server that asks for more patience than this is asked again all the same. */
const MOST_RETRY_AFTER_MS = 120_000;

/**
 * How long to wait before attempt `attempt + 1`, ms: exponential from 200 ms to 5 s, or 30 s for push-back, with half
 * of it random ("equal jitter"), so that requests that failed together do not come back together; never less
 * than the sink asked for, up to two minutes.
 */
export function retryDelayMs(failure: Failure, attempt: number, random: Random): number {
  const isPushBack = failure.kind === 'backOff';
  const most = MOST_DELAY_MS[isPushBack ? 'backOff' : 'retry'];
  const full = Math.min(most, FIRST_DELAY_MS * 2 ** (attempt - 1));
  const wanted = isPushBack ? Math.min(failure.retryAfterMs ?? 0, MOST_RETRY_AFTER_MS) : 0;
  return Math.max(full * (0.5 + 0.5 * random.next()), wanted);
}
