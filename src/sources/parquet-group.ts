import type { RowGroup, SchemaTree } from 'hyparquet';
import { getTreePath } from 'hyparquet/src/schema.js';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { FileBytes } from './file-bytes.js';
import { assemble, Leaf, LeafValues, vectorsOfBytes } from './parquet-columns.js';
import { isReadable, pagesOf } from './parquet-pages.js';
import { isBytes, leavesOf } from './parquet-schema.js';
import { ListVectors } from './parquet-vectors.js';
import type { VectorCell } from './table.js';

/**
 * The next `count` rows of a column, all of them.
 * @throws VBO_ERR_FILE_FORMAT if they are damaged or missing, VBO_ERR_MEMORY
 */
export type Take<T> = (count: number) => Promise<ArrayLike<T>>;

/** The columns of one row group, each read page by page as its rows are taken. */
export class ParquetGroup {
  readonly #file: FileBytes;
  readonly #schema: SchemaTree;
  readonly #group: RowGroup;
  readonly #number: number;
  readonly #memoryBytes: number;

  constructor(
    file: FileBytes,
    schema: SchemaTree,
    group: { readonly group: RowGroup; readonly number: number },
    memoryBytes: number,
  ) {
    this.#file = file;
    this.#schema = schema;
    this.#group = group.group;
    this.#number = group.number;
    this.#memoryBytes = memoryBytes;
  }

  /** The vectors of a column of lists or of bytes. */
  vectors(column: SchemaTree): Take<VectorCell> {
    if (isBytes(column)) {
      const bytes = this.#leaf(column.path, true, (schemaPath) => new LeafValues(schemaPath));
      return this.#guarded(column, async (count) => {
        await bytes.fill(count);
        return vectorsOfBytes(bytes.rows.take(count));
      });
    }
    const lists = this.#leaf(leavesOf(column)[0]!, false, (schemaPath) => new ListVectors(schemaPath));
    return this.#guarded(column, async (count) => {
      await lists.fill(count);
      return lists.rows.take(count);
    });
  }

  /** The values of any other column, nested ones put together. */
  values(column: SchemaTree): Take<unknown> {
    const leaves = leavesOf(column).map((path) => ({
      name: path.join('.'),
      leaf: this.#leaf(path, isBytes(column), (schemaPath) => new LeafValues(schemaPath)),
    }));
    return this.#guarded(column, async (count) => {
      const rows = new Map<string, unknown[]>();
      for (const { name, leaf } of leaves) {
        await leaf.fill(count);
        rows.set(name, leaf.rows.take(count));
      }
      return assemble(column, rows);
    });
  }

  #guarded<T>(column: SchemaTree, take: Take<T>): Take<T> {
    return async (count) => {
      try {
        const rows = await take(count);
        if (rows.length < count) throw new Error(`${count - rows.length} rows are missing`);
        return rows;
      } catch (cause) {
        if (cause instanceof VectorBatchError) throw cause;
        throw this.#damaged(`column ${column.element.name}`, cause);
      }
    };
  }

  #leaf<Rows extends LeafValues | ListVectors>(
    path: readonly string[],
    asBytes: boolean,
    rowsOf: (schemaPath: readonly SchemaTree[]) => Rows,
  ): Leaf<Rows> {
    const name = path.join('.');
    const chunk = this.#group.columns.find(({ meta_data }) => meta_data?.path_in_schema.join('.') === name);
    const column = chunk?.meta_data;
    if (!column) throw this.#damaged(`column ${name}`, new Error('its place is missing'));
    if (!isReadable(column.codec)) {
      throw new VectorBatchError(
        'VBO_ERR_FILE_FORMAT',
        `${describe(this.#file.path)} is compressed with ${column.codec}; expected SNAPPY, ZSTD, GZIP, BROTLI, LZ4 or none.`,
        { details: { path: this.#file.path, codec: column.codec } },
      );
    }
    const schemaPath = getTreePath(this.#schema, [...path]);
    const rows = rowsOf(schemaPath);
    const isCopied = rows instanceof ListVectors;
    const place = { file: this.#file, column, schemaPath };
    return new Leaf(rows, pagesOf({ ...place, asBytes, isCopied, memoryBytes: this.#memoryBytes }));
  }

  #damaged(where: string, cause: unknown): VectorBatchError {
    return damagedParquet(
      this.#file.path,
      `${where} of row group ${this.#number}: ${(cause as Error).message}`,
      cause,
    );
  }
}

export const damagedParquet = (path: string, problem: string, cause?: unknown): VectorBatchError =>
  new VectorBatchError('VBO_ERR_FILE_FORMAT', `${describe(path)} is a damaged Parquet file: ${problem}.`, {
    cause,
    details: { path },
  });
