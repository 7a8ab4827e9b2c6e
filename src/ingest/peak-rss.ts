const INTERVAL_MS = 50;

/** The most memory the process had resident since this was made. */
export class PeakRss {
  readonly #before = highWaterMark();
  #seen = process.memoryUsage.rss();
  #lastMs = 0;

  /** Looks, but not more often than every 50 ms: it reads a file. */
  observe(nowMs: number): void {
    if (nowMs - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = nowMs;
    this.#seen = Math.max(this.#seen, process.memoryUsage.rss());
  }

  /** The kernel's own mark if it rose since, which misses nothing; else the most that was observed. */
  peakBytes(): number {
    const mark = highWaterMark();
    return mark > this.#before ? mark : this.#seen;
  }
}

const highWaterMark = (): number => process.resourceUsage().maxRSS * 1024;
