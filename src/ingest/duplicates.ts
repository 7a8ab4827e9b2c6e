import type { Id } from './ports.js';

const FIRST_SLOTS = 1024;
const MOST_FILLED = 0.7;
const BYTES_PER_SLOT = 8;

/**
 * Remembers which ids a load has met: an open-addressing set of 64-bit hashes, 8 bytes a slot. Two different
 * ids are taken for the same with a probability of n^2 / 2^65 over a whole load of n ids (3e-6 for ten
 * million); such a record ends in the dead letters like a true duplicate, it is not lost.
 */
export class DuplicateFilter {
  readonly #limitBytes: number;
  #slots = new Uint32Array(2 * FIRST_SLOTS);
  #count = 0;
  #full = false;

  /** @param limitBytes memory the set may take, a growing one included */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The set has reached its memory: ids from here on are not checked any more. */
  get full(): boolean {
    return this.#full;
  }

  /** Ids remembered. */
  get size(): number {
    return this.#count;
  }

  /** Says whether the id is new, and remembers it. Always true once the filter is {@link full}. */
  add(id: Id): boolean {
    if (this.#full) return true;
    const [low, high] = typeof id === 'number' ? hashNumber(id) : hashText(id);
    if (!this.#insert(low, high)) return false;
    this.#count++;
    if (2 * this.#count > MOST_FILLED * this.#slots.length) this.#grow();
    return true;
  }

  #insert(low: number, high: number): boolean {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const there = slots[2 * slot]!;
      const thereHigh = slots[2 * slot + 1]!;
      if (there === 0 && thereHigh === 0) {
        slots[2 * slot] = low;
        slots[2 * slot + 1] = high;
        return true;
      }
      if (there === low && thereHigh === high) return false;
    }
  }

  #grow(): void {
    const old = this.#slots;
    // The old table lives beside the new one while it is copied.
    if ((old.length / 2) * 3 * BYTES_PER_SLOT > this.#limitBytes) {
      this.#full = true;
      this.#slots = new Uint32Array(0);
      return;
    }
    this.#slots = new Uint32Array(2 * old.length);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] !== 0 || old[i + 1] !== 0) this.#insert(old[i]!, old[i + 1]!);
    }
  }
}

const number = new Float64Array(1);
const halves = new Uint32Array(number.buffer);

function hashNumber(id: number): [low: number, high: number] {
  number[0] = id;
  return finish(
    Math.imul(halves[0]!, 0x9e3779b1) ^ halves[1]!,
    Math.imul(halves[1]!, 0x85ebca77) ^ halves[0]!,
  );
}

/** Two interleaved 32-bit multiplicative hashes over the UTF-16 units (cyrb53 by bryc, public domain), kept at full width. */
function hashText(id: string): [low: number, high: number] {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x9e3779b1);
    high = Math.imul(high ^ unit, 0x5f356495);
  }
  return finish(low, high);
}

function finish(low: number, high: number): [low: number, high: number] {
  let a = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  let b = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  a = (a ^ (a >>> 16)) >>> 0;
  b = (b ^ (b >>> 16)) >>> 0;
  // An empty slot is (0, 0).
  return a === 0 && b === 0 ? [1, 0] : [a, b];
}
