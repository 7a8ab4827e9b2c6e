import type { Setting } from '../core/types.js';

/** Doublings of the batch size, 1 to 65,536, and of the requests in flight, 1 to 16, at which a surface is held. */
export const BATCH_STEPS = 17;
export const CONCURRENCY_STEPS = 5;
/** Nodes of the lattice, row by row of one batch size. */
export const NODES = BATCH_STEPS * CONCURRENCY_STEPS;

const SETTINGS: readonly Setting[] = Array.from({ length: NODES }, (_, node) =>
  Object.freeze({
    batchSize: 2 ** Math.floor(node / CONCURRENCY_STEPS),
    concurrency: 2 ** (node % CONCURRENCY_STEPS),
  }),
);

/** The setting of a node. */
export const settingAt = (node: number): Setting => SETTINGS[node]!;

/** A place between four nodes: bilinear weights in (log2 batch size, log2 concurrency), 0 ones left out. */
export interface Place {
  readonly nodes: readonly number[];
  readonly weights: readonly number[];
}

/** Where a setting lies; one beyond the lattice's edge lies on it. */
export function placeOf({ batchSize, concurrency }: Setting): Place {
  const [row, up] = split(Math.log2(batchSize), BATCH_STEPS);
  const [column, right] = split(Math.log2(concurrency), CONCURRENCY_STEPS);
  const node = row * CONCURRENCY_STEPS + column;
  const corners: [number, number][] = [
    [node, (1 - up) * (1 - right)],
    [node + 1, (1 - up) * right],
    [node + CONCURRENCY_STEPS, up * (1 - right)],
    [node + CONCURRENCY_STEPS + 1, up * right],
  ];
  const used = corners.filter(([, weight]) => weight > 0);
  return { nodes: used.map(([at]) => at), weights: used.map(([, weight]) => weight) };
}

function split(octaves: number, steps: number): [number, number] {
  const inside = Math.min(steps - 1, Math.max(0, octaves));
  const low = Math.floor(inside);
  return [low, inside - low];
}

/** The value of a surface at a place. `surface[offset + node]` is its value at a node. */
export function valueAt(surface: Float64Array, offset: number, { nodes, weights }: Place): number {
  let sum = 0;
  for (let k = 0; k < nodes.length; k++) sum += weights[k]! * surface[offset + nodes[k]!]!;
  return sum;
}
