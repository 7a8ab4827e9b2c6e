import type { SchemaTree } from 'hyparquet';
import type { Page } from './parquet-pages.js';
import type { VectorCell } from './table.js';

/** A row: where its values lie, counted from the first value of the column chunk, or what is wrong with it. */
interface Row {
  readonly start: number;
  end: number;
  problem?: string | undefined;
}

/**
 * Cuts the pages of a list column into vectors, by its Dremel levels: a repetition level of 0 begins a row. The values
 * are copied out of their pages into one store that is used again and again, so a row may lie across pages.
 */
export class ListVectors {
  /** Definition level of a list that is there, and of an element that is there. */
  readonly #listLevel: number;
  readonly #elementLevel: number;
  #rows: Row[] = [];
  /** The row that the last page ended in. */
  #open: Row | undefined;
  /** Values `#storeStart`..`#storeEnd` of the chunk, at the start of the store. */
  #store: Float32Array | Float64Array = new Float32Array(0);
  #storeStart = 0;
  #storeEnd = 0;

  constructor(schemaPath: readonly SchemaTree[]) {
    let level = 0;
    let listLevel = 0;
    for (const { element } of schemaPath.slice(1)) {
      if (element.repetition_type === 'REPEATED') listLevel = level;
      if (element.repetition_type !== 'REQUIRED') level++;
    }
    this.#listLevel = listLevel;
    this.#elementLevel = level;
  }

  /** Complete rows at hand. */
  get length(): number {
    return this.#rows.length;
  }

  add({ definitionLevels, repetitionLevels, values }: Page): void {
    let value = this.#storeEnd;
    this.#append(values as ArrayLike<number>);
    // There are some: the column is one of lists.
    const starts = repetitionLevels!;
    for (let start = 0; start < starts.length; ) {
      let end = start + 1;
      while (end < starts.length && starts[end] !== 0) end++;
      if (starts[start] === 0) {
        this.end();
        this.#open = { start: value, end: value };
      }
      const present = definitionLevels
        ? countOf(definitionLevels, start, end, this.#elementLevel)
        : end - start;
      value += present;
      const row = this.#open;
      if (!row) throw new Error('it begins in the middle of a row');
      if (definitionLevels && present < end - start) {
        row.problem ??= this.#problem(definitionLevels, start, end, row.end - row.start);
      }
      row.end = value;
      start = end;
    }
  }

  /** No page follows: the last row is complete. */
  end(): void {
    if (this.#open) this.#rows.push(this.#open);
    this.#open = undefined;
  }

  /** The next rows; valid until a page is added. */
  take(count: number): VectorCell[] {
    const first = this.#storeStart;
    return this.#rows
      .splice(0, count)
      .map(({ start, end, problem }) => problem ?? this.#store.subarray(start - first, end - first));
  }

  #append(values: ArrayLike<number>): void {
    const first = this.#rows[0]?.start ?? this.#open?.start ?? this.#storeEnd;
    const kept = this.#store.subarray(first - this.#storeStart, this.#storeEnd - this.#storeStart);
    const needed = kept.length + values.length;
    const Store = values instanceof Float32Array ? Float32Array : Float64Array;
    if (needed > this.#store.length || !(this.#store instanceof Store)) {
      this.#store = new Store(Math.ceil(1.25 * needed));
    }
    this.#store.set(kept);
    this.#store.set(values, kept.length);
    this.#storeStart = first;
    this.#storeEnd = first + needed;
  }

  /** What is wrong with a list that lacks values: nothing with an empty one, but for its dimension. */
  #problem(levels: Uint8Array, start: number, end: number, before: number): string | undefined {
    if (end - start === 1 && levels[start]! < this.#listLevel) return 'is null';
    if (end - start === 1 && levels[start] === this.#listLevel) return undefined;
    let missing = start;
    while (levels[missing] === this.#elementLevel) missing++;
    return `holds null at [${before + missing - start}]`;
  }
}

function countOf(levels: Uint8Array, start: number, end: number, level: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (levels[i] === level) count++;
  return count;
}
