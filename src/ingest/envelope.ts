import { UNBOUNDED } from '../control/bounds.js';
import { FixedPolicy } from '../control/fixed.js';
import { Guard } from '../control/guard.js';
import { initialSetting } from '../control/initial.js';
import { ModelGuidedPolicy } from '../control/model-guided.js';
import type { CostModel } from '../model/cost.js';
import { costAt } from '../model/law.js';
import { PROFILES } from '../model/profiles.js';
import type { ResolvedIngestOptions } from './options.js';
import type { Sink, Source } from './ports.js';

/** Share of the memory budget that requests in flight may take. */
const IN_FLIGHT_SHARE = 1 / 4;
const DEFAULT_MAX_CONCURRENCY = 16;

/** The policy of a load, in its envelope. The sink must be open: its limits are asked for. */
export function createGuard(source: Source, sink: Sink, options: ResolvedIngestOptions): Guard {
  const { fixed, memoryBudgetBytes, maxConcurrency } = options;
  const limits = sink.limits();
  const bytesPerRow = sink.bytesPerVector(source.dimension);
  const envelope = {
    maxBatchSize: limits.maxRows ?? UNBOUNDED.maxBatchSize,
    // What the sink calls useful does not bind a caller who asks for more.
    maxConcurrency: fixed?.concurrency ?? maxConcurrency ?? limits.maxConcurrency ?? DEFAULT_MAX_CONCURRENCY,
    maxBatchBytes: limits.maxBytes ?? Number.POSITIVE_INFINITY,
    bytesPerRow,
    memoryBytes: memoryBudgetBytes * IN_FLIGHT_SHARE,
    // A row in flight is a part of a body, and may have been copied once more to join two slabs.
    memoryBytesPerRow: bytesPerRow + 4 * source.dimension,
  };
  if (fixed) return new Guard(new FixedPolicy(fixed), envelope);
  const prior = priorOf(source, sink, options);
  const initial = initialSetting(prior, { ...UNBOUNDED, ...envelope });
  return new Guard(new ModelGuidedPolicy({ initial, ...(prior ? { prior } : {}) }), envelope);
}

/** What the caller, or else the database's profile, knows of its cost. */
export function priorOf(source: Source, sink: Sink, options: ResolvedIngestOptions): CostModel | undefined {
  if (options.prior) return options.prior;
  const profile = PROFILES.find(
    ({ name, aliases }) => name === sink.database || aliases.includes(sink.database),
  );
  return profile && costAt(profile.law, source.dimension);
}
