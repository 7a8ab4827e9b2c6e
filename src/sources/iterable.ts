import { setImmediate as turn } from 'node:timers/promises';
import { VectorBatchError } from '../core/errors.js';
import type { Id, Payload, Source, SourceChunk } from '../ingest/ports.js';
import type { RecordColumns } from './record.js';
import { type RecordShape, RowCollector, shapeOf } from './row-collector.js';

/** One element of an iterable source: a bare vector, or a vector with an id and a payload. */
export type VectorItem = ArrayLike<number> | { id?: Id; vector: ArrayLike<number>; payload?: Payload | null };

export type VectorItems = Iterable<VectorItem> | AsyncIterable<VectorItem>;

/**
 * Vectors from memory or from a stream. The first element sets the dimension and whether there are ids and
 * payloads. Rows never wait for a slow producer: what has been gathered is handed out as soon as the next
 * element is not there yet. Arrays and other repeatable iterables can be read again, streams only once.
 */
export class IterableSource implements Source {
  readonly name = 'iterable';
  readonly dimension: number;
  readonly count?: number;
  readonly #items: VectorItems;
  readonly #shape: RecordShape;
  readonly #columns: RecordColumns;
  readonly #chunkBytes: number;
  /** The iterator that gave the first element, until it is used. */
  #started: { iterator: ItemIterator; first: unknown } | undefined;

  private constructor(
    items: VectorItems,
    shape: RecordShape,
    started: { iterator: ItemIterator; first: unknown },
    chunkBytes: number,
    columns: RecordColumns,
  ) {
    this.dimension = shape.dimension;
    if (Array.isArray(items)) this.count = items.length;
    this.#items = items;
    this.#shape = shape;
    this.#started = started;
    this.#chunkBytes = chunkBytes;
    this.#columns = columns;
  }

  /**
   * Takes the first element to learn the dimension.
   * @param chunkBytes most float32 bytes handed out at once
   * @throws VBO_ERR_ARGUMENT if there is no element, or the first is not a vector
   */
  static async open(items: VectorItems, chunkBytes: number, columns: RecordColumns): Promise<IterableSource> {
    const iterator = iterate(items);
    const first = await iterator.next();
    if (first.done) throw new VectorBatchError('VBO_ERR_ARGUMENT', 'The iterable holds no vectors.');
    const shape = shapeOf(first.value, columns);
    if (typeof shape === 'string') {
      await iterator.return?.();
      throw new VectorBatchError('VBO_ERR_ARGUMENT', `The first element of the iterable ${shape}.`);
    }
    return new IterableSource(items, shape, { iterator, first: first.value }, chunkBytes, columns);
  }

  /** @throws VBO_ERR_CLOSED if a stream is read a second time; whatever the iterable itself throws */
  async *[Symbol.asyncIterator](): AsyncGenerator<SourceChunk, void, undefined> {
    const capacity = Math.max(1, Math.floor(this.#chunkBytes / (4 * this.dimension)));
    const rows = new RowCollector(this.#shape, this.#columns, capacity);
    const { iterator, pending } = this.#start();
    let next = pending;
    let isOver = false;
    try {
      for (let position = 0; ; position++) {
        if (!rows.isEmpty && isPromise(next) && !(await isSettledSoon(next))) yield rows.take();
        let result: IteratorResult<unknown>;
        try {
          result = isPromise(next) ? await next : next;
        } catch (error) {
          isOver = true;
          if (!rows.isEmpty) yield rows.take();
          throw error;
        }
        isOver = result.done === true;
        if (isOver) break;
        rows.add(result.value, position, `Row ${position}`);
        if (rows.isFull) {
          yield rows.take();
          // Elements that are always there, into a sink that never waits, would leave timers and Ctrl-C no turn.
          await turn();
        }
        next = pull(iterator);
      }
      if (!rows.isEmpty) yield rows.take();
    } finally {
      if (!isOver) await iterator.return?.();
    }
  }

  async close(): Promise<void> {
    await this.#started?.iterator.return?.();
    this.#started = undefined;
  }

  #start(): { iterator: ItemIterator; pending: MaybePromise<IteratorResult<unknown>> } {
    if (this.#started) {
      const { iterator, first } = this.#started;
      this.#started = undefined;
      return { iterator, pending: { done: false, value: first } };
    }
    const iterator = iterate(this.#items);
    if ((iterator as unknown) === this.#items) {
      throw new VectorBatchError('VBO_ERR_CLOSED', 'A stream of vectors can be read once only.');
    }
    return { iterator, pending: pull(iterator) };
  }
}

type MaybePromise<T> = T | Promise<T>;

interface ItemIterator {
  next(): MaybePromise<IteratorResult<unknown>>;
  return?(): MaybePromise<IteratorResult<unknown>>;
}

function iterate(items: VectorItems): ItemIterator {
  return Symbol.asyncIterator in items
    ? (items[Symbol.asyncIterator]() as ItemIterator)
    : (items[Symbol.iterator]() as ItemIterator);
}

/** `next()` with a thrown error as a rejection, so that the rows before it are handed out first. */
function pull(iterator: ItemIterator): MaybePromise<IteratorResult<unknown>> {
  try {
    return iterator.next();
  } catch (error) {
    return Promise.reject(error);
  }
}

const isPromise = <T>(value: MaybePromise<T>): value is Promise<T> =>
  typeof (value as { then?: unknown }).then === 'function';

/** Whether the promise settles within this turn of the event loop and the next: the producer is not waiting for anything. */
async function isSettledSoon(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let tick = 0; tick < 4 && !isSettled; tick++) await undefined;
  if (!isSettled) await turn();
  return isSettled;
}
