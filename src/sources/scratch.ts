/**
 * Memory that is used again and again. Large buffers that are dropped wait for the garbage collector, which on a busy
 * machine comes late: reading 300 MB through fresh ones was seen to take 460 MB under a budget of 64.
 */
export class Scratch {
  #bytes = Buffer.allocUnsafeSlow(0);

  /** So many bytes, aligned, with anything in them; what was taken before is overwritten. */
  take(byteLength: number): Buffer<ArrayBuffer> {
    if (byteLength > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(byteLength * 1.25));
    return this.#bytes.subarray(0, byteLength);
  }
}
