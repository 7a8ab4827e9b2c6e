// XXH64 (Yann Collet's xxHash, specification 0.2.0): the checksum of a compact block. Four lanes of 64 bits take
// 32 bytes a round; the tail is mixed in by 8, 4 and 1 bytes. Not cryptographic.

const PRIME1: u64 = 0x9e3779b185ebca87;
const PRIME2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME3: u64 = 0x165667b19e3779f9;
const PRIME4: u64 = 0x85ebca77c2b2ae63;
const PRIME5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function mix(lane: u64, input: u64): u64 {
  return rotl(lane + input * PRIME2, 31) * PRIME1;
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ mix(0, lane)) * PRIME1 + PRIME4;
}

/**
 * Writes the hash of [source, source + byteLength) to the 8 bytes at `target`, little endian: two u32 for a caller
 * that wants no BigInt.
 */
export function xxHash64(source: usize, byteLength: usize, seed: u32, target: usize): void {
  const end = source + byteLength;
  let p = source;
  let hash: u64;
  if (byteLength >= 32) {
    let a = <u64>seed + PRIME1 + PRIME2;
    let b = <u64>seed + PRIME2;
    let c = <u64>seed;
    let d = <u64>seed - PRIME1;
    for (; p + 32 <= end; p += 32) {
      a = mix(a, load<u64>(p));
      b = mix(b, load<u64>(p, 8));
      c = mix(c, load<u64>(p, 16));
      d = mix(d, load<u64>(p, 24));
    }
    hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = <u64>seed + PRIME5;
  }
  hash += <u64>byteLength;
  for (; p + 8 <= end; p += 8) hash = rotl(hash ^ mix(0, load<u64>(p)), 27) * PRIME1 + PRIME4;
  if (p + 4 <= end) {
    hash = rotl(hash ^ (<u64>load<u32>(p) * PRIME1), 23) * PRIME2 + PRIME3;
    p += 4;
  }
  for (; p < end; p++) hash = rotl(hash ^ (<u64>load<u8>(p) * PRIME5), 11) * PRIME1;
  hash = (hash ^ (hash >> 33)) * PRIME2;
  hash = (hash ^ (hash >> 29)) * PRIME3;
  store<u64>(target, hash ^ (hash >> 32));
}
