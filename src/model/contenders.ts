import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { Prior } from './belief.js';
import type { Contender, ScoredPair } from './evaluation.js';
import type { Subject } from './plausible.js';
import { wireBytesPerVector } from './profile.js';
import { profileLike } from './profiles.js';
import { type MeasuredPair, Recommender } from './recommender.js';

/** The sweeps' grid. */
const SMALLEST_BATCH = 8;
const LARGEST_BATCH = 16_384;
const MOST_IN_FLIGHT = 8;

/** A database and dimension with what is documented of it. */
export const subjectFor = (database: string, dimension: number): Subject => ({
  ...{ database, dimension },
  isSingleWriter: profileLike(database)?.concurrency.fixed === 1,
});

/** Who a pair is, from any of its records. */
const subjectOf = ({ database_type, vector_dimension }: BatchExecutionRecord): Subject =>
  subjectFor(database_type, vector_dimension);

/** A pair as the recommender learns from it. */
export const measuredPairOf = ({ records, cells }: ScoredPair): MeasuredPair => ({
  subject: subjectOf(records[0]!),
  cells,
});

/** The recommender of this package, knowing nothing but `training`. */
export function learnedContender(training: readonly ScoredPair[], seed: number): Contender {
  const recommender = new Recommender(training.map(measuredPairOf), seed);
  const failures = training.flatMap(({ records }) => records.filter((record) => !record.success));
  const priors = new Map<string, Prior>();
  return {
    begin(identity, itemCount) {
      const subject = subjectOf(identity);
      const key = `${subject.database} ${subject.dimension}`;
      const prior = priors.get(key) ?? recommender.prior(subject);
      priors.set(key, prior);
      const allowed = {
        minBatchSize: SMALLEST_BATCH,
        maxBatchSize: Math.min(LARGEST_BATCH, rowsAllowed(subject)),
        maxConcurrency: MOST_IN_FLIGHT,
        maxInFlight: itemCount || Number.POSITIVE_INFINITY,
      };
      const survey = recommender.survey(subject, allowed, prior);
      for (const { database_type, batch_size, concurrency } of failures) {
        if (database_type === subject.database) survey.exclude({ batchSize: batch_size, concurrency });
      }
      return {
        next: () => survey.next(),
        add: ({ batch_size, concurrency, throughput_vps }) =>
          survey.add({ batchSize: batch_size, concurrency }, throughput_vps!),
        recommend: () => survey.best(),
      };
    },
  };
}

/** Most rows of a request that the database's documented limits let pass. */
function rowsAllowed({ database, dimension }: Subject): number {
  const profile = profileLike(database);
  if (!profile) return LARGEST_BATCH;
  const { maxRows = LARGEST_BATCH, maxRequestBytes } = profile.limits;
  if (maxRequestBytes === undefined) return maxRows;
  const { perRequestBytes } = profile.wire;
  return Math.min(maxRows, (maxRequestBytes - perRequestBytes) / wireBytesPerVector(profile, dimension));
}

/**
 * The heuristic of the system that this one replaces: a tenth of the items, 10 to 500 at once, five at a time; a tenth
 * less after a batch slower than 1000 ms, a tenth more after one faster than 500 ms.
 */
export const LEGACY: Contender = {
  begin(_, itemCount) {
    const clamp = (size: number) => Math.min(500, Math.max(10, Math.round(size)));
    let batchSize = clamp(itemCount / 10);
    const current = () => ({ batchSize, concurrency: 5 });
    return {
      next: current,
      add({ batch_p50_ms: ms }) {
        if (ms && ms > 1000) batchSize = clamp(batchSize * 0.9);
        else if (ms && ms < 500) batchSize = clamp(batchSize * 1.1);
      },
      recommend: current,
    };
  },
};

/** The same setting for everybody. */
export const constant = (setting: Setting): Contender => ({
  begin: () => ({ next: () => setting, add: () => {}, recommend: () => setting }),
});

/** Six settings across the region where most databases are best. */
const SIX: readonly Setting[] = [
  { batchSize: 128, concurrency: 1 },
  { batchSize: 1024, concurrency: 1 },
  { batchSize: 256, concurrency: 4 },
  { batchSize: 1024, concurrency: 2 },
  { batchSize: 2048, concurrency: 2 },
  { batchSize: 1024, concurrency: 4 },
];

/** Measures six fixed settings and believes the fastest. */
export const SIX_PROBES: Contender = {
  begin() {
    let best: Setting = SIX[3]!;
    let rate = 0;
    return {
      next: (probe) => SIX[probe % SIX.length]!,
      add({ batch_size, concurrency, throughput_vps }) {
        if (throughput_vps! <= rate) return;
        rate = throughput_vps!;
        best = { batchSize: batch_size, concurrency };
      },
      recommend: () => best,
    };
  },
};

/** Everybody who can be evaluated, by the name on the command line. */
export const CONTENDERS: Readonly<
  Record<
    string,
    {
      readonly label: string;
      readonly probes?: number;
      readonly of: (training: readonly ScoredPair[], seed: number) => Contender;
    }
  >
> = {
  learned: { label: 'the recommender', of: learnedContender },
  legacy: { label: 'the legacy heuristic', of: () => LEGACY },
  usual: { label: 'always 100 x 1', probes: 0, of: () => constant({ batchSize: 100, concurrency: 1 }) },
  constant: { label: 'always 1024 x 2', probes: 0, of: () => constant({ batchSize: 1024, concurrency: 2 }) },
  'six-probes': { label: 'six fixed probes, the fastest', probes: 6, of: () => SIX_PROBES },
};
