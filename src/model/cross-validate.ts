import type { Random } from '../core/random.js';

/** A part must lower the held-out error to this share to be heard. */
export const WORTHWHILE = 0.95;

/**
 * Errors of predictions for items that the predictor was not fitted to: the items are dealt into `folds` at random, and
 * each fold is predicted by a fit to the others.
 * @param learn makes a predictor of log(rate) from the items it is given
 * @param relevance how much an item's error counts. Default: as much as any other's
 * @returns mean absolute error
 */
export function heldOutError<T>(
  items: readonly T[],
  target: (item: T) => number,
  learn: (training: readonly T[]) => (item: T) => number,
  random: Random,
  folds = 5,
  relevance: (item: T) => number = () => 1,
): number {
  const order = random.shuffle(items.map((_, i) => i));
  let sum = 0;
  for (let fold = 0; fold < folds; fold++) {
    const held = new Set(order.filter((_, k) => k % folds === fold));
    const predict = learn(items.filter((_, i) => !held.has(i)));
    for (const i of held) sum += relevance(items[i]!) * Math.abs(predict(items[i]!) - target(items[i]!));
  }
  return sum / items.reduce((total, item) => total + relevance(item), 0);
}
