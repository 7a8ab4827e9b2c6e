import { type Arena, alignUp, type Span } from './arena.js';

/** What a matrix holds, and how many bits an element takes. `int8` codes are one byte; `bit` is one sign bit. */
export const ELEMENT_BITS = { float32: 32, float16: 16, bfloat16: 16, int8: 8, bit: 1 } as const;
export type ElementType = keyof typeof ELEMENT_BITS;

/**
 * A handle on `rows` x `dimension` elements in the kernels' memory, rows `strideBytes` apart. The bytes
 * between a row's last element and the next row are zero; every kernel that writes rows keeps it so.
 */
export interface Matrix<E extends ElementType = ElementType> {
  readonly element: E;
  readonly pointer: number;
  readonly rows: number;
  readonly dimension: number;
  readonly strideBytes: number;
}

/** A matrix that owns its memory. */
export interface OwnedMatrix<E extends ElementType = ElementType> extends Matrix<E> {
  readonly span: Span;
}

/** Bytes of one row without padding. */
export function rowByteLength(element: ElementType, dimension: number): number {
  return Math.ceil((dimension * ELEMENT_BITS[element]) / 8);
}

/**
 * A matrix with undefined contents. Rows start at multiples of 64 bytes; `contiguous` rows follow each
 * other without padding instead.
 * @throws VBO_ERR_MEMORY when the memory's limit would be passed.
 */
export function allocateMatrix<E extends ElementType>(
  arena: Arena,
  element: E,
  rows: number,
  dimension: number,
  layout: 'aligned' | 'contiguous' = 'aligned',
): OwnedMatrix<E> {
  const rowBytes = rowByteLength(element, dimension);
  const strideBytes = layout === 'aligned' ? alignUp(rowBytes) : rowBytes;
  const span = arena.allocate(rows * strideBytes);
  return { element, pointer: span.pointer, rows, dimension, strideBytes, span };
}

/** Contiguous rows that begin `byteOffset` bytes into a span. */
export function matrixAt<E extends ElementType>(
  element: E,
  span: { readonly pointer: number },
  byteOffset: number,
  rows: number,
  dimension: number,
): Matrix<E> {
  const strideBytes = rowByteLength(element, dimension);
  return { element, pointer: span.pointer + byteOffset, rows, dimension, strideBytes };
}

/** `count` rows from row `first` on: a view, nothing is copied. */
export function sliceRows<E extends ElementType>(matrix: Matrix<E>, first: number, count: number): Matrix<E> {
  const { element, dimension, strideBytes } = matrix;
  return { element, pointer: matrix.pointer + first * strideBytes, rows: count, dimension, strideBytes };
}

/** The matrix's memory, padding included. The view is valid until the matrix is freed. */
export function matrixBytes(arena: Arena, matrix: Matrix): Uint8Array<ArrayBufferLike> {
  return arena.bytes(matrix.pointer, matrix.rows * matrix.strideBytes);
}

/** One row of a float32 matrix without padding. The view is valid until the matrix is freed. */
export function float32Row(
  arena: Arena,
  matrix: Matrix<'float32'>,
  row: number,
): Float32Array<ArrayBufferLike> {
  return arena.float32(matrix.pointer + row * matrix.strideBytes, matrix.dimension);
}

/**
 * Cuts `rows` into at most `parts` ranges of about equal length, each but the last a multiple of
 * `multiple` rows, so that kernels that take rows in groups see the same groups whatever the cut.
 */
export function splitRows(
  rows: number,
  parts: number,
  multiple = 4,
): { readonly first: number; readonly count: number }[] {
  const groups = Math.ceil(rows / multiple);
  const groupsPerPart = Math.ceil(groups / Math.max(1, parts));
  const ranges = [];
  for (let first = 0; first < rows; first += groupsPerPart * multiple) {
    ranges.push({ first, count: Math.min(groupsPerPart * multiple, rows - first) });
  }
  return ranges;
}
