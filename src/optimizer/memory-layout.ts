import { checkNumber, checkOneOf } from '../core/check.js';
import { MAX_BATCH_SIZE } from '../core/limits.js';
import { formatBytes, formatCount } from '../core/units.js';
import { blockBytesPerVector } from '../model/memory.js';
import { compact } from '../vectors/compact.js';
import { CompactBlock } from '../vectors/compact-block.js';
import { ENCODING_NAMES, type Encoding } from '../vectors/encoding.js';
import { pack, type VectorContext, type Vectors } from '../vectors/pack.js';
import type { Layout, VectorBlock } from '../vectors/vector-block.js';

export interface MemoryLayoutOptions {
  /** Vectors per batch, 1 .. 1,048,576. In `blocks` layout it is rounded up to whole blocks of 64. */
  batchSize: number;
  /** Default: float32 as it is. */
  encoding?: Encoding;
  /** Default `rows`. Encoded vectors always lie in rows. */
  layout?: Layout;
  /** Dimension; needed where all rows come in one Float32Array. */
  dimension?: number;
}

/** Where one batch lies in the block's bytes. */
export interface BatchRange {
  readonly firstRow: number;
  readonly rows: number;
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface MemoryLayout {
  /** All vectors, in the kernels' memory; dispose of it when done. */
  readonly block: VectorBlock | CompactBlock;
  readonly encoding: 'float32' | Encoding;
  readonly layout: Layout;
  readonly rows: number;
  readonly dimension: number;
  /** Vectors per batch, after rounding to whole blocks. */
  readonly batchSize: number;
  /** Worked out when first read. */
  readonly batches: readonly BatchRange[];
  /** Bytes of the numbers as they were given: 8 each in arrays, 4 in a Float32Array. */
  readonly inputBytes: number;
  /** Bytes of the block, padding and header included. */
  readonly byteLength: number;
  readonly explanation: string;
}

const VECTORS_PER_BLOCK = 64;

/**
 * Lays vectors out once so that each batch is one contiguous range of bytes: nothing is copied again on its way.
 * @throws VBO_ERR_ARGUMENT, VBO_ERR_DIMENSION, VBO_ERR_NOT_FINITE, VBO_ERR_MEMORY
 */
export async function layOut(
  context: VectorContext,
  vectors: Vectors,
  options: MemoryLayoutOptions,
): Promise<MemoryLayout> {
  const wanted = checkNumber(options.batchSize, 'batchSize', { min: 1, max: MAX_BATCH_SIZE, integer: true });
  const { encoding, dimension } = options;
  if (encoding !== undefined) checkOneOf(encoding, 'encoding', ENCODING_NAMES);
  const packed = await pack(context, vectors, {
    layout: encoding === undefined ? (options.layout ?? 'rows') : 'rows',
    ...(dimension === undefined ? {} : { dimension }),
  });
  const { rows, layout } = packed;
  const batchSize = layout === 'blocks' ? Math.ceil(wanted / VECTORS_PER_BLOCK) * VECTORS_PER_BLOCK : wanted;
  let block: VectorBlock | CompactBlock = packed;
  if (encoding !== undefined) {
    try {
      block = await compact(context, packed, { encoding });
    } finally {
      packed.dispose();
    }
  }
  const numbers = rows * packed.dimension;
  const inputBytes =
    numbers * (vectors instanceof Float32Array || vectors[0] instanceof Float32Array ? 4 : 8);
  const saved = inputBytes === 0 ? 0 : 1 - block.byteLength / inputBytes;
  const offsetOf = offsetsOf(block, layout);
  let batches: readonly BatchRange[] | undefined;
  return {
    block,
    encoding: encoding ?? 'float32',
    layout,
    rows,
    dimension: packed.dimension,
    batchSize,
    get batches() {
      batches ??= batchRanges(rows, batchSize, offsetOf);
      return batches;
    },
    inputBytes,
    byteLength: block.byteLength,
    explanation: `${formatCount(rows)} vectors of ${packed.dimension} dimensions take ${formatBytes(block.byteLength)} as ${encoding ?? 'float32'} in ${layout}, ${formatBytes(inputBytes)} as given: ${(100 * Math.abs(saved)).toFixed(1)} % ${saved >= 0 ? 'less' : 'more, for the padding'}.`,
  };
}

/** Where row `row` begins in the block's bytes; for `blocks`, only multiples of 64 are asked for. */
function offsetsOf(block: VectorBlock | CompactBlock, layout: Layout): (row: number) => number {
  if (block instanceof CompactBlock) {
    const { recordsOffset, recordBytes } = block;
    return (row) => recordsOffset + row * recordBytes;
  }
  const { dimension } = block;
  if (layout === 'blocks')
    return (row) => Math.ceil(row / VECTORS_PER_BLOCK) * VECTORS_PER_BLOCK * dimension * 4;
  const strideBytes = blockBytesPerVector(dimension);
  return (row) => row * strideBytes;
}

function batchRanges(rows: number, batchSize: number, offsetOf: (row: number) => number): BatchRange[] {
  const ranges: BatchRange[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += batchSize) {
    const end = Math.min(rows, firstRow + batchSize);
    const byteOffset = offsetOf(firstRow);
    ranges.push({ firstRow, rows: end - firstRow, byteOffset, byteLength: offsetOf(end) - byteOffset });
  }
  return ranges;
}
