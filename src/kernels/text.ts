import { type Arena, alignUp } from './arena.js';
import { type Matrix, splitRows } from './matrix.js';
import type { KernelTask } from './task.js';

/** The longest element is `-123456789e-45`; a comma or a bracket follows. */
const ELEMENT_BYTES = 15;
/** The kernel stores whole registers: what is past the text's end is not its own, and must be there. */
const SLACK_BYTES = 32;
/** An element takes about as long as a scan of so many bytes, which is the pool's measure of work. */
const ELEMENT_WORK_BYTES = 200;

/** The most bytes that the JSON text of `rows` x `dimension` float32 can take, whatever their values. */
export function maxTextBytes(rows: number, dimension: number): number {
  return rows * (ELEMENT_BYTES * dimension + 1);
}

/** Work of {@link textFloat32} in the pool's measure, bytes. */
export function textWorkBytes(rows: number, dimension: number): number {
  return rows * dimension * ELEMENT_WORK_BYTES;
}

/** Bytes at `target` that {@link textFloat32} needs. */
export function textTargetBytes(rows: number, dimension: number, parts: number): number {
  return layOut(rows, dimension, parts).byteLength;
}

/** The text of some consecutive rows. Row r of them is `bytes.subarray(offsets[r], offsets[r + 1])`. */
export interface TextPiece {
  readonly bytes: Uint8Array<ArrayBufferLike>;
  /** One more than there are rows; the last is the length of `bytes`. */
  readonly offsets: Uint32Array<ArrayBufferLike>;
}

/** Where an element stands. */
export interface ElementPosition {
  readonly row: number;
  readonly component: number;
}

/**
 * Each row as a JSON array without spaces, with the shortest numbers that read back to the same float32 (see
 * `assembly/text.ts`). The answer is the text in as many pieces as there are parts, views of `target` in the order of
 * the rows; or, if there is a NaN or an infinity, the position of the first.
 */
export function textFloat32(
  arena: Arena,
  source: Matrix<'float32'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelTask<{ readonly pieces: readonly TextPiece[] } | { readonly nonFinite: ElementPosition }> {
  const { rows, dimension, strideBytes } = source;
  const { ranges } = layOut(rows, dimension, parts);
  return {
    calls: ranges.map(({ first, count, text, offsets }) => ({
      name: 'textFloat32' as const,
      args: [
        source.pointer + first * strideBytes,
        strideBytes,
        count,
        dimension,
        target.pointer + text,
        target.pointer + offsets,
      ],
      workBytes: textWorkBytes(count, dimension),
    })),
    finish(results) {
      const failed = results.findIndex((element) => element >= 0);
      if (failed >= 0) {
        const element = results[failed]!;
        const row = ranges[failed]!.first + Math.floor(element / dimension);
        return { nonFinite: { row, component: element % dimension } };
      }
      const pieces = ranges.map(({ count, text, offsets }) => {
        const table = arena.bytes(target.pointer + offsets, 4 * (count + 1));
        const view = new Uint32Array(table.buffer, table.byteOffset, count + 1);
        return { bytes: arena.bytes(target.pointer + text, view[count]!), offsets: view };
      });
      return { pieces };
    },
  };
}

interface TextRange {
  readonly first: number;
  readonly count: number;
  /** Bytes from the target to this part's text, and to its offsets. */
  readonly text: number;
  readonly offsets: number;
}

/** Each part writes apart from the others: first its offsets, then its text, as long as it can get. */
function layOut(rows: number, dimension: number, parts: number): { ranges: TextRange[]; byteLength: number } {
  let byteLength = 0;
  const ranges = splitRows(rows, parts).map(({ first, count }) => {
    const offsets = byteLength;
    const text = offsets + alignUp(4 * (count + 1));
    byteLength = text + alignUp(maxTextBytes(count, dimension) + SLACK_BYTES);
    return { first, count, text, offsets };
  });
  return { ranges, byteLength };
}
