import type { Arena, Span } from '../kernels/arena.js';
import type { Id, Payload } from './ports.js';

/**
 * A piece of the kernels' memory that rows are read into, in order, and cut from, in order.
 *
 * ```
 * 0          taken            filled        capacity
 * | cut rows | rows to be cut | free        |
 * ```
 *
 * It is freed when nobody holds it: the read-ahead until the last row is cut, and every cut until it is settled.
 */
export class Slab {
  readonly capacity: number;
  readonly span: Span;
  readonly positions: Float64Array;
  /** Undefined while the source has no ids: a row's position is its id then. */
  ids: Id[] | undefined;
  payloads: (Payload | null)[] | undefined;
  /** Bytes of each row's id and payload. */
  sides: Float64Array | undefined;
  sideBytes = 0;
  filled = 0;
  taken = 0;
  readonly #arena: Arena;
  readonly #onFree: (slab: Slab) => void;
  #holders = 1;

  /** @param onFree called once, when the last holder has let go */
  constructor(arena: Arena, capacity: number, dimension: number, onFree: (slab: Slab) => void) {
    this.#arena = arena;
    this.#onFree = onFree;
    this.capacity = capacity;
    this.positions = new Float64Array(capacity);
    this.span = arena.allocate(capacity * dimension * 4);
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders > 0) return;
    this.#arena.free(this.span);
    this.#onFree(this);
  }
}
