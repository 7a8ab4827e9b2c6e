import { formatCount, formatDuration } from '../core/units.js';
import type { Progress } from '../ingest/progress.js';

const REDRAW_MS = 50;
const BAR_WIDTH = 24;

/** A line on stderr that is drawn over itself; only what is printed shows where stderr is not a terminal. */
export class ProgressLine {
  readonly #active = process.stderr.isTTY === true;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** Not more often than can be read, unless `now`. */
  draw(text: string, now = false): void {
    if (!this.#active || (!now && performance.now() - this.#drawnMs < REDRAW_MS)) return;
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

/** How far a load is, how fast, how long still, and with which setting; while requests fail, why. */
export class LoadText {
  #progress: Progress | undefined;
  #trouble: string | undefined;
  /** Requests that had succeeded when the trouble was first reported with. */
  #batches: number | undefined;

  /** The trouble is over when requests succeed again. */
  report(progress: Progress): void {
    this.#progress = progress;
    this.#batches ??= progress.batches;
    if (progress.batches > this.#batches) this.#trouble = undefined;
  }

  /** A request has failed, and is to be made again. */
  retry(attempt: number, message: string): void {
    this.#trouble = `attempt ${attempt} failed: ${message.replace(/\s+/g, ' ').trim()}`;
    this.#batches = undefined;
  }

  toString(): string {
    if (!this.#trouble) return this.#progress ? progressText(this.#progress) : '';
    return this.#progress ? `${countText(this.#progress)}  ${this.#trouble}` : this.#trouble;
  }
}

export function progressText(progress: Progress): string {
  const { rejected, total, vectorsPerSecond, etaMs, setting } = progress;
  const done = total ? `${bar(settledOf(progress) / total)} ` : '';
  const rate = `${formatCount(vectorsPerSecond)}/s`;
  const eta = etaMs === null ? '' : `  ETA ${formatDuration(etaMs)}`;
  const refused = rejected > 0 ? `  ${formatCount(rejected)} refused` : '';
  return `${done}${countText(progress)}  ${rate}${eta}  ${setting.batchSize} x ${setting.concurrency}${refused}`;
}

function countText(progress: Progress): string {
  const { total } = progress;
  const settled = settledOf(progress);
  if (!total) return `${formatCount(settled)} vectors`;
  return `${Math.floor((100 * settled) / total)} %  ${formatCount(settled)} / ${formatCount(total)}`;
}

const settledOf = ({ acknowledged, rejected, resumedFrom }: Progress): number =>
  resumedFrom + acknowledged + rejected;

/** A share as a bar of blocks. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return '█'.repeat(full).padEnd(BAR_WIDTH, '░');
}
