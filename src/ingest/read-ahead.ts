import { VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { Arena } from '../kernels/arena.js';
import type { Bell } from './bell.js';
import type { Id, Payload } from './ports.js';
import { Hold, Rows } from './rows.js';
import { Slab } from './slab.js';

/** Rows to be read ahead; parallel columns. */
export interface IncomingRows {
  readonly count: number;
  readonly vectors: Float32Array;
  position(row: number): number;
  readonly ids: readonly Id[] | undefined;
  readonly payloads: readonly (Payload | null)[] | undefined;
}

export interface ReadAheadOptions {
  readonly arena: Arena;
  readonly dimension: number;
  /** The id of the record at position 0, where the source has none. */
  readonly idOffset: number;
  /** Memory for all rows that are read and not yet settled, ids and payloads included. */
  readonly limitBytes: number;
  /** Bytes of a vector in a request body. */
  readonly bytesPerVector: number;
  /** Rings when rows were added or cut, memory came back, or the reader is blocked. */
  readonly bell: Bell;
  /** Finds the rows that must not be sent, in memory they were just copied to: their numbers, ascending. */
  readonly inspect: (
    pointer: number,
    rows: number,
    incoming: IncomingRows,
    from: number,
  ) => readonly number[];
}

/** Slabs are this large, unless the limit asks for smaller ones. */
const SLAB_BYTES = 8_388_608;
const FEWEST_SLABS = 8;
/** Rough cost of one object, string or field on the JavaScript heap. */
const OBJECT_BYTES = 24;

/**
 * The rows between the source and the batches. The source's rows are copied once, into slabs of the kernels'
 * memory; a batch is cut at the moment it is sent, so it always has the set-point of that moment, and is a
 * view of a slab. Rows that lie across two slabs are joined: a second copy for at most one batch per slab.
 */
export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #slabRows: number;
  /** Slabs with rows to be cut, in order; the last one may still be filled. */
  readonly #queue: Slab[] = [];
  #slabs = 0;
  #sideBytes = 0;
  #rows = 0;
  #isBlocked = false;
  #isEnded = false;

  /** @throws VBO_ERR_MEMORY if the limit does not allow for a handful of rows */
  constructor(options: ReadAheadOptions) {
    this.#options = options;
    const rowBytes = options.dimension * 4;
    this.#slabRows = Math.floor(Math.min(SLAB_BYTES, options.limitBytes / FEWEST_SLABS) / rowBytes);
    if (this.#slabRows < 1) {
      const needed = FEWEST_SLABS * rowBytes;
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `The memory budget leaves ${formatBytes(options.limitBytes)} to read ahead; vectors of dimension ${options.dimension} need at least ${formatBytes(needed)}.`,
        { details: { limitBytes: options.limitBytes, neededBytes: needed } },
      );
    }
  }

  /** Rows read and not yet cut. */
  get rows(): number {
    return this.#rows;
  }

  /** The reader waits for memory: no further rows come before some are settled. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Memory taken now: slabs, ids and payloads. */
  get usedBytes(): number {
    return this.#slabs * this.#slabBytes + this.#sideBytes;
  }

  get #slabBytes(): number {
    return this.#slabRows * (this.#options.dimension * 4 + 8);
  }

  /** No rows will be added. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Nothing is added any more; whoever waits for memory gives up. */
  end(): void {
    this.#isEnded = true;
    this.#options.bell.ring();
  }

  /** Copies rows in, waiting for memory as needed; returns how many. Rows that `inspect` names are left out, and all after the end. */
  async append(incoming: IncomingRows): Promise<number> {
    let appended = 0;
    for (let from = 0; from < incoming.count; ) {
      const slab = await this.#slabWithRoom();
      if (!slab) break;
      const count = Math.min(incoming.count - from, slab.capacity - slab.filled);
      appended += this.#copy(slab, incoming, from, count);
      from += count;
      this.#options.bell.ring();
    }
    return appended;
  }

  /** Up to `maxRows` rows, fewer if they would pass `maxBytes`, but at least one; undefined if there are none. */
  cut(maxRows: number, maxBytes: number): Rows | undefined {
    const count = this.#fitting(Math.min(maxRows, this.#rows), maxBytes);
    if (count === 0) return undefined;
    const parts: { slab: Slab; from: number; to: number }[] = [];
    for (let missing = count; missing > 0; ) {
      const slab = this.#queue[0]!;
      const from = slab.taken;
      const to = Math.min(slab.filled, from + missing);
      slab.taken = to;
      missing -= to - from;
      slab.retain();
      parts.push({ slab, from, to });
      if (to === slab.capacity) this.#queue.shift()!.release();
    }
    this.#rows -= count;
    this.#options.bell.ring();
    return parts.length === 1 ? this.#view(parts[0]!) : this.#join(parts, count);
  }

  /** Frees what was read and never cut. */
  discard(): void {
    this.end();
    this.#rows = 0;
    for (const slab of this.#queue.splice(0)) slab.release();
  }

  async #slabWithRoom(): Promise<Slab | undefined> {
    const last = this.#queue.at(-1);
    if (last && last.filled < last.capacity) return last;
    // One slab is always granted, or a single large payload could block the load for ever.
    while (!this.#isEnded && this.#slabs > 0 && this.usedBytes + this.#slabBytes > this.#options.limitBytes) {
      this.#isBlocked = true;
      this.#options.bell.ring();
      await this.#options.bell.wait();
    }
    this.#isBlocked = false;
    if (this.#isEnded) return undefined;
    const { arena, dimension } = this.#options;
    const slab = new Slab(arena, this.#slabRows, dimension, (freed) => {
      this.#slabs--;
      this.#sideBytes -= freed.sideBytes;
      this.#options.bell.ring();
    });
    this.#slabs++;
    this.#queue.push(slab);
    return slab;
  }

  #copy(slab: Slab, incoming: IncomingRows, from: number, count: number): number {
    const { arena, dimension, inspect } = this.#options;
    const pointer = slab.span.pointer + slab.filled * dimension * 4;
    const target = arena.float32(pointer, count * dimension);
    target.set(incoming.vectors.subarray(from * dimension, (from + count) * dimension));
    const unfit = inspect(pointer, count, incoming, from);
    // Runs of good rows are moved together over the unfit ones.
    let kept = 0;
    let start = 0;
    for (const end of [...unfit, count]) {
      if (start !== kept) target.copyWithin(kept * dimension, start * dimension, end * dimension);
      for (let row = start; row < end; row++)
        this.#describe(slab, slab.filled + kept++, incoming, from + row);
      start = end + 1;
    }
    slab.filled += kept;
    this.#rows += kept;
    return kept;
  }

  #describe(slab: Slab, index: number, { ids, payloads, position }: IncomingRows, row: number): void {
    slab.positions[index] = position(row);
    let bytes = 0;
    if (ids) {
      const id = ids[row]!;
      slab.ids ??= [];
      slab.ids[index] = id;
      bytes += typeof id === 'string' ? OBJECT_BYTES + id.length : 8;
    }
    if (payloads) {
      const payload = payloads[row] ?? null;
      slab.payloads ??= [];
      slab.payloads[index] = payload;
      bytes += heapBytes(payload);
    }
    if (bytes === 0) return;
    slab.sides ??= new Float64Array(slab.capacity);
    slab.sides[index] = bytes;
    slab.sideBytes += bytes;
    this.#sideBytes += bytes;
  }

  /** How many of the first `rows` rows a request of `maxBytes` can carry; at least one if there are any. */
  #fitting(rows: number, maxBytes: number): number {
    const { bytesPerVector } = this.#options;
    if (!Number.isFinite(maxBytes)) return rows;
    let bytes = 0;
    let count = 0;
    for (const slab of this.#queue) {
      for (let row = slab.taken; row < slab.filled && count < rows; row++) {
        bytes += bytesPerVector + payloadShare(slab, row);
        if (bytes > maxBytes && count > 0) return count;
        count++;
      }
    }
    return count;
  }

  #view({ slab, from, to }: { slab: Slab; from: number; to: number }): Rows {
    const { arena, dimension } = this.#options;
    const vectors = arena.float32(slab.span.pointer + from * dimension * 4, (to - from) * dimension);
    return new Rows(this.#columns([{ slab, from, to }], vectors), new Hold(() => slab.release()));
  }

  #join(parts: readonly { slab: Slab; from: number; to: number }[], count: number): Rows {
    const { arena, dimension } = this.#options;
    const span = arena.allocate(count * dimension * 4);
    const vectors = arena.float32(span.pointer, count * dimension);
    let offset = 0;
    for (const { slab, from, to } of parts) {
      const pointer = slab.span.pointer + from * dimension * 4;
      vectors.set(arena.float32(pointer, (to - from) * dimension), offset);
      offset += (to - from) * dimension;
    }
    const columns = this.#columns(parts, vectors);
    for (const { slab } of parts) slab.release();
    return new Rows(columns, new Hold(() => arena.free(span)));
  }

  #columns(
    parts: readonly { slab: Slab; from: number; to: number }[],
    vectors: Float32Array,
  ): Rows['columns'] {
    const { bytesPerVector, idOffset } = this.#options;
    const count = parts.reduce((sum, { from, to }) => sum + to - from, 0);
    const positions = new Float64Array(count);
    const ids: Id[] = [];
    const hasPayloads = parts.some(({ slab }) => slab.payloads);
    const payloads: (Payload | null)[] = [];
    let bytes = count * bytesPerVector;
    for (const { slab, from, to } of parts) {
      positions.set(slab.positions.subarray(from, to), ids.length);
      for (let row = from; row < to; row++) {
        ids.push(slab.ids?.[row] ?? slab.positions[row]! + idOffset);
        if (hasPayloads) payloads.push(slab.payloads?.[row] ?? null);
        bytes += payloadShare(slab, row);
      }
    }
    return { positions, ids, payloads: hasPayloads ? payloads : undefined, vectors, bytes };
  }
}

/** The sink's bytes per vector know the id already. */
const payloadShare = (slab: Slab, row: number): number => (slab.payloads ? (slab.sides?.[row] ?? 0) : 0);

/** About what a JSON value takes on the heap, and in text. */
function heapBytes(value: unknown): number {
  if (typeof value === 'string') return OBJECT_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = OBJECT_BYTES;
  for (const [key, inner] of Object.entries(value)) bytes += key.length + 8 + heapBytes(inner);
  return bytes;
}
