// Rows of any element, contiguous <-> at a stride.
//
//   contiguous   | row 0 | row 1 | row 2 | ...            rowBytes apart
//   strided      | row 0 | 0 0 | row 1 | 0 0 | row 2 ...  strideBytes apart, the padding zeroed
//
// Preconditions: strideBytes >= rowBytes; source and target do not overlap.

import { zeroPadding } from "./padding";

/** Below this a loop of v128 stores beats the call that memory.copy costs. */
const SHORT_ROW_BYTES: u32 = 512;

/** Contiguous rows -> rows `strideBytes` apart, padding zeroed. */
export function packRows(source: usize, rows: u32, rowBytes: u32, target: usize, strideBytes: u32): void {
  if (rowBytes == strideBytes) {
    memory.copy(target, source, <usize>rows * rowBytes);
    return;
  }
  for (let row: u32 = 0; row < rows; row++) {
    copyRow(target, source, rowBytes);
    zeroPadding(target + rowBytes, target + strideBytes);
    source += rowBytes;
    target += strideBytes;
  }
}

/** Rows `strideBytes` apart -> contiguous rows. */
export function unpackRows(source: usize, rows: u32, rowBytes: u32, strideBytes: u32, target: usize): void {
  if (rowBytes == strideBytes) {
    memory.copy(target, source, <usize>rows * rowBytes);
    return;
  }
  for (let row: u32 = 0; row < rows; row++) {
    copyRow(target, source, rowBytes);
    source += strideBytes;
    target += rowBytes;
  }
}

// @ts-ignore: decorator
@inline
function copyRow(target: usize, source: usize, byteLength: u32): void {
  if (byteLength > SHORT_ROW_BYTES) {
    memory.copy(target, source, byteLength);
    return;
  }
  let i: usize = 0;
  for (; i + 16 <= byteLength; i += 16) v128.store(target + i, v128.load(source + i));
  for (; i + 4 <= byteLength; i += 4) store<u32>(target + i, load<u32>(source + i));
  for (; i < byteLength; i++) store<u8>(target + i, load<u8>(source + i));
}
