import { VectorBatchError } from '../core/errors.js';
import { type Arena, alignUp, type Span } from './arena.js';
import type { KernelCall } from './kernels.js';
import { splitRows } from './matrix.js';
import {
  cutTree,
  exitTurns,
  NEVER,
  type RegressionTree,
  rankColumns,
  TREELET_NODES,
  type TreeletTree,
} from './treelets.js';

const HEADER_BYTES = 64;
const TURNS_BYTES = 256;
const COLUMN_BYTES = 16;
const TREE_BYTES = 8;
const TREELET_BYTES = 64;
const LEAF_BYTES = 32;
/** Rows that pass through the trees together, and what each needs of scratch beside its ranks. */
const BLOCK_ROWS = 512;
const ROW_SCRATCH_BYTES = 4 + 4 * 8;
/** Bytes of a group of ranks that the 16 bits of a treelet's window offset reach. */
const MAX_GROUP_BYTES = 65_536;
/** Rows that are walked side by side. */
const ROW_GROUP = 8;

/** A handle on a forest in the kernels' memory; `assembly/forest.ts` draws its layout. It owns its memory. */
export interface FlatForest {
  readonly span: Span;
  readonly trees: number;
  /** Bytes that the ranks of {@link ROW_GROUP} rows take. */
  readonly groupBytes: number;
  /** Bytes of the forest that one row reads. */
  readonly bytesPerRow: number;
}

/** Rows of float64 features in the kernels' memory, `strideBytes` apart. */
export interface FeatureRows {
  readonly pointer: number;
  readonly rows: number;
  readonly strideBytes: number;
}

/**
 * Writes a forest of at least one tree into the kernels' memory.
 * @throws VBO_ERR_MEMORY when the memory's limit would be passed, VBO_ERR_ARGUMENT when the trees ask for more than
 * 4,096 features.
 */
export function flattenForest(arena: Arena, trees: readonly RegressionTree[]): FlatForest {
  const ranks = rankColumns(trees);
  const { columns, windowColumns } = ranks;
  const cut = trees.map((tree) => cutTree(tree, ranks));
  const windowBytes = 2 * windowColumns;
  const windowGroupBytes = ROW_GROUP * windowBytes;
  const groupBytes = windowGroupBytes * Math.max(1, Math.ceil(columns.length / windowColumns));
  if (groupBytes > MAX_GROUP_BYTES) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `The forest splits on ${columns.length} columns; expected at most ${MAX_GROUP_BYTES / ROW_GROUP / 2}.`,
      { details: { argument: 'forest', columns: columns.length } },
    );
  }

  const columnsAt = HEADER_BYTES + TURNS_BYTES;
  const treesAt = columnsAt + columns.length * COLUMN_BYTES;
  const thresholdsAt = treesAt + trees.length * TREE_BYTES;
  const recordsAt = alignUp(
    thresholdsAt + columns.reduce((sum, { thresholds }) => sum + thresholds.byteLength, 0),
  );
  // A walk reads a whole treelet's bytes of a leaf too, the last one's included.
  const endAt = cut.reduce((sum, tree) => sum + recordBytes(tree), recordsAt) + TREELET_BYTES;

  const span = arena.allocate(endAt);
  const { pointer } = span;
  const bytes = arena.bytes(pointer, endAt);
  bytes.fill(0);
  const view = new DataView(bytes.buffer, pointer, endAt);
  const putU32 = (at: number, ...values: number[]) =>
    values.forEach((value, k) => {
      view.setUint32(at + 4 * k, value, true);
    });

  putU32(0, trees.length, columns.length, windowBytes, groupBytes, pointer + columnsAt, pointer + treesAt);
  bytes.set(
    exitTurns().map((exit) => 4 * exit),
    HEADER_BYTES,
  );
  let at = thresholdsAt;
  columns.forEach(({ feature, thresholds }, k) => {
    const place = Math.floor(k / windowColumns) * windowGroupBytes + 2 * (k % windowColumns);
    putU32(columnsAt + k * COLUMN_BYTES, 8 * feature, thresholds.length, pointer + at, place);
    arena.float64(pointer + at, thresholds.length).set(thresholds);
    at += thresholds.byteLength;
  });
  at = recordsAt;
  cut.forEach((tree, k) => {
    putU32(treesAt + k * TREE_BYTES, pointer + at, tree.hops);
    writeTree(view, pointer, at, tree, windowGroupBytes);
    at += recordBytes(tree);
  });
  const bytesPerRow = cut.reduce((sum, { hops }) => sum + hops * TREELET_BYTES + LEAF_BYTES, 0);
  return { span, trees: trees.length, groupBytes, bytesPerRow };
}

const recordBytes = ({ treelets, leaves }: TreeletTree): number =>
  alignUp(treelets.length * TREELET_BYTES + leaves.length * LEAF_BYTES);

/** Writes a tree's records, treelets before leaves, `begin` bytes into the view, which is at `pointer`. */
function writeTree(
  view: DataView,
  pointer: number,
  begin: number,
  { treelets, leaves }: TreeletTree,
  windowGroupBytes: number,
): void {
  const leavesAt = begin + treelets.length * TREELET_BYTES;
  const addressOf = (exit: number) =>
    pointer + (exit < 0 ? leavesAt + (-1 - exit) * LEAF_BYTES : begin + exit * TREELET_BYTES);
  treelets.forEach(({ window, thresholds, lanes, exits }, k) => {
    const at = begin + k * TREELET_BYTES;
    thresholds.forEach((rank, node) => {
      view.setInt16(at + 2 * node, rank, true);
    });
    view.setUint16(at + 14, windowGroupBytes * window, true);
    exits.forEach((exit, e) => {
      view.setUint32(at + 16 + 4 * e, addressOf(exit), true);
    });
    lanes.forEach((lane, node) => {
      // The two bytes of the lane's rank.
      view.setUint8(at + 48 + 2 * node, 2 * lane);
      view.setUint8(at + 49 + 2 * node, 2 * lane + 1);
    });
  });
  leaves.forEach((value, k) => {
    const at = leavesAt + k * LEAF_BYTES;
    for (let node = 0; node < TREELET_NODES; node++) view.setInt16(at + 2 * node, NEVER, true);
    view.setUint32(at + 16, pointer + at, true);
    view.setFloat64(at + 24, value, true);
  });
}

/** Bytes of scratch memory that {@link predictForest} needs in as many parts. */
export function forestScratchBytes(forest: FlatForest, parts = 1): number {
  return parts * partScratchBytes(forest);
}

const partScratchBytes = ({ groupBytes }: FlatForest): number =>
  (BLOCK_ROWS / ROW_GROUP) * groupBytes + BLOCK_ROWS * ROW_SCRATCH_BYTES;

/**
 * means[row] = mean of the trees' values, float64, with the bits of a loop over the trees in order; variances[row], if
 * asked for, their population variance. Every row must hold all features that the trees ask for. `scratch` points to
 * {@link forestScratchBytes} bytes for as many parts.
 */
export function predictForest(
  forest: FlatForest,
  source: FeatureRows,
  scratch: { readonly pointer: number },
  means: { readonly pointer: number },
  variances: { readonly pointer: number } | null,
  parts = 1,
): KernelCall[] {
  return splitRows(source.rows, parts, ROW_GROUP).map(({ first, count }, part) => ({
    name: 'predictForest',
    args: [
      forest.span.pointer,
      source.pointer + first * source.strideBytes,
      source.strideBytes,
      count,
      scratch.pointer + part * partScratchBytes(forest),
      means.pointer + 8 * first,
      variances ? variances.pointer + 8 * first : 0,
    ],
    workBytes: count * forest.bytesPerRow,
  }));
}
