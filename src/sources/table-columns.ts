import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { ID_COLUMNS, type RecordColumns } from './record.js';

/** A column of a table file, as far as choosing among them needs to know. */
export interface TableColumn {
  readonly name: string;
  /** Its type, for messages. */
  readonly type: string;
  /** Whether it holds vectors: by its type alone, or (bytes) if the user says so. */
  readonly vectors: 'always' | 'ifNamed' | 'never';
  readonly canBeId: boolean;
}

/** Which columns are read, by their place in the table. */
export interface ChosenColumns {
  readonly vector: number;
  readonly id: number | undefined;
  readonly payload: readonly number[];
}

/**
 * Finds the columns asked for. Without a name the vectors are in the only column that can hold them, the ids in `id`
 * or `_id`, and the payload is everything else.
 * @throws VBO_ERR_COLUMN with the candidates
 */
export function chooseColumns(
  path: string,
  columns: readonly TableColumn[],
  { idColumn, vectorColumn, payloadColumns }: RecordColumns,
): ChosenColumns {
  const refuse = (problem: string, listed: readonly TableColumn[]) =>
    new VectorBatchError('VBO_ERR_COLUMN', `${describe(path)} ${problem}: ${listOf(listed)}.`, {
      details: { path, columns: columns.map(({ name, type }) => ({ name, type })) },
    });
  const named = (name: string, use: string) => {
    const index = columns.findIndex((column) => column.name === name);
    if (index < 0)
      throw refuse(`has no column ${JSON.stringify(name)} for the ${use}; its columns are`, columns);
    return index;
  };
  const chooseVector = () => {
    const candidates = columns.filter((column) => column.vectors === 'always');
    if (vectorColumn === undefined) {
      if (candidates.length === 1) return columns.indexOf(candidates[0]!);
      throw candidates.length > 1
        ? refuse('has several columns that can hold the vectors, name one (vector column)', candidates)
        : refuse('has no column of vectors (lists of floats); its columns are', columns);
    }
    const index = named(vectorColumn, 'vectors');
    const { type, vectors } = columns[index]!;
    if (vectors !== 'never') return index;
    throw refuse(
      `has a column ${JSON.stringify(vectorColumn)} of type ${type}, which cannot hold vectors; those that can are`,
      columns.filter((column) => column.vectors !== 'never'),
    );
  };
  const chooseId = () => {
    if (idColumn === undefined) {
      const index = columns.findIndex((column) => ID_COLUMNS.includes(column.name) && column.canBeId);
      return index < 0 ? undefined : index;
    }
    const index = named(idColumn, 'ids');
    if (columns[index]!.canBeId) return index;
    throw refuse(
      `has a column ${JSON.stringify(idColumn)} of type ${columns[index]!.type}, which cannot hold ids; those that can are`,
      columns.filter((column) => column.canBeId),
    );
  };
  const vector = chooseVector();
  const id = chooseId();
  const payload = payloadColumns
    ? payloadColumns.map((name) => named(name, 'payload'))
    : columns.map((_, index) => index).filter((index) => index !== vector && index !== id);
  return { vector, id, payload };
}

const listOf = (columns: readonly TableColumn[]): string =>
  columns.length === 0 ? 'none' : columns.map(({ name, type }) => `${name} (${type})`).join(', ');
