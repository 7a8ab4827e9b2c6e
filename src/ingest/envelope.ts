import { type Bounds, UNBOUNDED } from '../control/bounds.js';
import { Guard } from '../control/guard.js';
import { initialSetting } from '../control/initial.js';
import { createPolicy } from '../control/policies.js';
import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import type { ResolvedIngestOptions } from './options.js';
import type { Sink, Source } from './ports.js';
import { priorFor } from './prior.js';

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
  if (fixed) return new Guard(createPolicy('fixed', { initial: fixed }), envelope);
  const { initial, prior } = beginningOf(source, sink, options, { ...UNBOUNDED, ...envelope });
  const policy = createPolicy(options.policy, { initial, ...(prior ? { prior } : {}) });
  return new Guard(policy, envelope);
}

/** Where a load begins, and what the caller, or else the sink's prior, knows of the database's cost. */
export function beginningOf(
  source: Source,
  sink: Sink,
  options: ResolvedIngestOptions,
  bounds: Bounds = UNBOUNDED,
): { initial: Setting; prior: CostModel | undefined } {
  const { model, basis } = options.prior
    ? { model: options.prior, basis: 'measured' as const }
    : priorFor(sink.database, source.dimension);
  return { initial: initialSetting(model, bounds, basis), prior: model };
}
