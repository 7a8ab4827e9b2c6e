import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import { ELEMENT_TYPES, type ElementType } from './elements.js';
import type { FileWindow } from './file-window.js';

/** The bytes every .npy file starts with: `\x93NUMPY`. */
export const NPY_MAGIC = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);

/** NumPy itself writes 128 bytes for a plain array; anything near this is not a header. */
const MAX_HEADER_BYTES = 1_048_576;

export interface NpyHeader {
  readonly rows: number;
  readonly dimension: number;
  readonly element: ElementType;
  readonly bigEndian: boolean;
  /** Where the first row starts in the file. */
  readonly dataOffset: number;
}

/**
 * Reads the header of a .npy file, versions 1 to 3 (NumPy enhancement proposal 1):
 *
 * ```
 * magic (6) | major (1) | minor (1) | header length (2; from version 2 on: 4) | Python dict, padded
 * ```
 *
 * @throws VBO_ERR_FILE_FORMAT, VBO_ERR_FILE_TRUNCATED
 */
export async function readNpyHeader(window: FileWindow): Promise<NpyHeader> {
  const { path } = window;
  const refuse = (problem: string, details: Record<string, unknown> = {}) =>
    new VectorBatchError('VBO_ERR_FILE_FORMAT', `${describe(path)} ${problem}`, {
      details: { path, ...details },
    });
  const need = async (byteLength: number) => {
    if ((await window.refill(byteLength)) >= byteLength) return;
    throw new VectorBatchError(
      'VBO_ERR_FILE_TRUNCATED',
      `${describe(path)} ends at byte ${window.endOffset}, inside its .npy header of at least ${byteLength} bytes.`,
      { details: { path, row: 0, byteOffset: 0, totalBytes: window.endOffset } },
    );
  };

  const present = Math.min(await window.refill(NPY_MAGIC.length), NPY_MAGIC.length);
  if (!window.bytes.subarray(0, present).equals(NPY_MAGIC.subarray(0, present))) {
    throw refuse(
      `starts with the bytes ${window.bytes.toString('hex', 0, present)}; a .npy file starts with ${NPY_MAGIC.toString('hex')}.`,
    );
  }
  await need(10);
  const major = window.bytes[6]!;
  if (major < 1 || major > 3) {
    throw refuse(`is .npy version ${major}.${window.bytes[7]}; versions 1 to 3 can be read.`);
  }
  const textOffset = major === 1 ? 10 : 12;
  await need(textOffset);
  const textBytes = major === 1 ? window.bytes.readUInt16LE(8) : window.bytes.readUInt32LE(8);
  if (textBytes > MAX_HEADER_BYTES) throw refuse(`claims a .npy header of ${textBytes} bytes.`);
  await need(textOffset + textBytes);
  const text = window.bytes.toString(major === 3 ? 'utf8' : 'latin1', textOffset, textOffset + textBytes);

  const descr = /'descr'\s*:\s*('[^']*'|\[)/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shapeText = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || shapeText === undefined) {
    throw refuse(`has a .npy header without descr, fortran_order and shape: ${describe(text.trim())}.`);
  }
  const [, byteOrder, kind] = /^'([<>|=]?)(\w+)'$/.exec(descr) ?? [];
  const element = kind === undefined ? undefined : ELEMENT_TYPES[kind];
  if (!element) {
    const found = descr === '[' ? 'records of several fields' : `elements of type ${descr}`;
    throw refuse(`holds ${found}; expected floats (f2, f4, f8) or bytes (i1, u1).`, { descr });
  }
  if (order === 'True') {
    throw refuse(
      'is stored column by column (fortran_order); save it row by row: numpy.save(path, numpy.ascontiguousarray(array)).',
    );
  }
  const shape = shapeText.split(',').flatMap((size) => (size.trim() ? [Number.parseInt(size, 10)] : []));
  const [rows, dimension] = shape;
  if (shape.length !== 2 || rows === undefined || dimension === undefined) {
    throw refuse(
      `holds an array of shape (${shapeText.trim()}); expected two dimensions: rows x vector dimension.`,
      { shape },
    );
  }
  if (dimension < 1 || dimension > MAX_DIMENSION || !Number.isSafeInteger(rows)) {
    throw refuse(
      `holds an array of shape (${shapeText.trim()}); the vector dimension must be from 1 to ${MAX_DIMENSION}.`,
      { shape },
    );
  }
  return { rows, dimension, element, bigEndian: byteOrder === '>', dataOffset: textOffset + textBytes };
}
