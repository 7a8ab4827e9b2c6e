import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { firstNonFiniteRow } from '../kernels/check.js';
import { copyRecords, recordBytes } from '../kernels/copy.js';
import { float32Row } from '../kernels/matrix.js';
import { runTask } from '../kernels/task.js';
import type { VectorContext } from './pack.js';
import type { VectorBlock } from './vector-block.js';
import type { WireOptions, WireRows } from './wire.js';
import { convertSlabs, nonFinite, shapeOf, slabRowsOf } from './wire-slab.js';

export interface PostgresCopyOptions extends WireOptions {
  /**
   * One bigint key per row. With ids each row is a complete tuple (id int8, embedding vector); without, it is the
   * vector's field alone, its length in front, for the caller to put between a field count and the other fields.
   */
  ids?: BigInt64Array | readonly number[];
}

/** What opens a `COPY ... FROM STDIN (FORMAT binary)`: signature, flags 0, no extension. */
export const POSTGRES_COPY_HEADER: Uint8Array = Uint8Array.from([
  0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
/** What ends it: a field count of -1. */
export const POSTGRES_COPY_TRAILER: Uint8Array = Uint8Array.from([0xff, 0xff]);

/** pgvector's greatest dimension of a `vector`. */
const MAX_POSTGRES_DIMENSION = 16_000;

/**
 * Rows of PostgreSQL's binary COPY with pgvector's binary `vector`, all integers and floats big-endian:
 *
 * ```
 * | int16 2 | int32 8 | int64 id | int32 4 + 4 d | int16 d | int16 0 | float32 ... |      with ids
 *                                | int32 4 + 4 d | int16 d | int16 0 | float32 ... |      without
 * ```
 *
 * @throws VBO_ERR_NOT_FINITE with the position and component of the first NaN or infinity, which pgvector refuses too,
 * VBO_ERR_ARGUMENT if `into` is too short or the ids are not one integer per row, VBO_ERR_DIMENSION, VBO_ERR_MEMORY,
 * VBO_ERR_CLOSED
 */
export async function toPostgresCopy(
  context: VectorContext,
  vectors: Float32Array | VectorBlock,
  options: PostgresCopyOptions = {},
): Promise<WireRows> {
  const { kernels, runner } = context;
  const { rows, dimension } = shapeOf(vectors, options.dimension, MAX_POSTGRES_DIMENSION);
  const ids = options.ids && checkIds(options.ids, rows);
  const bytes = copyPrefix(dimension, ids !== undefined);
  const rowByteLength = recordBytes(bytes.length, dimension);
  const slabRows = slabRowsOf(rows, dimension);
  const idsAt = 64;
  const scratch = kernels.arena.allocate(idsAt + 8 * slabRows);
  try {
    kernels.arena.bytes(scratch.pointer, bytes.length).set(bytes);
    const prefix = {
      pointer: scratch.pointer,
      byteLength: bytes.length,
      ...(ids && { numbers: { pointer: scratch.pointer + idsAt, offset: COPY_ID_OFFSET } }),
    };
    const result = await convertSlabs(
      context,
      vectors,
      { rows, dimension, rowByteLength, into: options.into },
      async ({ first, matrix }, target, parts) => {
        const bad = await runTask(runner, firstNonFiniteRow(matrix, parts));
        if (bad >= 0) {
          const component = float32Row(kernels.arena, matrix, bad).findIndex((x) => !Number.isFinite(x));
          throw nonFinite(first, { row: bad, component });
        }
        if (ids) {
          const slabIds = new Uint8Array(ids.buffer, ids.byteOffset + 8 * first, 8 * matrix.rows);
          kernels.arena.bytes(scratch.pointer + idsAt, slabIds.length).set(slabIds);
        }
        return copyRecords(matrix, prefix, target, parts);
      },
    );
    return { bytes: result, rowByteLength };
  } finally {
    kernels.arena.free(scratch);
  }
}

/** Field count and the length of the id stand before it. */
const COPY_ID_OFFSET = 6;

/** A row's bytes up to the first element, the id 0. */
function copyPrefix(dimension: number, withId: boolean): Uint8Array {
  const bytes = new Uint8Array((withId ? COPY_ID_OFFSET + 8 : 0) + 8);
  const view = new DataView(bytes.buffer);
  if (withId) {
    view.setInt16(0, 2);
    view.setInt32(2, 8);
  }
  const field = bytes.length - 8;
  view.setInt32(field, 4 + 4 * dimension);
  view.setInt16(field + 4, dimension);
  return bytes;
}

function checkIds(ids: BigInt64Array | readonly number[], rows: number): BigInt64Array {
  if (ids.length !== rows) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `There are ${ids.length} ids for ${rows} vectors.`, {
      details: { argument: 'ids', length: ids.length, expected: rows },
    });
  }
  if (ids instanceof BigInt64Array) return ids;
  return BigInt64Array.from(ids, (id, position) => {
    if (Number.isSafeInteger(id)) return BigInt(id);
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `Id ${position} is ${describe(id)}; expected a safe integer.`,
      { details: { argument: 'ids', position, value: id } },
    );
  });
}
