import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { measuredPairOf, subjectFor } from './contenders.js';
import { type ScoredPair, scorePair } from './evaluation.js';
import { type Allowed, Recommender, type Survey } from './recommender.js';

/** A database, a dimension, and what bounds a load. */
export interface BatchSizeQuestion {
  readonly databaseType: string;
  readonly vectorDimension: number;
  /** Default: no bound. */
  readonly itemCount?: number;
  /** Default 16,384 rows. */
  readonly maxBatchSize?: number;
  /** Default 8 in flight. */
  readonly maxConcurrency?: number;
}

/**
 * Predicts the best setting of a database and dimension, measured or not, from records of any. What `vbo evaluate` judges
 * and `vbo tune` measures by is the same {@link Recommender}.
 */
export class MLBatchSizePredictor {
  readonly #pairs: readonly ScoredPair[];
  readonly #recommender: Recommender;

  /** Learns from records, of as many databases and dimensions as there are. Deterministic in records and seed. */
  constructor(records: readonly BatchExecutionRecord[], seed = 1) {
    const pools = new Map<string, BatchExecutionRecord[]>();
    for (const record of records) {
      const key = keyOf(record.database_type, record.vector_dimension);
      const pool = pools.get(key);
      if (pool) pool.push(record);
      else pools.set(key, [record]);
    }
    this.#pairs = [...pools].flatMap(([key, pool]) => scorePair(key, pool) ?? []);
    this.#recommender = new Recommender(this.#pairs.map(measuredPairOf), seed);
  }

  /** The setting whose expected share of the best rate is largest. Takes about 50 ms. */
  predict(question: BatchSizeQuestion): Setting {
    return this.survey(question).best();
  }

  /** Begins with what is known and takes measurements in: asks for the most informative ones, names the best at any time. */
  survey(question: BatchSizeQuestion): Survey {
    const { databaseType, vectorDimension, maxBatchSize = 16_384, maxConcurrency = 8 } = question;
    const allowed: Allowed = { maxBatchSize, maxConcurrency, maxInFlight: question.itemCount ?? Infinity };
    const survey = this.#recommender.survey(subjectFor(databaseType, vectorDimension), allowed);
    const own = this.#pairs.find(({ name }) => name === keyOf(databaseType, vectorDimension));
    if (own) survey.addCells(own.cells);
    for (const { success, batch_size, concurrency } of own?.records ?? []) {
      if (!success) survey.exclude({ batchSize: batch_size, concurrency });
    }
    return survey;
  }
}

const keyOf = (database: string, dimension: number): string => `${database} ${dimension}`;
