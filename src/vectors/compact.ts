import { checkOneOf } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { firstNonFiniteRow } from '../kernels/check.js';
import type { KernelRunner } from '../kernels/kernels.js';
import { leafHash } from '../kernels/leaf-hash.js';
import type { Matrix } from '../kernels/matrix.js';
import { runTask } from '../kernels/task.js';
import { type Calibrated, Calibrator } from './calibrate.js';
import { encodeWorkBytes, openCodec } from './codec.js';
import { CompactBlock, hashWith, recordsOf } from './compact-block.js';
import { bodyBytes, HEADER_BYTES, writeHeader } from './compact-header.js';
import {
  CALIBRATION_NAMES,
  type Calibration,
  DEFAULT_CALIBRATION,
  ENCODING_NAMES,
  type Encoding,
} from './encoding.js';
import type { VectorContext } from './pack.js';
import type { VectorBlock } from './vector-block.js';

export interface CompactOptions {
  encoding: Encoding;
  /** What the intervals of int8 codes are taken from; only for int8. Default `vector`. */
  calibration?: Calibration;
}

/** Seed of the rotation that RaBitQ blocks are written with; the header carries it. */
const ROTATION_SEED = 1;

/**
 * What the options mean.
 * @throws VBO_ERR_ARGUMENT
 */
export function resolveEncoding(options: CompactOptions): {
  encoding: Encoding;
  calibration: Calibration;
  seed: number;
} {
  const encoding = checkOneOf(options.encoding, 'encoding', ENCODING_NAMES);
  const given = options.calibration;
  const calibration =
    given === undefined ? DEFAULT_CALIBRATION : checkOneOf(given, 'calibration', CALIBRATION_NAMES);
  if (given !== undefined && encoding !== 'int8') {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `calibration is for int8; the encoding is ${encoding}.`, {
      details: { argument: 'calibration', value: given },
    });
  }
  return { encoding, calibration, seed: encoding.startsWith('rabitq') ? ROTATION_SEED : 0 };
}

/** Can codes stand for NaN and infinities? */
export const holdsNonFinite = (encoding: Encoding): boolean =>
  encoding === 'float16' || encoding === 'bfloat16';

/**
 * Encodes a block's vectors. The same bytes come out whatever the number of threads.
 * @throws VBO_ERR_NOT_FINITE with the position of the first vector with NaN or an infinity (float16 and bfloat16 can hold
 * them and take them), VBO_ERR_ARGUMENT, VBO_ERR_MEMORY, VBO_ERR_CLOSED
 */
export async function compact(
  context: VectorContext,
  block: VectorBlock,
  options: CompactOptions,
): Promise<CompactBlock> {
  const { kernels, runner } = context;
  const { arena } = kernels;
  const resolved = resolveEncoding(options);
  const { matrix, release } = block.rowMatrix();
  try {
    const { rows, dimension } = matrix;
    const workBytes = Math.max(
      rows * matrix.strideBytes,
      encodeWorkBytes(resolved.encoding, rows, dimension),
    );
    const parts = await runner.partsFor(workBytes);
    if (!holdsNonFinite(resolved.encoding)) await refuseNonFinite(runner, matrix, 0, parts);
    const { range, shared } = await calibrate(context, resolved, matrix, parts);
    const format = { ...resolved, rows, dimension, range };
    const span = arena.allocate(HEADER_BYTES + bodyBytes(format));
    try {
      const body = { pointer: span.pointer + HEADER_BYTES, byteLength: bodyBytes(format) };
      arena.float32(body.pointer, shared.length).set(shared);
      const codec = openCodec({ kernels, format, shared: body, parts });
      try {
        await runner.run(codec.encode(matrix, recordsOf(format, span), parts));
      } finally {
        codec.close();
      }
      const hash = await leafHash(kernels, runner, body);
      const header = { ...format, bodyHash: [hash.low, hash.high] as const };
      // Hashing allocates, which may end every view made before.
      const headerBytes = writeHeader(header, hashWith(kernels));
      arena.bytes(span.pointer, HEADER_BYTES).set(headerBytes);
      return new CompactBlock(kernels, header, span);
    } catch (error) {
      arena.free(span);
      throw error;
    }
  } finally {
    release();
  }
}

async function calibrate(
  context: VectorContext,
  resolved: ReturnType<typeof resolveEncoding>,
  matrix: Matrix<'float32'>,
  parts: number,
): Promise<Calibrated> {
  const calibrator = new Calibrator(context, { ...resolved, dimension: matrix.dimension }, parts);
  try {
    await calibrator.add(matrix);
    return calibrator.finish();
  } finally {
    calibrator.dispose();
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
