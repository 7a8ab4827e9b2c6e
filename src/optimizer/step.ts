import { checkNumber } from '../core/check.js';
import { MAX_BATCH_SIZE } from '../core/limits.js';
import { formatDuration } from '../core/units.js';
import { fieldsOf } from './arguments.js';
import { formatVectors } from './explanation.js';

export interface StepRequest {
  /** How long the last batch took, ms. */
  executionTimeMs: number;
  currentBatchSize: number;
  /** How long a batch may take, ms. */
  performanceThresholdMs: number;
}

export interface Step {
  /** For the next batch. */
  readonly batchSize: number;
  readonly action: 'increase' | 'decrease' | 'hold';
  readonly explanation: string;
}

/** Below the threshold by this much, so that ordinary scatter does not pass it. */
const AIM = 0.9;
/** Between this share of the threshold and the threshold itself a batch is left as it is. */
const DEAD_BAND = 0.8;
/** A step is at most half as much again (as Weaviate's dynamic batching grows), or half. */
const LARGEST_GROWTH = 1.5;
const LARGEST_CUT = 0.5;

/**
 * The next batch size from the time that the last batch took: proportional, aimed at 90 % of the threshold,
 * at most x1.5 up or x0.5 down a step, and unchanged while the time is between 80 % and 100 % of the
 * threshold. Being proportional it needs a handful of steps where a fixed step of 10 % needs dozens.
 * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds.
 */
export function stepBatchSize(request: StepRequest): Step {
  fieldsOf(request, 'request');
  const time = checkNumber(request.executionTimeMs, 'executionTimeMs', { min: 0, max: 1e12 });
  const threshold = checkNumber(request.performanceThresholdMs, 'performanceThresholdMs', {
    min: 1e-3,
    max: 1e12,
  });
  const current = checkNumber(request.currentBatchSize, 'currentBatchSize', {
    min: 1,
    max: MAX_BATCH_SIZE,
    integer: true,
  });
  const took = `A batch of ${formatVectors(current)} took ${formatDuration(time)}, ${formatDuration(threshold)} are allowed`;
  if (time >= DEAD_BAND * threshold && time <= threshold) {
    return { batchSize: current, action: 'hold', explanation: `${took}: near enough to stay.` };
  }
  const factor = Math.min(LARGEST_GROWTH, Math.max(LARGEST_CUT, (AIM * threshold) / time));
  const batchSize =
    factor > 1
      ? Math.min(MAX_BATCH_SIZE, Math.max(current + 1, Math.floor(current * factor)))
      : Math.max(1, Math.min(current - 1, Math.round(current * factor)));
  if (batchSize === current) {
    return {
      batchSize,
      action: 'hold',
      explanation: `${took}, and the batch is as ${factor > 1 ? 'large' : 'small'} as it can be.`,
    };
  }
  return {
    batchSize,
    action: factor > 1 ? 'increase' : 'decrease',
    explanation: `${took}: the next has ${formatVectors(batchSize)}, ${factor.toFixed(2)} times as many.`,
  };
}
