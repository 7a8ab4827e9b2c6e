/**
 * Walks a MessagePack document without decoding it, so that nothing is allocated on the word of a header of five bytes:
 * `dd ff ff ff ff` claims four thousand million elements. Every element takes a byte at least, so what is announced
 * and not yet seen may never exceed the bytes that are left.
 *
 * The format: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * @throws RangeError for a document that is cut short, claims more than it holds, goes deeper than `maxDepth`, is
 *   followed by further bytes, or uses extension types or the reserved byte
 */
export function checkMessagePack(bytes: Uint8Array, maxDepth: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Values still to come at each level. */
  const pending = new Float64Array(maxDepth + 1);
  let depth = 0;
  /** Their sum. */
  let announced = 1;
  let at = 0;
  pending[0] = 1;
  while (announced > 0) {
    if (announced > bytes.byteLength - at) {
      throw new RangeError(`${announced} values are announced, ${bytes.byteLength - at} bytes are left`);
    }
    while (pending[depth] === 0) depth--;
    pending[depth]!--;
    announced--;
    const kind = bytes[at]!;
    const lengthBytes = LENGTH_BYTES[kind]!;
    if (at + 1 + lengthBytes > bytes.byteLength) throw new RangeError('it is cut short');
    const length = lengthAt(view, at, kind, lengthBytes);
    at += 1 + lengthBytes;
    const children = isArray(kind) ? length : isMap(kind) ? 2 * length : 0;
    if (children > 0) {
      if (++depth > maxDepth) throw new RangeError(`it is nested deeper than ${maxDepth} levels`);
      pending[depth] = children;
      announced += children;
    } else if (!isArray(kind) && !isMap(kind)) {
      at += length;
      if (at > bytes.byteLength) throw new RangeError('it is cut short');
    }
  }
  if (at < bytes.byteLength) throw new RangeError(`${bytes.byteLength - at} bytes follow its end`);
}

const isArray = (kind: number): boolean => (kind >= 0x90 && kind <= 0x9f) || kind === 0xdc || kind === 0xdd;
const isMap = (kind: number): boolean => (kind >= 0x80 && kind <= 0x8f) || kind === 0xde || kind === 0xdf;

/** By first byte: how many bytes of length follow it. */
const LENGTH_BYTES = new Uint8Array(256);
for (const [kind, count] of [
  ...[
    [0xc4, 1],
    [0xc5, 2],
    [0xc6, 4],
    [0xd9, 1],
    [0xda, 2],
    [0xdb, 4],
  ],
  ...[
    [0xdc, 2],
    [0xdd, 4],
    [0xde, 2],
    [0xdf, 4],
  ],
] as [number, number][]) {
  LENGTH_BYTES[kind] = count;
}

/** Bytes behind the header of a scalar, entries of a container. */
function lengthAt(view: DataView, at: number, kind: number, lengthBytes: number): number {
  if (lengthBytes === 1) return view.getUint8(at + 1);
  if (lengthBytes === 2) return view.getUint16(at + 1);
  if (lengthBytes === 4) return view.getUint32(at + 1);
  if (kind <= 0x7f || kind >= 0xe0) return 0;
  if (kind <= 0x9f) return kind & 0x0f;
  if (kind <= 0xbf) return kind & 0x1f;
  switch (kind) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 0;
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xca:
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8;
    default:
      throw new RangeError(`the type 0x${kind.toString(16)} is not taken here`);
  }
}
