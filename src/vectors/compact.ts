import { checkOneOf } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { firstNonFiniteRow } from '../kernels/check.js';
import type { KernelRunner, Kernels } from '../kernels/kernels.js';
import { leafHash } from '../kernels/leaf-hash.js';
import type { Matrix } from '../kernels/matrix.js';
import { minMaxFloat32, minMaxScratchBytes, type ValueRange } from '../kernels/range.js';
import { runTask } from '../kernels/task.js';
import { CODECS } from './codec.js';
import { CompactBlock, codesMatrix, hashWith } from './compact-block.js';
import { bodyBytes, type Calibration, HEADER_BYTES, writeHeader } from './compact-header.js';
import { ENCODING_NAMES, type Encoding } from './encoding.js';
import type { VectorContext } from './pack.js';
import type { VectorBlock } from './vector-block.js';

export interface CompactOptions {
  encoding: Encoding;
}

/** Nothing measured yet: the range that any value widens. */
export const NO_RANGE: ValueRange = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };

/**
 * Encodes a block's vectors. The same bytes come out whatever the number of threads.
 * @throws VBO_ERR_NOT_FINITE with the position of the first vector with NaN or an infinity (float16 can hold them and
 * takes them), VBO_ERR_ARGUMENT, VBO_ERR_MEMORY, VBO_ERR_CLOSED
 */
export async function compact(
  { kernels, runner }: VectorContext,
  block: VectorBlock,
  options: CompactOptions,
): Promise<CompactBlock> {
  const encoding = checkOneOf(options.encoding, 'encoding', ENCODING_NAMES);
  const codec = CODECS[encoding];
  const { matrix, release } = block.rowMatrix();
  try {
    const { rows, dimension } = matrix;
    const parts = await runner.partsFor(rows * matrix.strideBytes);
    if (encoding !== 'float16') await refuseNonFinite(runner, matrix, 0, parts);
    const range = codec.calibrated ? await valueRange(kernels, runner, matrix, parts) : NO_RANGE;
    const shape = { encoding, rows, dimension, calibration: calibrationOf(range) };
    const span = kernels.arena.allocate(HEADER_BYTES + bodyBytes(shape));
    try {
      const codes = codesMatrix(shape, span);
      await runner.run(codec.encode(matrix, codes, shape.calibration, parts));
      const hash = await leafHash(kernels, runner, { pointer: codes.pointer, byteLength: bodyBytes(shape) });
      const header = { ...shape, bodyHash: [hash.low, hash.high] as const };
      kernels.arena.bytes(span.pointer, HEADER_BYTES).set(writeHeader(header, hashWith(kernels)));
      return new CompactBlock(kernels, header, span);
    } catch (error) {
      kernels.arena.free(span);
      throw error;
    }
  } finally {
    release();
  }
}

/** The range as the header holds it: no values at all count as the constant 0. */
export function calibrationOf(range: ValueRange): Calibration {
  return range.min <= range.max ? { min: range.min, max: range.max } : { min: 0, max: 0 };
}

/** Least and greatest element of a matrix. */
export async function valueRange(
  kernels: Kernels,
  runner: KernelRunner,
  matrix: Matrix<'float32'>,
  parts: number,
): Promise<ValueRange> {
  const scratch = kernels.arena.allocate(minMaxScratchBytes(parts));
  try {
    return await runTask(runner, minMaxFloat32(kernels.arena, matrix, scratch, parts));
  } finally {
    kernels.arena.free(scratch);
  }
}

/** @throws VBO_ERR_NOT_FINITE with the position of the first such row, counted from `firstPosition`. */
export async function refuseNonFinite(
  runner: KernelRunner,
  matrix: Matrix<'float32'>,
  firstPosition: number,
  parts: number,
): Promise<void> {
  const row = await runTask(runner, firstNonFiniteRow(matrix, parts));
  if (row < 0) return;
  throw new VectorBatchError(
    'VBO_ERR_NOT_FINITE',
    `Vector ${firstPosition + row} holds NaN or an infinity, which codes cannot represent.`,
    { details: { position: firstPosition + row } },
  );
}
