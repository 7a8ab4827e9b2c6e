/** From a tenth of a millisecond: a recommendation takes less than one. */
const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

interface Series {
  /** As Prometheus writes them. */
  readonly labels: string;
  /** Of each bucket alone; the last is beyond every bound. */
  readonly counts: number[];
  seconds: number;
}

/**
 * A histogram of durations that counts in an array. prom-client's finds its bucket by a number's text, which takes a
 * service that answers in microseconds longer than everything else it counts.
 */
export class DurationHistogram {
  readonly #metric: { readonly name: string; readonly help: string };
  readonly #series: Series[] = [];

  constructor(metric: { readonly name: string; readonly help: string }) {
    this.#metric = metric;
  }

  /** Adds a series. What it returns counts a duration, ms. */
  series(labels: Readonly<Record<string, string>>): (durationMs: number) => void {
    const series: Series = {
      labels: Object.entries(labels)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(','),
      counts: new Array<number>(SECONDS.length + 1).fill(0),
      seconds: 0,
    };
    this.#series.push(series);
    return (durationMs) => {
      const seconds = durationMs / 1000;
      let bucket = 0;
      while (bucket < SECONDS.length && seconds > SECONDS[bucket]!) bucket++;
      series.counts[bucket]!++;
      series.seconds += seconds;
    };
  }

  /** In the text format of Prometheus. */
  text(): string {
    const { name, help } = this.#metric;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const { labels, counts, seconds } of this.#series) {
      let below = 0;
      for (const [bucket, count] of counts.entries()) {
        below += count;
        lines.push(`${name}_bucket{le="${SECONDS[bucket] ?? '+Inf'}",${labels}} ${below}`);
      }
      lines.push(`${name}_sum{${labels}} ${seconds}`, `${name}_count{${labels}} ${below}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
