import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import { ENCODING_NAMES, ENCODINGS, type Encoding, encodedRowBytes } from './encoding.js';

export const HEADER_BYTES = 64;
const MAGIC = 0x434f4256; // "VBOC", little endian
const VERSION = 1;

/** Least and greatest element that the int8 codes span; both 0 for the other encodings. */
export interface Calibration {
  min: number;
  max: number;
}

export interface CompactHeader {
  encoding: Encoding;
  dimension: number;
  rows: number;
  calibration: Calibration;
  /** XXH64 of the codes' leaves, see `body-hash.ts`: two 32-bit halves, low first. */
  bodyHash: readonly [number, number];
}

export const bodyBytes = (header: Pick<CompactHeader, 'encoding' | 'dimension' | 'rows'>): number =>
  header.rows * encodedRowBytes(header.encoding, header.dimension);

/** Hash of a byte range, two 32-bit halves, low first. */
export type HashBytes = (bytes: Uint8Array) => readonly [number, number];

/**
 * Writes the 64 bytes in front of the codes, little endian:
 *
 * ```
 *  0 u32 magic "VBOC"   4 u16 version   6 u16 dtype     8 u32 dimension   12 u32 reserved, 0
 * 16 f64 rows          24 f32 min      28 f32 max      32 u64 hash of the codes
 * 40 reserved, 0                                       56 u64 XXH64 of bytes 0..55
 * ```
 */
export function writeHeader(header: CompactHeader, hash: HashBytes): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, ENCODINGS[header.encoding], true);
  view.setUint32(8, header.dimension, true);
  view.setFloat64(16, header.rows, true);
  view.setFloat32(24, header.calibration.min, true);
  view.setFloat32(28, header.calibration.max, true);
  view.setUint32(32, header.bodyHash[0], true);
  view.setUint32(36, header.bodyHash[1], true);
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
  const header: CompactHeader = {
    encoding,
    dimension: view.getUint32(8, true),
    rows: view.getFloat64(16, true),
    calibration: { min: view.getFloat32(24, true), max: view.getFloat32(28, true) },
    bodyHash: [view.getUint32(32, true), view.getUint32(36, true)],
  };
  // The checksum only proves that the header is as it was written: a hostile writer can compute it as well.
  if (
    !Number.isSafeInteger(header.rows) ||
    header.rows < 0 ||
    header.dimension < 1 ||
    header.dimension > MAX_DIMENSION ||
    !Number.isFinite(header.calibration.min) ||
    !Number.isFinite(header.calibration.max)
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
