import { formatCount, formatDuration } from '../core/units.js';
import type { Progress } from '../ingest/progress.js';

const REDRAW_MS = 50;
const BAR_WIDTH = 24;

/** A line on stderr that is drawn over itself; only what is printed shows where stderr is not a terminal. */
export class ProgressLine {
  readonly #active = process.stderr.isTTY === true;
  #drawnMs = Number.NEGATIVE_INFINITY;

  draw(text: string): void {
    if (!this.#active || performance.now() - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = performance.now();
    this.#write(text);
  }

  /** Ends the line with a text that stays. */
  print(text: string): void {
    this.clear();
    process.stderr.write(`${text}\n`);
  }

  /** Removes the line, so that what is printed next starts on a clean one. */
  clear(): void {
    if (this.#active) this.#write('');
    this.#drawnMs = Number.NEGATIVE_INFINITY;
  }

  #write(text: string): void {
    process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }
}

/** How far a load is, how fast, how long still, and with which setting: one line. */
export function progressText(progress: Progress): string {
  const { acknowledged, rejected, resumedFrom, total, vectorsPerSecond, etaMs, setting } = progress;
  const settled = resumedFrom + acknowledged + rejected;
  const done = total
    ? `${bar(settled / total)} ${Math.floor((100 * settled) / total)} %  ${formatCount(settled)} / ${formatCount(total)}`
    : `${formatCount(settled)} vectors`;
  const rate = `${formatCount(vectorsPerSecond)}/s`;
  const eta = etaMs === null ? '' : `  ETA ${formatDuration(etaMs)}`;
  const refused = rejected > 0 ? `  ${formatCount(rejected)} refused` : '';
  return `${done}  ${rate}${eta}  ${setting.batchSize} x ${setting.concurrency}${refused}`;
}

/** A share as a bar of blocks. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return '█'.repeat(full).padEnd(BAR_WIDTH, '░');
}
