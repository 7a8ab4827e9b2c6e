/** A node of a regression tree; `feature` counts from 0, children are indices into the tree. */
export type TreeNode =
  | { readonly value: number }
  | { readonly feature: number; readonly threshold: number; readonly left: number; readonly right: number };

/** Nodes, the root first. A row goes left where its feature < threshold, else right (so NaN goes right). */
export type RegressionTree = readonly TreeNode[];

/** The most thresholds of a column, and so its highest rank: ranks are i16. */
export const MAX_COLUMN_THRESHOLDS = 32_767;
/** A threshold that no rank exceeds. */
export const NEVER = MAX_COLUMN_THRESHOLDS;
/** Columns that fit one register, and those of a window where one register is not enough. */
const REGISTER_COLUMNS = 8;
const WIDE_WINDOW_COLUMNS = 16;
/** Nodes of a treelet; it has one exit more. */
export const TREELET_NODES = 7;

/** A slice of the thresholds against one feature, ascending. */
export interface RankColumn {
  readonly feature: number;
  readonly thresholds: Float64Array;
}

/** All thresholds of a forest in columns, and where to find one of them. */
export interface RankColumns {
  readonly columns: readonly RankColumn[];
  /** 8 if that is all of them, else 16. */
  readonly windowColumns: number;
  locate(feature: number, threshold: number): { readonly column: number; readonly rank: number };
}

/** x < NaN is as false as x < -Infinity. */
const orderable = (threshold: number): number => (Number.isNaN(threshold) ? -Infinity : threshold);

/** Columns for the thresholds of all trees. The features that most nodes ask for come first and share a window. */
export function rankColumns(trees: readonly RegressionTree[]): RankColumns {
  const features = new Map<number, { nodes: number; ranks: Map<number, number>; firstColumn: number }>();
  for (const tree of trees) {
    for (const node of tree) {
      if ('value' in node) continue;
      let of = features.get(node.feature);
      if (!of) {
        of = { nodes: 0, ranks: new Map(), firstColumn: 0 };
        features.set(node.feature, of);
      }
      of.nodes++;
      of.ranks.set(orderable(node.threshold), 0);
    }
  }
  const columns: RankColumn[] = [];
  for (const [feature, of] of [...features].sort((a, b) => b[1].nodes - a[1].nodes || a[0] - b[0])) {
    const thresholds = Float64Array.from(of.ranks.keys()).sort();
    thresholds.forEach((threshold, rank) => {
      of.ranks.set(threshold, rank);
    });
    of.firstColumn = columns.length;
    for (let first = 0; first < thresholds.length; first += MAX_COLUMN_THRESHOLDS) {
      columns.push({ feature, thresholds: thresholds.subarray(first, first + MAX_COLUMN_THRESHOLDS) });
    }
  }
  return {
    columns,
    windowColumns: columns.length <= REGISTER_COLUMNS ? REGISTER_COLUMNS : WIDE_WINDOW_COLUMNS,
    locate(feature, threshold) {
      const { ranks, firstColumn } = features.get(feature)!;
      const rank = ranks.get(orderable(threshold))!;
      return {
        column: firstColumn + Math.floor(rank / MAX_COLUMN_THRESHOLDS),
        rank: rank % MAX_COLUMN_THRESHOLDS,
      };
    },
  };
}

/** Three levels of a tree, see `assembly/forest.ts`. An exit k >= 0 is treelet k, an exit k < 0 leaf -1 - k. */
export interface Treelet {
  /** All its nodes compare columns of this window. */
  readonly window: number;
  readonly thresholds: Int16Array;
  /** Column within the window, per node. */
  readonly lanes: Uint8Array;
  readonly exits: Int32Array;
}

/** A tree in treelets, the root's first; none if the root is a leaf. */
export interface TreeletTree {
  readonly treelets: readonly Treelet[];
  readonly leaves: readonly number[];
  /** Treelets on the longest way from the root to a leaf. */
  readonly hops: number;
}

/** Cuts a tree into treelets, breadth first. */
export function cutTree(tree: RegressionTree, { locate, windowColumns }: RankColumns): TreeletTree {
  const treelets: Treelet[] = [];
  const leaves: number[] = [];
  const roots: { node: number; depth: number }[] = [];
  let hops = 0;

  const reach = (node: number, depth: number): number => {
    const { value } = tree[node] as { value?: number };
    if (value === undefined) return roots.push({ node, depth }) - 1;
    return -leaves.push(value);
  };

  reach(0, 1);
  for (let k = 0; k < roots.length; k++) {
    const { node: root, depth } = roots[k]!;
    hops = Math.max(hops, depth);
    const thresholds = new Int16Array(TREELET_NODES).fill(NEVER);
    const lanes = new Uint8Array(TREELET_NODES);
    const exits = new Int32Array(TREELET_NODES + 1);
    let window = 0;
    const place = (index: number, position: number): void => {
      const node = tree[index]!;
      if (position < TREELET_NODES && !('value' in node)) {
        const { column, rank } = locate(node.feature, node.threshold);
        const windowOfNode = Math.floor(column / windowColumns);
        if (position === 0) window = windowOfNode;
        if (windowOfNode === window) {
          thresholds[position] = rank;
          lanes[position] = column % windowColumns;
          place(node.left, 2 * position + 1);
          place(node.right, 2 * position + 2);
          return;
        }
      }
      let first = position;
      let last = position;
      while (first < TREELET_NODES) {
        first = 2 * first + 1;
        last = 2 * last + 2;
      }
      exits.fill(reach(index, depth + 1), first - TREELET_NODES, last - TREELET_NODES + 1);
    };
    place(root, 0);
    treelets.push({ window, thresholds, lanes, exits });
  }
  return { treelets, leaves, hops };
}

/** For each outcome of the seven comparisons (bit k: node k goes right) the exit; bit 7 is ignored. */
export function exitTurns(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, outcome) => {
    let node = 0;
    while (node < TREELET_NODES) node = 2 * node + 1 + ((outcome >> node) & 1);
    return node - TREELET_NODES;
  });
}
