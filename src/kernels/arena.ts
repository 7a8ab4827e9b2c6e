import { VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';

/** A piece of the shared memory: 64-byte aligned, `byteLength` a multiple of 64. */
export interface Span {
  readonly pointer: number;
  readonly byteLength: number;
}

export const ALIGNMENT = 64;
const PAGE = 65_536;
/** Static data of the module lives below; see `asconfig.json`. */
const FLOOR = PAGE;
const MAX_PAGES = 65_536;

export const alignUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * The one owner of the WebAssembly memory. It hands out spans and takes them back (first fit, neighbours
 * merged), and is the only place where views of the memory are made: growing replaces the buffer, so a
 * view must never be kept across an allocation that may grow. On shared memory an old view stays valid
 * for the bytes it covers.
 *
 * ```
 * 0            64 KiB                                        used        memory end      limit
 * | module data | span | hole | span | span | ... hole | span |  untouched  |  not grown yet |
 * ```
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly #limitBytes: number;
  /** Free pieces below `#end`, by address, never adjacent. */
  readonly #holes: { pointer: number; byteLength: number }[] = [];
  #end = FLOOR;
  #usedBytes = 0;
  #peakBytes = 0;
  #u8: Uint8Array<ArrayBufferLike>;

  constructor(memory: WebAssembly.Memory, limitBytes: number = MAX_PAGES * PAGE) {
    this.memory = memory;
    this.#limitBytes = Math.min(limitBytes + FLOOR, MAX_PAGES * PAGE - PAGE);
    this.#u8 = new Uint8Array(memory.buffer);
  }

  /** Bytes handed out now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The most bytes ever handed out at once. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /**
   * A span of at least `byteLength` bytes, contents undefined.
   * @throws VBO_ERR_MEMORY when the memory's limit would be passed.
   */
  allocate(byteLength: number): Span {
    const wanted = Math.max(ALIGNMENT, alignUp(byteLength));
    let pointer: number;
    const index = this.#holes.findIndex((hole) => hole.byteLength >= wanted);
    if (index >= 0) {
      const hole = this.#holes[index]!;
      pointer = hole.pointer;
      if (hole.byteLength === wanted) this.#holes.splice(index, 1);
      else {
        hole.pointer += wanted;
        hole.byteLength -= wanted;
      }
    } else {
      pointer = this.#end;
      this.#grow(pointer + wanted);
      this.#end = pointer + wanted;
    }
    this.#usedBytes += wanted;
    if (this.#usedBytes > this.#peakBytes) this.#peakBytes = this.#usedBytes;
    return { pointer, byteLength: wanted };
  }

  /** Takes a span back. A span must be freed once only. */
  free(span: Span): void {
    this.#usedBytes -= span.byteLength;
    let low = 0;
    let high = this.#holes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#holes[middle]!.pointer < span.pointer) low = middle + 1;
      else high = middle;
    }
    const hole = { pointer: span.pointer, byteLength: span.byteLength };
    const before = this.#holes[low - 1];
    const after = this.#holes[low];
    if (after && hole.pointer + hole.byteLength === after.pointer) {
      hole.byteLength += after.byteLength;
      this.#holes.splice(low, 1);
    }
    if (before && before.pointer + before.byteLength === hole.pointer) {
      before.byteLength += hole.byteLength;
      if (before.pointer + before.byteLength === this.#end) {
        this.#end = before.pointer;
        this.#holes.splice(low - 1, 1);
      }
    } else if (hole.pointer + hole.byteLength === this.#end) {
      this.#end = hole.pointer;
    } else {
      this.#holes.splice(low, 0, hole);
    }
  }

  bytes(pointer: number, length: number): Uint8Array<ArrayBufferLike> {
    if (this.#u8.buffer !== this.memory.buffer) this.#u8 = new Uint8Array(this.memory.buffer);
    return this.#u8.subarray(pointer, pointer + length);
  }

  float32(pointer: number, length: number): Float32Array<ArrayBufferLike> {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  float64(pointer: number, length: number): Float64Array<ArrayBufferLike> {
    return new Float64Array(this.memory.buffer, pointer, length);
  }

  int32(pointer: number, length: number): Int32Array<ArrayBufferLike> {
    return new Int32Array(this.memory.buffer, pointer, length);
  }

  #grow(endPointer: number): void {
    const currentBytes = this.memory.buffer.byteLength;
    if (endPointer <= currentBytes) return;
    if (endPointer > this.#limitBytes) {
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `The kernels' memory would grow to ${formatBytes(endPointer)}; the limit is ${formatBytes(this.#limitBytes)}.`,
        { details: { wantedBytes: endPointer, limitBytes: this.#limitBytes } },
      );
    }
    const target = Math.min(this.#limitBytes, Math.max(endPointer, currentBytes * 1.25));
    const pages = Math.ceil((target - currentBytes) / PAGE);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw new VectorBatchError(
        'VBO_ERR_MEMORY',
        `The WebAssembly memory cannot grow to ${formatBytes(target)}.`,
        { cause },
      );
    }
  }
}
