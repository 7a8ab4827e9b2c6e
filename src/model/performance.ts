import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { withFewSettings } from './aggregate.js';
import { type Confidence, confidenceOf } from './confidence.js';
import type { CostModel } from './cost.js';
import { slowdownAt, slower } from './drift.js';
import { scorePair } from './evaluation.js';
import type { MeasuredCell } from './kernel-surface.js';
import { carry, costAt } from './law.js';
import type { MemoryLine } from './memory-line.js';
import { checkState, type FitState, type ModelState, stateOf } from './model-state.js';
import { type ForestTrainer, fitPair, partsOf } from './pair-fit.js';
import type { DatabaseProfile, RequestLimits } from './profile.js';
import { profileOf } from './profiles.js';
import { expectedShares } from './recommender.js';
import { checkRecord, toSample } from './records.js';
import {
  afterFailure,
  afterSuccess,
  limitsAfter,
  NO_LESSONS,
  type RequestLessons,
} from './request-lessons.js';

/** How well the model fits the records of one database and dimension. */
export interface DatabaseFit extends FitState {
  readonly database: string;
}

/** A fit with what its shares are computed from when they are first asked for. */
interface KeptFit extends DatabaseFit {
  readonly cells?: readonly MeasuredCell[];
}

/** What became of the records handed to {@link PerformanceModel.train}. */
export interface TrainingReport {
  /** Measurements that took part in a fit. */
  readonly used: number;
  /** Records that measured nothing, with the reason; failures are among them and may have taught a limit. */
  readonly skipped: readonly { index: number; reason: string }[];
  /** Records that are not valid. */
  readonly refused: readonly { index: number; reason: string }[];
  readonly databases: readonly DatabaseFit[];
  /** Limits that failures taught. */
  readonly limits: readonly ({ database: string } & RequestLimits)[];
}

/** What the model says about a database at a dimension, and on what grounds. */
export interface Prediction extends Confidence {
  readonly cost: CostModel;
  readonly limits: RequestLimits;
  /** In words: which parts spoke. */
  readonly basis: string;
  /** Records behind it; 0 for a prior. */
  readonly records: number;
  /** 95th percentile of a request's time over its mean. */
  readonly tail: number;
  /** Peak memory of the loading process, where it was fitted. */
  readonly memory?: MemoryLine;
  /** What a forest adds to log(rate) at every node of the lattice, where it is heard. */
  readonly correction?: readonly number[];
}

interface Knowledge {
  readonly fits: Map<number, KeptFit>;
  lessons: RequestLessons;
}

/** So it is in the median of the six sweeps of `test/data/sweeps` (1.3 to 3.0). */
const USUAL_TAIL = 1.5;

/** Dimensions of a database whose predictions are kept. */
const MOST_KEPT = 256;

/** What is known about every database's speed: the profiles' priors, and the fits that replace them as records come in. */
export class PerformanceModel {
  readonly #knowledge = new Map<string, Knowledge>();
  /** Predictions for any number of items, until something is learnt. */
  #predictions = new WeakMap<DatabaseProfile, Map<number, Prediction>>();

  /**
   * A model as it was when {@link toJSON} wrote it down.
   * @throws VBO_ERR_MODEL if `state` is damaged or of another version
   */
  static fromJSON(state: unknown): PerformanceModel {
    const model = new PerformanceModel();
    model.load(state);
    return model;
  }

  /**
   * Replaces all that is known by what `state` holds, in place: whoever holds this model answers from it from now on.
   * @throws VBO_ERR_MODEL if `state` is damaged or of another version; the model is unchanged then
   */
  load(state: unknown): void {
    const { databases } = checkState(state);
    this.#knowledge.clear();
    this.#predictions = new WeakMap();
    for (const { database, limits, reached, fits } of databases) {
      const fit = (state: FitState): [number, DatabaseFit] => [state.dimension, { database, ...state }];
      this.#knowledge.set(database, { lessons: { limits, reached }, fits: new Map(fits.map(fit)) });
    }
  }

  /** All that was learnt; of constant size in the number of records. */
  toJSON(): ModelState {
    return stateOf(
      [...this.#knowledge].map(([database, { lessons, fits }]) => ({
        ...{ database, limits: lessons.limits, reached: lessons.reached },
        fits: [...fits.values()].map(({ database: _, cells: __, ...fit }) => {
          const shares = this.sharesOfBest(database, fit.dimension);
          return { ...fit, ...(shares ? { shares } : {}) };
        }),
      })),
    );
  }

  /**
   * Fits the cost model to the records, per database and dimension; fits of earlier calls for the same pair
   * are replaced. Records that are not valid are refused one by one, with their index and the reason; the
   * others are used.
   * @param trainForest default: no forest corrects the cost model
   * @throws VBO_ERR_RECORD if there are records and every one is refused.
   */
  train(records: readonly unknown[], trainForest?: ForestTrainer): TrainingReport {
    this.#predictions = new WeakMap();
    const skipped: { index: number; reason: string }[] = [];
    const refused: { index: number; reason: string }[] = [];
    const groups = new Map<
      string,
      { profile: DatabaseProfile; dimension: number; records: BatchExecutionRecord[] }
    >();
    const failures: { profile: DatabaseProfile; record: BatchExecutionRecord }[] = [];
    for (const [index, value] of records.entries()) {
      let record: BatchExecutionRecord;
      let profile: DatabaseProfile;
      try {
        record = checkRecord(value, `records[${index}]`);
        profile = profileOf(record.database_type, `records[${index}].database_type`);
      } catch (error) {
        refused.push({ index, reason: toVectorBatchError(error, 'VBO_ERR_RECORD', 'record').message });
        continue;
      }
      const sample = toSample(record);
      if ('unmeasured' in sample) {
        skipped.push({ index, reason: sample.unmeasured });
        if (!record.success) failures.push({ profile, record });
        continue;
      }
      const key = `${profile.name} ${record.vector_dimension}`;
      const group = groups.get(key) ?? { profile, dimension: record.vector_dimension, records: [] };
      group.records.push(record);
      groups.set(key, group);
    }
    if (records.length > 0 && refused.length === records.length) {
      throw new VectorBatchError(
        'VBO_ERR_RECORD',
        `All ${refused.length} records were refused. ${refused[0]!.reason}`,
        {
          details: { refused },
        },
      );
    }
    const databases = [...groups.values()].map(({ profile, dimension, records }) =>
      this.#fit(profile, dimension, records, trainForest),
    );
    const taught = new Set<string>();
    for (const { profile, record } of failures) {
      const known = this.#known(profile.name);
      const lessons = afterFailure(known.lessons, profile, record);
      if (lessons !== known.lessons) taught.add(profile.name);
      known.lessons = lessons;
    }
    return {
      used: databases.reduce((sum, fit) => sum + fit.records, 0),
      skipped,
      refused,
      databases,
      limits: [...taught].map((database) => ({ database, ...this.#known(database).lessons.limits })),
    };
  }

  /**
   * What is to be expected of `profile`'s database with vectors of `dimension`.
   * @param itemCount vectors to be loaded into an empty collection. Default: it is as full as when it was measured
   */
  predict(profile: DatabaseProfile, dimension: number, itemCount?: number): Prediction {
    const kept = this.#predictions.get(profile)?.get(dimension);
    if (kept) return kept;
    const known = this.#knowledge.get(profile.name);
    const fit = known && nearest([...known.fits.values()], dimension);
    const limits = limitsAfter(profile, known?.lessons ?? NO_LESSONS);
    if (fit?.drift) return predictionOf(profile, dimension, limits, fit, itemCount);
    const prediction = predictionOf(profile, dimension, limits, fit);
    this.#keep(profile, dimension, prediction);
    return prediction;
  }

  #keep(profile: DatabaseProfile, dimension: number, prediction: Prediction): void {
    let kept = this.#predictions.get(profile);
    if (!kept || kept.size >= MOST_KEPT) {
      kept = new Map();
      this.#predictions.set(profile, kept);
    }
    kept.set(dimension, prediction);
  }

  /**
   * Expected share of the best rate at every node of the lattice (see `lattice.ts`), where this very pair was measured.
   * Takes a tenth of a second when first asked for, which {@link toJSON} does too, and none afterwards.
   */
  sharesOfBest(database: string, dimension: number): readonly number[] | undefined {
    const fits = this.#knowledge.get(database)?.fits;
    const fit = fits?.get(dimension);
    if (!fit || fit.shares || !fit.cells) return fit?.shares;
    const shares = expectedShares(profileOf(database), dimension, fit.cells);
    const { cells: _, ...rest } = fit;
    fits!.set(dimension, { ...rest, shares });
    return shares;
  }

  #known(database: string): Knowledge {
    let known = this.#knowledge.get(database);
    if (!known) {
      known = { fits: new Map(), lessons: NO_LESSONS };
      this.#knowledge.set(database, known);
    }
    return known;
  }

  #fit(
    profile: DatabaseProfile,
    dimension: number,
    records: readonly BatchExecutionRecord[],
    trainForest: ForestTrainer | undefined,
  ): DatabaseFit {
    const told = withFewSettings(records);
    const fit: DatabaseFit = {
      database: profile.name,
      ...fitPair(profile, dimension, told, trainForest),
    };
    const known = this.#known(profile.name);
    const cells = scorePair(profile.name, told)?.cells.map(({ batchSize, concurrency, count, logRate }) => ({
      ...{ batchSize, concurrency, count, logRate },
    }));
    known.fits.set(dimension, { ...fit, ...(cells ? { cells } : {}) });
    const rows = records.reduce((max, record) => Math.max(max, record.batch_size), 0);
    known.lessons = afterSuccess(known.lessons, profile, dimension, rows);
    return fit;
  }
}

/** The fit at the nearest dimension, by ratio; the smaller one of two equally near. */
function nearest(fits: readonly DatabaseFit[], dimension: number): DatabaseFit | undefined {
  const distance = (fit: DatabaseFit) => Math.abs(Math.log2(fit.dimension / dimension));
  return [...fits].sort((a, b) => distance(a) - distance(b) || a.dimension - b.dimension)[0];
}

/** By the fit, or by the profile's prior without one. */
function predictionOf(
  profile: DatabaseProfile,
  dimension: number,
  limits: RequestLimits,
  fit: DatabaseFit | undefined,
  itemCount?: number,
): Prediction {
  if (!fit) {
    const { law, basis } = profile;
    const dimensionDistance = Math.abs(Math.log2(dimension / law.referenceDimension));
    return {
      cost: costAt(law, dimension),
      limits,
      basis: `prior of ${profile.name} (${basis}, ${law.referenceDimension} dimensions)`,
      records: 0,
      tail: USUAL_TAIL,
      ...confidenceOf({ basis, dimensionDistance }),
    };
  }
  const transferred = fit.dimension !== dimension;
  const { drift } = fit;
  const meanRows = itemCount === undefined ? drift?.medianRows : itemCount / 2;
  const model = drift ? slower(fit.model, slowdownAt(drift, meanRows!)) : fit.model;
  const parts: Pick<FitState, 'drift' | 'memory' | 'correction'> = transferred
    ? { ...(drift ? { drift } : {}) }
    : fit;
  return {
    cost: transferred ? carry(model, profile.law, fit.dimension, dimension) : model,
    limits,
    basis: `fit to ${fit.records} records of ${profile.name} at ${fit.dimension} dimensions${
      transferred ? `, carried to ${dimension} by its dimension law` : ''
    }${partsOf(parts)}`,
    records: fit.records,
    tail: fit.tail ?? USUAL_TAIL,
    ...(parts.memory ? { memory: parts.memory } : {}),
    ...(parts.correction ? { correction: parts.correction } : {}),
    ...confidenceOf({
      basis: profile.basis,
      dimensionDistance: Math.abs(Math.log2(dimension / fit.dimension)),
      records: {
        count: fit.records,
        settings: fit.settings,
        medianAbsoluteRelativeError: fit.medianAbsoluteRelativeError,
      },
    }),
  };
}
