import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { Aggregate } from './aggregate.js';
import { measuredCells } from './measured-cells.js';
import { peakMb } from './memory.js';
import { type MemoryLine, memoryLine, peakOnLine } from './memory-line.js';
import { profileLike, profileOf } from './profiles.js';

/** Peak resident memory of the process that loads, and what it rests on. */
export interface MemoryPrediction {
  readonly peakMb: number;
  readonly parts: readonly ('accounting' | 'fit')[];
}

/**
 * Predicts the peak resident memory of a load: a base and an amount per vector in flight, fitted robustly to
 * `peak_rss_mb`. Where memory does not grow with what is in flight, or too little was measured, the accounting of
 * `memory.ts` answers.
 */
export class MemoryUsagePredictor {
  readonly #first: Aggregate;
  readonly #line: MemoryLine | undefined;

  /**
   * Learns from records of one database and dimension.
   * @throws VBO_ERR_ARGUMENT for a record that is none, VBO_ERR_RECORD if nothing was measured or pairs are mixed
   */
  constructor(records: readonly BatchExecutionRecord[]) {
    const cells = measuredCells(records);
    this.#first = cells[0]!;
    this.#line = memoryLine(cells);
  }

  /** What a load with this setting will hold at its peak, MB. */
  predict(setting: Setting): MemoryPrediction {
    if (this.#line) {
      const { batchSize, concurrency } = setting;
      return { peakMb: peakOnLine(this.#line, batchSize * concurrency), parts: ['fit'] };
    }
    const profile = profileLike(this.#first.database) ?? profileOf('generic');
    return { peakMb: peakMb(profile, this.#first.dimension, setting), parts: ['accounting'] };
  }
}
