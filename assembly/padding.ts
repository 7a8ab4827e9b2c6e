/**
 * Zeroes the bytes [from, end): the tail of a row between its last element and the next row. Every kernel that
 * writes rows calls it, so that a padded matrix is the same bytes whoever wrote it and can be hashed, checked
 * and scanned in whole registers.
 */
// @ts-ignore: decorator
@inline
export function zeroPadding(from: usize, end: usize): void {
  while (from < end && (from & 15) != 0) {
    store<u8>(from, 0);
    from++;
  }
  for (; from + 16 <= end; from += 16) v128.store(from, i64x2.splat(0));
  for (; from < end; from++) store<u8>(from, 0);
}
