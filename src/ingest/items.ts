import type { Parcel } from './delivery.js';

/** Items of a caller on their way through an operation: a stretch of the array they came in. */
export class Items<T> implements Parcel<Items<T>> {
  /** Index of the first in the caller's array. */
  readonly first: number;
  readonly items: readonly T[];
  readonly #weights: Float64Array | undefined;
  mayBeStored = false;

  /** @param weights of all items of the caller; each weighs 1 if left out */
  constructor(first: number, items: readonly T[], weights: Float64Array | undefined) {
    this.first = first;
    this.items = items;
    this.#weights = weights;
  }

  get count(): number {
    return this.items.length;
  }

  /** Weight of the items together. */
  get bytes(): number {
    const own = this.#weights?.subarray(this.first, this.first + this.count);
    return own ? own.reduce((sum, weight) => sum + weight, 0) : this.count;
  }

  halves(): [Items<T>, Items<T>] {
    const middle = Math.ceil(this.count / 2);
    return [
      new Items(this.first, this.items.slice(0, middle), this.#weights),
      new Items(this.first + middle, this.items.slice(middle), this.#weights),
    ];
  }
}
