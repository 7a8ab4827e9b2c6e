import type { DecodedArray, SchemaTree } from 'hyparquet';
import { assembleLists, assembleNested } from 'hyparquet/src/assemble.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { isFlatColumn } from 'hyparquet/src/schema.js';
import type { Page } from './parquet-pages.js';
import type { VectorCell } from './table.js';

/** The rows of one leaf of the schema, as far as its pages were read. */
interface LeafRows {
  /** Complete rows at hand. */
  readonly length: number;
  add(page: Page): void;
  /** No page follows. */
  end(): void;
}

/** Reads a leaf's pages until enough rows are at hand. */
export class Leaf<Rows extends LeafRows> {
  readonly rows: Rows;
  readonly #pages: AsyncIterator<Page>;
  #isEnded = false;

  constructor(rows: Rows, pages: AsyncIterable<Page>) {
    this.rows = rows;
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** Reads on until there are `count` rows, or no more. */
  async fill(count: number): Promise<void> {
    while (this.rows.length < count && !this.#isEnded) {
      const { done, value } = await this.#pages.next();
      if (done) {
        this.#isEnded = true;
        this.rows.end();
      } else {
        this.rows.add(value);
      }
    }
  }
}

/** Values of a leaf, put together to rows. */
export class LeafValues implements LeafRows {
  readonly #schemaPath: SchemaTree[];
  readonly #isFlat: boolean;
  #rows: unknown[] = [];
  /** Rows at the front that were taken. */
  #taken = 0;
  #isEnded = false;

  constructor(schemaPath: readonly SchemaTree[]) {
    this.#schemaPath = [...schemaPath];
    this.#isFlat = isFlatColumn(this.#schemaPath);
  }

  get length(): number {
    const rows = this.#rows.length - this.#taken;
    // A later page may go on with the last row of a nested column.
    return this.#isFlat || this.#isEnded ? rows : Math.max(0, rows - 1);
  }

  add({ definitionLevels, repetitionLevels, values }: Page): void {
    const defined = definitionLevels && Array.from(definitionLevels);
    if (this.#isFlat && !defined) {
      this.#append(values);
      return;
    }
    const repeated = Array.from(repetitionLevels ?? []);
    const target = this.#isFlat ? [] : this.#rows;
    const rows = assembleLists(target, defined, repeated, values, this.#schemaPath);
    if (rows !== this.#rows) this.#append(rows);
  }

  #append(rows: ArrayLike<unknown>): void {
    for (let i = 0; i < rows.length; i++) this.#rows.push(rows[i]);
  }

  end(): void {
    this.#isEnded = true;
  }

  take(count: number): unknown[] {
    const start = this.#taken;
    this.#taken = Math.min(this.#rows.length, start + count);
    const rows = this.#rows.slice(start, this.#taken);
    if (2 * this.#taken > this.#rows.length) {
      this.#rows = this.#rows.slice(this.#taken);
      this.#taken = 0;
    }
    return rows;
  }
}

/** The rows of a top-level column, from those of its leaves (by path). */
export function assemble(column: SchemaTree, leaves: ReadonlyMap<string, unknown[]>): ArrayLike<unknown> {
  const name = column.path.join('.');
  const rows = new Map<string, DecodedArray>(leaves);
  assembleNested(rows, column, DEFAULT_PARSERS);
  return rows.get(name)!;
}

/** A column of bytes as float32 vectors. */
export function vectorsOfBytes(values: readonly unknown[]): VectorCell[] {
  return values.map((value) => {
    if (value === null || value === undefined) return 'is null';
    if (!(value instanceof Uint8Array)) return `is ${typeof value}; expected bytes`;
    if (value.length % 4 !== 0) return `holds ${value.length} bytes, which are no float32 numbers`;
    return new Float32Array(value.slice().buffer);
  });
}
