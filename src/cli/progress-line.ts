/** A line on stderr that is drawn over itself; silent where stderr is not a terminal. */
export class ProgressLine {
  readonly #active = process.stderr.isTTY === true;
  #drawn = false;

  draw(text: string): void {
    if (!this.#active) return;
    const width = (process.stderr.columns ?? 80) - 1;
    process.stderr.write(`\r\x1b[2K${text.length > width ? text.slice(0, width) : text}`);
    this.#drawn = true;
  }

  /** Removes the line, so that what is printed next starts on a clean one. */
  clear(): void {
    if (this.#drawn) process.stderr.write('\r\x1b[2K');
    this.#drawn = false;
  }
}

/** `████████▌         ` for 0.47 of 18. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const partial = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!;
  return ('█'.repeat(Math.floor(eighths / 8)) + partial).padEnd(width);
}
