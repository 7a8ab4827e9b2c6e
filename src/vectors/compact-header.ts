import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import type { ValueRange } from '../kernels/range.js';
import {
  CALIBRATION_NAMES,
  CALIBRATIONS,
  ENCODING_NAMES,
  ENCODINGS,
  encodedRowBytes,
  type Format,
  sharedBytes,
} from './encoding.js';

export const HEADER_BYTES = 64;
const MAGIC = 0x434f4256; // "VBOC", little endian
const VERSION = 1;

export interface CompactHeader extends Format {
  /** Least and greatest element that global int8 codes span; both 0 for the others. */
  readonly range: ValueRange;
  /** Seed of the rotation of the RaBitQ encodings; 0 for the others. */
  readonly seed: number;
  /** Leaf hash of the body, see `leaf-hash.ts`: two 32-bit halves, low first. */
  readonly bodyHash: readonly [number, number];
}

/** Bytes behind the header: what the vectors share, then a record for each. */
export const bodyBytes = (format: Format): number =>
  sharedBytes(format) + format.rows * encodedRowBytes(format.encoding, format.dimension, format.calibration);

/** Bytes in front of the first record. */
export const recordsOffset = (format: Format): number => HEADER_BYTES + sharedBytes(format);

/** Hash of a byte range, two 32-bit halves, low first. */
export type HashBytes = (bytes: Uint8Array) => readonly [number, number];

/**
 * Writes the 64 bytes in front of a block, little endian:
 *
 * ```
 *  0 u32 magic "VBOC"   4 u16 version   6 u16 dtype     8 u32 dimension   12 u32 calibration
 * 16 f64 rows          24 f32 min      28 f32 max      32 u64 hash of the body
 * 40 u32 seed          44 reserved, 0                  56 u64 XXH64 of bytes 0..55
 * 64 what all vectors share, float32 each (`sharedBytes`), then the records, row after row
 * ```
 */
export function writeHeader(header: CompactHeader, hash: HashBytes): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, ENCODINGS[header.encoding], true);
  view.setUint32(8, header.dimension, true);
  view.setUint32(12, CALIBRATIONS[header.calibration], true);
  view.setFloat64(16, header.rows, true);
  view.setFloat32(24, header.range.min, true);
  view.setFloat32(28, header.range.max, true);
  view.setUint32(32, header.bodyHash[0], true);
  view.setUint32(36, header.bodyHash[1], true);
  view.setUint32(40, header.seed, true);
  const [low, high] = hash(bytes.subarray(0, 56));
  view.setUint32(56, low, true);
  view.setUint32(60, high, true);
  return bytes;
}

/**
 * Reads and checks the header of a block that is `byteLength` bytes long in all.
 * @throws VBO_ERR_BLOCK_TRUNCATED, VBO_ERR_BLOCK_MAGIC, VBO_ERR_BLOCK_CHECKSUM
 */
export function readHeader(bytes: Uint8Array, byteLength: number, hash: HashBytes): CompactHeader {
  if (bytes.byteLength < HEADER_BYTES) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_TRUNCATED',
      `A compact block has a header of ${HEADER_BYTES} bytes; ${bytes.byteLength} bytes given.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_MAGIC',
      `Magic is 0x${magic.toString(16).padStart(8, '0')}; a compact block begins with 0x${MAGIC.toString(16)}.`,
    );
  }
  const version = view.getUint16(4, true);
  if (version !== VERSION) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_MAGIC',
      `Block version is ${version}; this release reads ${VERSION}.`,
    );
  }
  const [low, high] = hash(bytes.subarray(0, 56));
  if (view.getUint32(56, true) !== low || view.getUint32(60, true) !== high) {
    throw new VectorBatchError('VBO_ERR_BLOCK_CHECKSUM', 'The header does not match its checksum.');
  }
  const dtype = view.getUint16(6, true);
  const encoding = ENCODING_NAMES.find((name) => ENCODINGS[name] === dtype);
  if (!encoding) throw new VectorBatchError('VBO_ERR_BLOCK_MAGIC', `Block dtype ${dtype} is not known here.`);
  const calibrationNumber = view.getUint32(12, true);
  const calibration = CALIBRATION_NAMES.find((name) => CALIBRATIONS[name] === calibrationNumber);
  if (!calibration || (encoding !== 'int8' && calibrationNumber !== 0)) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_MAGIC',
      `Calibration ${calibrationNumber} of ${encoding} is not known here.`,
    );
  }
  const header: CompactHeader = {
    encoding,
    calibration,
    dimension: view.getUint32(8, true),
    rows: view.getFloat64(16, true),
    range: { min: view.getFloat32(24, true), max: view.getFloat32(28, true) },
    seed: view.getUint32(40, true),
    bodyHash: [view.getUint32(32, true), view.getUint32(36, true)],
  };
  // The checksum only proves that the header is as it was written: a hostile writer can compute it as well.
  if (
    !Number.isSafeInteger(header.rows) ||
    header.rows < 0 ||
    header.dimension < 1 ||
    header.dimension > MAX_DIMENSION ||
    !Number.isFinite(header.range.min) ||
    !Number.isFinite(header.range.max)
  ) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_MAGIC',
      `The header claims ${header.rows} rows x ${header.dimension}; not a block that this release writes.`,
    );
  }
  const expected = HEADER_BYTES + bodyBytes(header);
  if (byteLength !== expected) {
    throw new VectorBatchError(
      'VBO_ERR_BLOCK_TRUNCATED',
      `${header.rows} rows x ${header.dimension} of ${encoding} take ${expected} bytes; ${byteLength} given.`,
      { details: { expectedBytes: expected, givenBytes: byteLength } },
    );
  }
  return header;
}
