/** Positions `from` (inclusive) to `to` (exclusive). */
export type Range = readonly [from: number, to: number];

/**
 * A set of positions as sorted, disjoint, non-touching ranges. A load settles its positions almost in order,
 * so the ranges are few and changes happen near the end, where they are cheap.
 */
export class RangeSet {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  #size = 0;

  constructor(ranges: Iterable<Range> = []) {
    for (const [from, to] of ranges) this.add(from, to);
  }

  /** Positions in the set. */
  get size(): number {
    return this.#size;
  }

  /** The end of the last range; 0 of an empty set. */
  get end(): number {
    return this.#to.at(-1) ?? 0;
  }

  get ranges(): Range[] {
    return this.#from.map((from, index) => [from, this.#to[index]!]);
  }

  /** Adds the positions from `from` to before `to`; those already in the set stay. */
  add(from: number, to: number): void {
    if (to <= from) return;
    // Every range that overlaps or touches the new one becomes a part of it.
    const first = this.#firstEndingAtOrAfter(from);
    let last = first;
    let merged: [number, number] = [from, to];
    for (; last < this.#from.length && this.#from[last]! <= to; last++) {
      merged = [Math.min(merged[0], this.#from[last]!), Math.max(merged[1], this.#to[last]!)];
      this.#size -= this.#to[last]! - this.#from[last]!;
    }
    this.#from.splice(first, last - first, merged[0]);
    this.#to.splice(first, last - first, merged[1]);
    this.#size += merged[1] - merged[0];
  }

  has(position: number): boolean {
    const index = this.#firstEndingAtOrAfter(position + 1);
    return index < this.#from.length && this.#from[index]! <= position;
  }

  /** The first position at or after `position` that is not in the set. */
  firstMissing(position = 0): number {
    const index = this.#firstEndingAtOrAfter(position + 1);
    return index < this.#from.length && this.#from[index]! <= position ? this.#to[index]! : position;
  }

  /** How many positions below `limit` are in the set. */
  countBelow(limit: number): number {
    let count = 0;
    for (let i = 0; i < this.#from.length && this.#from[i]! < limit; i++) {
      count += Math.min(limit, this.#to[i]!) - this.#from[i]!;
    }
    return count;
  }

  /** Index of the first range with an end of at least `position`. */
  #firstEndingAtOrAfter(position: number): number {
    let low = 0;
    let high = this.#to.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#to[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Ascending positions as ranges. */
export function rangesOf(positions: Iterable<number>): Range[] {
  const ranges: [number, number][] = [];
  for (const position of positions) {
    const last = ranges.at(-1);
    if (last?.[1] === position) last[1]++;
    else ranges.push([position, position + 1]);
  }
  return ranges;
}
