import type { SchemaTree } from 'hyparquet';
import type { Page } from './parquet-pages.js';
import type { VectorCell } from './table.js';

/**
 * Cuts the pages of a list column into vectors, by its Dremel levels: a repetition level of 0 begins a row. Vectors
 * that lie in one page are views of it.
 */
export class VectorCutter {
  /** Complete rows, to be taken by the reader. */
  cells: VectorCell[] = [];
  /** Definition level of a list that is there, and of an element that is there. */
  readonly #listLevel: number;
  readonly #elementLevel: number;
  /** The row that the last page ended in. */
  #open: VectorCell | undefined;

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

  add({ definitionLevels, repetitionLevels, values: decoded }: Page): void {
    // There are some: the column is one of lists.
    const starts = repetitionLevels!;
    const values = decoded as ArrayLike<number>;
    const count = starts.length;
    let value = 0;
    for (let start = 0; start < count; ) {
      let end = start + 1;
      while (end < count && starts[end] !== 0) end++;
      let cell: VectorCell;
      if (!definitionLevels) {
        cell = slice(values, start, end);
      } else {
        const present = countPresent(definitionLevels, start, end, this.#elementLevel);
        cell =
          present === end - start
            ? slice(values, value, value + present)
            : this.#incomplete(definitionLevels, start, end);
        value += present;
      }
      if (starts[start] === 0) {
        this.#close();
        this.#open = cell;
      } else {
        this.#open = join(this.#open, cell);
      }
      start = end;
    }
  }

  /** No page follows: the last row is complete. */
  end(): void {
    this.#close();
  }

  #close(): void {
    if (this.#open !== undefined) this.cells.push(this.#open);
    this.#open = undefined;
  }

  #incomplete(levels: Uint8Array, start: number, end: number): VectorCell {
    if (end - start === 1 && levels[start]! < this.#listLevel) return 'is null';
    if (end - start === 1 && levels[start] === this.#listLevel) return [];
    let missing = start;
    while (levels[missing] === this.#elementLevel) missing++;
    return `holds null at [${missing - start}]`;
  }
}

/** A view where there can be one. */
const slice = (values: ArrayLike<number>, start: number, end: number): ArrayLike<number> =>
  Array.isArray(values) ? values.slice(start, end) : (values as Float32Array).subarray(start, end);

function join(a: VectorCell | undefined, b: VectorCell): VectorCell {
  if (a === undefined || typeof a === 'string') return a ?? b;
  if (typeof b === 'string') return b;
  const joined = new Float64Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function countPresent(levels: Uint8Array, start: number, end: number, present: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (levels[i] === present) count++;
  return count;
}
