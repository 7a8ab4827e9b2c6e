import type { Setting } from '../core/types.js';
import { type CostModel, vectorsPerSecond } from '../model/cost.js';
import { fitCostModel } from '../model/fit.js';
import type { Measurement } from './window.js';

/** Batches at which a cell's own measurement and the model's prediction for it weigh the same. */
const TRUST_BATCHES = 24;
/** Older windows of a cell fade: its memory is about this many batches. */
const CELL_MEMORY = 96;
/** With every measurement all that was measured before loses this share of its weight: databases slow down as they fill. */
const FORGETTING = 0.03;

interface Cell extends Setting {
  /** Effective number of batches. */
  weight: number;
  latencyMs: number;
  msPerRow: number;
}

/**
 * All that was measured of a database during a load: cells of (batch size, concurrency) and the cost model
 * fitted to them. A single cell is noisy, the model pools them all but may miss a bend; the estimate is the
 * model's prediction corrected by the cell's own residual, shrunk by how little it was measured (empirical
 * Bayes).
 */
export class Knowledge {
  readonly #cells = new Map<string, Cell>();
  #prior: CostModel | undefined;
  #model: CostModel | undefined;

  constructor(prior?: CostModel) {
    this.#prior = prior;
  }

  /** Undefined before the first measurement. */
  get model(): CostModel | undefined {
    return this.#model;
  }

  /** The settings measured so far. */
  get cells(): readonly Setting[] {
    return [...this.#cells.values()];
  }

  add(measurement: Measurement): void {
    if (measurement.batches === 0) return;
    for (const cell of this.#cells.values()) cell.weight *= 1 - FORGETTING;
    const key = keyOf(measurement);
    const msPerRow = 1000 / measurement.vectorsPerSecond;
    const cell = this.#cells.get(key);
    if (!cell) {
      const { batchSize, concurrency, latencyMs, batches } = measurement;
      this.#cells.set(key, { batchSize, concurrency, latencyMs, msPerRow, weight: batches });
    } else {
      cell.weight = Math.min(CELL_MEMORY, cell.weight + measurement.batches);
      const share = Math.min(1, measurement.batches / cell.weight);
      cell.latencyMs += share * (measurement.latencyMs - cell.latencyMs);
      cell.msPerRow += share * (msPerRow - cell.msPerRow);
    }
    this.#model = fitCostModel([...this.#cells.values()], this.#prior);
  }

  /** Batches measured at a setting. */
  batches(setting: Setting): number {
    return this.#cells.get(keyOf(setting))?.weight ?? 0;
  }

  /** Estimated steady rate of a setting, vectors/s; 0 before the first measurement. */
  estimate(setting: Setting): number {
    if (!this.#model) return 0;
    const predicted = vectorsPerSecond(this.#model, setting);
    const cell = this.#cells.get(keyOf(setting));
    if (!cell) return predicted;
    const trust = cell.weight / (cell.weight + TRUST_BATCHES);
    return predicted * (1000 / cell.msPerRow / predicted) ** trust;
  }

  /** Knowledge of nothing, not even of the prior: the database has changed, and the model stays only until the first measurement. */
  forgotten(): Knowledge {
    const fresh = new Knowledge();
    fresh.#model = this.#model;
    return fresh;
  }
}

const keyOf = ({ batchSize, concurrency }: Setting): string => `${batchSize}x${concurrency}`;
