import type { FileWindow } from './file-window.js';

/** A longer line is not read: its memory would not be bounded. 64 MiB. */
export const MAX_LINE_BYTES = 67_108_864;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export interface Line {
  /** The bytes without the newline; valid until the next `fill`. */
  readonly bytes: Buffer;
  /** 1-based. */
  readonly number: number;
  /** Where the line starts in the file. */
  readonly byteOffset: number;
  /** False for a last line that has no newline. */
  readonly isTerminated: boolean;
  /** `bytes` is only the start of a line longer than the limit; the rest is skipped. */
  readonly isTooLong: boolean;
}

/** Cuts a file into lines. `fill` reads, `next` hands out what is at hand without waiting. */
export class LineReader {
  readonly #window: FileWindow;
  readonly #maxLineBytes: number;
  #lineNumber = 0;
  #isSkipping = false;
  /** The unread bytes hold no complete line. */
  #isStuck = true;

  constructor(window: FileWindow, maxLineBytes = MAX_LINE_BYTES) {
    this.#window = window;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Makes at least one more line available; false at the end of the file. */
  async fill(): Promise<boolean> {
    const window = this.#window;
    const isStart = window.offset === 0;
    // Four bytes at least: a byte order mark and what follows it.
    let available = await window.refill(Math.max(4, this.#isStuck ? window.available + 1 : 1));
    if (isStart && window.bytes.subarray(0, Math.min(3, available)).equals(BYTE_ORDER_MARK)) {
      window.consume(3);
      available -= 3;
    }
    while (this.#isSkipping && available > 0) {
      const newline = window.bytes.subarray(window.start, window.end).indexOf(NEWLINE);
      window.consume(newline < 0 ? available : newline + 1);
      if (newline >= 0) this.#isSkipping = false;
      available = newline < 0 || window.available === 0 ? await window.refill(1) : window.available;
    }
    this.#isStuck = false;
    return available > 0;
  }

  next(): Line | undefined {
    const window = this.#window;
    const { start, end, bytes } = window;
    if (start === end) return undefined;
    const found = bytes.indexOf(NEWLINE, start);
    const newline = found >= 0 && found < end ? found : -1;
    const length = (newline < 0 ? end : newline) - start;
    const isTooLong = length > this.#maxLineBytes;
    if (newline < 0 && !window.atEnd && !isTooLong) {
      this.#isStuck = true;
      return undefined;
    }
    const line: Line = {
      bytes: bytes.subarray(start, start + length),
      number: ++this.#lineNumber,
      byteOffset: window.offset,
      isTerminated: newline >= 0,
      isTooLong,
    };
    window.consume(newline < 0 ? length : length + 1);
    this.#isSkipping = isTooLong && newline < 0;
    return line;
  }
}
