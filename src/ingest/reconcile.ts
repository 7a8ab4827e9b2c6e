import { VectorBatchError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import type { Sink } from './ports.js';

/** The sink's own count before and after a load, where it can tell, and what it acknowledged in between. */
export interface Counts {
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly acknowledged: number;
  /** Acknowledged records that may have replaced others which `before` counts already. */
  readonly mayReplace: number;
  /** Not every id was looked at for an earlier one like it: how many replaced each other is not known. */
  readonly isUnchecked?: boolean;
}

/**
 * Whether the sink holds what it acknowledged: true, or null where that cannot be told. A sink that replaces
 * records of the same id may rightly have grown by less, if it held some before.
 * @throws VBO_ERR_RECONCILE if the counts differ for no good reason
 */
export function reconcile(sink: Sink, counts: Counts): { reconciled: boolean | null; warning?: string } {
  const { before, after, acknowledged } = counts;
  if (before === undefined || after === undefined) return { reconciled: null };
  const grown = after - before;
  if (grown === acknowledged) return { reconciled: true };
  const mayReplace = sink.upserts === true ? Math.min(before, acknowledged) : counts.mayReplace;
  if (grown < acknowledged && grown >= acknowledged - mayReplace) {
    const replaced = formatCount(acknowledged - grown);
    const warning = `${sink.name} held ${formatCount(before)} records before; ${replaced} of the acknowledged ones replaced records of the same id.`;
    return { reconciled: null, warning };
  }
  if (grown >= 0 && grown < acknowledged && counts.isUnchecked && sink.upserts) {
    const missing = formatCount(acknowledged - grown);
    const warning = `${sink.name} grew by ${missing} records less than it acknowledged. Ids that occur twice in the source explain it if there are so many: they were looked for among the first records only, for lack of memory.`;
    return { reconciled: null, warning };
  }
  throw new VectorBatchError(
    'VBO_ERR_RECONCILE',
    `${sink.name} acknowledged ${formatCount(acknowledged)} records, but its count went from ${formatCount(before)} to ${formatCount(after)}.`,
    { details: { before, after, acknowledged } },
  );
}
