/** Ratio of neighbouring bucket borders: a value is known to within half of this, 1 %. */
const GROWTH = 1.02;
const SMALLEST_MS = 1e-3;
/** Up to about 11 days. */
const BUCKETS = 1400;

/** Percentiles of latencies in constant memory: logarithmic buckets, relative error at most 1 % between 1 us and 11 days. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;

  /** How many were added. */
  get count(): number {
    return this.#total;
  }

  add(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / Math.log(GROWTH));
    this.#counts[Math.min(BUCKETS - 1, bucket)]!++;
    this.#total++;
  }

  /** The latency that the given share (0..1) of all stays below or equals, ms; 0 of nothing. */
  percentile(share: number): number {
    if (this.#total === 0) return 0;
    const wanted = Math.max(1, Math.ceil(share * this.#total));
    let bucket = 0;
    for (let below = this.#counts[0]!; below < wanted; below += this.#counts[bucket]!) bucket++;
    return SMALLEST_MS * GROWTH ** (bucket + 0.5);
  }
}
