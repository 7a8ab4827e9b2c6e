import { formatCount, formatDuration } from '../src/core/units.js';

/** What there is to show of a running load. */
export interface Progress {
  label: string;
  /** 0 to 1. */
  share: number;
  vectorsPerSecond: number;
  etaMs: number;
  setting: { batchSize: number; concurrency: number };
}

const WIDTH = 24;
const REDRAW_MS = 50;

/** One line on stderr that is written over on a terminal, and not at all elsewhere. */
export class ProgressLine {
  #drawnAt = Number.NEGATIVE_INFINITY;

  show({ label, share, vectorsPerSecond, etaMs, setting }: Progress): void {
    if (!process.stderr.isTTY || performance.now() - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = performance.now();
    const done = Math.round(Math.min(1, share) * WIDTH);
    const bar = '█'.repeat(done).padEnd(WIDTH, '░');
    const rate = `${formatCount(vectorsPerSecond)} vectors/s`;
    this.#write(
      `${label.padEnd(12)} ${bar} ${`${Math.floor(share * 100)}`.padStart(3)} %  ${rate.padStart(20)}  ` +
        `ETA ${formatDuration(etaMs).padEnd(8)}  ${setting.batchSize} x ${setting.concurrency}`,
    );
  }

  /** Ends the line with a result that stays; the only thing that is shown without a terminal. */
  print(text: string): void {
    if (process.stderr.isTTY) this.#write('');
    process.stderr.write(`${text}\n`);
    this.#drawnAt = Number.NEGATIVE_INFINITY;
  }

  #write(text: string): void {
    process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 100) - 1)}`);
  }
}
