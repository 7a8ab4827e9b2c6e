import type { SchemaTree } from 'hyparquet';
import { isListLike } from 'hyparquet/src/schema.js';
import type { TableColumn } from './table-columns.js';

/** The paths of a column's leaves. */
export const leavesOf = (tree: SchemaTree): string[][] =>
  tree.children.length === 0 ? [tree.path] : tree.children.flatMap(leavesOf);

/** A top-level column, as far as choosing among them needs to know. */
export function columnOf(tree: SchemaTree): TableColumn {
  const { element, children } = tree;
  const { type, converted_type: converted, logical_type: logical } = element;
  const isRepeated = element.repetition_type === 'REPEATED';
  const isInteger = (type === 'INT32' || type === 'INT64') && (!logical || logical.type === 'INTEGER');
  const isWhole = isInteger && (!converted || /^U?INT_/.test(converted));
  const isText = type === 'BYTE_ARRAY' && !isBytes(tree);
  const isUuid = logical?.type === 'UUID';
  const item = itemOf(tree);
  return {
    name: element.name,
    type: item ? `list of ${typeText(item)}` : children.length > 0 ? 'group' : typeText(tree),
    vectors: item && isFloat(item) ? 'always' : isBytes(tree) && !isRepeated ? 'ifNamed' : 'never',
    canBeId: !isRepeated && (isWhole || isText || isUuid),
  };
}

/** The element of a list, in the shapes that writers give it: three levels, two, or a bare repeated field. */
function itemOf(tree: SchemaTree): SchemaTree | undefined {
  if (tree.children.length === 0) return tree.element.repetition_type === 'REPEATED' ? tree : undefined;
  if (!isListLike(tree)) return undefined;
  const repeated = tree.children[0]!;
  return repeated.children.length === 1 ? repeated.children[0]! : repeated;
}

const isFloat = ({ children, element: { type, logical_type: logical } }: SchemaTree): boolean =>
  children.length === 0 && (type === 'FLOAT' || type === 'DOUBLE' || logical?.type === 'FLOAT16');

/** Bytes that nothing is said about. */
export const isBytes = ({ children, element: { type, converted_type, logical_type } }: SchemaTree): boolean =>
  children.length === 0 &&
  (type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY') &&
  !converted_type &&
  !logical_type;

function typeText({ children, element }: SchemaTree): string {
  if (children.length > 0) return 'group';
  const meaning = element.logical_type?.type ?? element.converted_type;
  return `${element.type?.toLowerCase()}${meaning ? ` ${meaning.toLowerCase()}` : ''}`;
}
