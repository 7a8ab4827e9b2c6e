// float32 rows -> records of big-endian elements behind a constant prefix, into which a 64-bit number may be written:
// the tuples of binary formats in network byte order.
//
//   | prefix: a b [64-bit number] c d | element 0 | element 1 | ...    each record recordBytes long, records adjacent
//                ^ numberOffset
//
// Preconditions: recordBytes = prefixBytes + 4 * dimension; numberOffset + 8 <= prefixBytes if there are numbers;
// source and target do not overlap.

/** `numbers` points to one i64 per row, or is 0: then the prefix is written as it is. */
export function copyRecords(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize,
  prefix: usize, prefixBytes: u32, numbers: usize, numberOffset: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    for (let i: u32 = 0; i < prefixBytes; i++) store<u8>(target + i, load<u8>(prefix + i));
    if (numbers != 0) {
      store<u64>(target + numberOffset, bswap(load<u64>(numbers)));
      numbers += 8;
    }
    target += prefixBytes;
    let p = source;
    const end = source + (<usize>dimension << 2);
    for (; p + 32 <= end; p += 32, target += 32) {
      v128.store(target, swapElements(v128.load(p)));
      v128.store(target, swapElements(v128.load(p, 16)), 16);
    }
    for (; p < end; p += 4, target += 4) store<u32>(target, bswap(load<u32>(p)));
    source += sourceStride;
  }
}

// @ts-ignore: decorator
@inline
function swapElements(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}
