import { median, quantile } from '../core/statistics.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { Aggregate } from './aggregate.js';
import { peakMb } from './memory.js';
import { measuredCells } from './performance-predictor.js';
import { profileLike, profileOf } from './profiles.js';

/** Peak resident memory of the process that loads, and what it rests on. */
export interface MemoryPrediction {
  readonly peakMb: number;
  readonly parts: readonly ('accounting' | 'fit')[];
}

/** Cells that a line can be laid through. */
const FEWEST_CELLS = 6;

/**
 * Predicts the peak resident memory of a load: a base and an amount per byte in flight, fitted to `peak_rss_mb` by the
 * median of pairwise slopes (Theil 1950, Sen 1968), which half of the cells cannot bend. Where memory does not grow with
 * what is in flight, or too little was measured, the accounting of `memory.ts` answers.
 */
export class MemoryUsagePredictor {
  readonly #first: Aggregate;
  readonly #line: { readonly base: number; readonly perMb: number } | undefined;

  /**
   * Learns from records of one database and dimension.
   * @throws VBO_ERR_ARGUMENT for a record that is none, VBO_ERR_RECORD if nothing was measured or pairs are mixed
   */
  constructor(records: readonly BatchExecutionRecord[]) {
    const cells = measuredCells(records);
    this.#first = cells[0]!;
    const points = cells
      .filter((cell) => cell.peakRssMb !== null)
      .map((cell) => ({ x: this.#inFlightMb(cell), y: cell.peakRssMb! }));
    if (points.length >= FEWEST_CELLS) this.#line = lineThrough(points);
  }

  /** What a load with this setting will hold at its peak, MB. */
  predict(setting: Setting): MemoryPrediction {
    if (this.#line) {
      const { base, perMb } = this.#line;
      return { peakMb: base + perMb * this.#inFlightMb(setting), parts: ['fit'] };
    }
    const profile = profileLike(this.#first.database) ?? profileOf('generic');
    return { peakMb: peakMb(profile, this.#first.dimension, setting), parts: ['accounting'] };
  }

  #inFlightMb({ batchSize, concurrency }: Setting): number {
    const bytes = this.#first.bytesPerVector ?? 4 * this.#first.dimension;
    return (batchSize * concurrency * bytes) / 1e6;
  }
}

function lineThrough(
  points: readonly { x: number; y: number }[],
): { base: number; perMb: number } | undefined {
  const slopes = points.flatMap((a, i) =>
    points.slice(i + 1).flatMap((b) => (a.x === b.x ? [] : [(b.y - a.y) / (b.x - a.x)])),
  );
  const perMb = median(slopes);
  if (!(perMb > 0)) return undefined;
  // A peak is to be planned for: three quarters of what was seen lies below the line.
  return {
    base: quantile(
      points.map(({ x, y }) => y - perMb * x),
      0.75,
    ),
    perMb,
  };
}
