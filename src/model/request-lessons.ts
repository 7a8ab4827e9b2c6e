import type { BatchExecutionRecord } from '../core/types.js';
import { type DatabaseProfile, type RequestLimits, requestBytes, requestLimits, tighter } from './profile.js';
import { sizeLesson, toSample } from './records.js';

/** What requests that were sent have taught about a database's limits. */
export interface RequestLessons {
  /** What failures taught. */
  readonly limits: RequestLimits;
  /** The largest request that succeeded. */
  readonly reached: { readonly rows: number; readonly requestBytes: number };
}

export const NO_LESSONS: RequestLessons = { limits: {}, reached: { rows: 0, requestBytes: 0 } };

/** The limits to keep to: as the profile has them, but that what worked works. */
export const limitsAfter = (profile: DatabaseProfile, { limits, reached }: RequestLessons): RequestLimits =>
  tighter(requestLimits(profile, reached), limits);

/** A request of `rows` vectors succeeded. */
export function afterSuccess(
  lessons: RequestLessons,
  profile: DatabaseProfile,
  dimension: number,
  rows: number,
): RequestLessons {
  const { limits, reached } = lessons;
  return {
    limits,
    reached: {
      rows: Math.max(reached.rows, rows),
      requestBytes: Math.max(reached.requestBytes, requestBytes(profile, dimension, rows)),
    },
  };
}

/** A size that failed and that nothing larger contradicts is out of bounds from now on. The same lessons if it taught nothing. */
export function afterFailure(
  lessons: RequestLessons,
  profile: DatabaseProfile,
  record: BatchExecutionRecord,
): RequestLessons {
  const { limits, reached } = lessons;
  const lesson = sizeLesson(record.error ?? '');
  const { batch_size: rows, vector_dimension: dimension } = record;
  if (lesson === 'overload' || rows === 1) return lessons;
  if (lesson === 'bytes') {
    if (reached.requestBytes >= requestBytes(profile, dimension, rows)) return lessons;
    const maxRequestBytes = requestBytes(profile, dimension, rows - 1);
    return { reached, limits: tighter(limits, { maxRequestBytes }) };
  }
  if (reached.rows >= rows) return lessons;
  return { reached, limits: tighter(limits, { maxRows: rows - 1 }) };
}

/** The limits that records of one database teach, its profile in mind. Nothing is fitted. */
export function limitsOf(profile: DatabaseProfile, records: readonly BatchExecutionRecord[]): RequestLimits {
  let lessons = NO_LESSONS;
  for (const record of records) {
    if (!('unmeasured' in toSample(record)))
      lessons = afterSuccess(lessons, profile, record.vector_dimension, record.batch_size);
  }
  for (const record of records) if (!record.success) lessons = afterFailure(lessons, profile, record);
  return limitsAfter(profile, lessons);
}
