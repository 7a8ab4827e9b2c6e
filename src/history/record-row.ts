import { createHash } from 'node:crypto';
import type { BatchExecutionRecord } from '../core/types.js';
import type { Row } from './database.js';

/** The record's own fields, each a column; what else a record holds is kept as JSON in `further`. */
const FIELDS = [
  'ts',
  'database_type',
  'deployment',
  'vector_dimension',
  'batch_size',
  'concurrency',
  'item_count',
  'bytes_per_vector',
  'execution_time_ms',
  'throughput_vps',
  'batch_p50_ms',
  'batch_p95_ms',
  'peak_rss_mb',
  'success',
  'error',
] as const satisfies readonly (keyof BatchExecutionRecord)[];
const KNOWN: ReadonlySet<string> = new Set(FIELDS);
/** Null says something in these: there was no rate, no error. Others are left out. */
const NULLABLE: ReadonlySet<string> = new Set(['throughput_vps', 'error']);

const COLUMNS = [...FIELDS, 'further', 'fingerprint'];

/** Adds the rows of one JSON parameter, all or none; one that is there already is passed over. Returns the new ones' ids. */
export const INSERT = `
  INSERT INTO records (${COLUMNS.join(', ')})
  SELECT ${COLUMNS.map((_, index) => `value ->> ${index}`).join(', ')} FROM json_each(?1)
  WHERE true ON CONFLICT (fingerprint) DO NOTHING RETURNING id`;

/** A row of {@link INSERT}'s parameter. A record that says when it was made is kept but once, however often it is imported. */
export function rowOf(record: BatchExecutionRecord, nowMs: number): unknown[] {
  const further = Object.entries(record).filter(([name]) => !KNOWN.has(name));
  const row: unknown[] = FIELDS.map((field) => record[field] ?? null);
  row.push(further.length > 0 ? JSON.stringify(Object.fromEntries(further)) : null);
  row.push(record.ts === undefined ? null : fingerprintOf(JSON.stringify(row)));
  row[0] = Math.round(record.ts ?? nowMs);
  return row;
}

/** 53 bits: among a million records a chance of one in 20,000 that two are taken for one. */
function fingerprintOf(text: string): number {
  const hash = createHash('sha256').update(text).digest();
  return Number(hash.readBigUInt64LE() & 0x1f_ffff_ffff_ffffn);
}

export function recordOf(row: Row): BatchExecutionRecord {
  const record: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const value = row[field]!;
    if (value !== null || NULLABLE.has(field)) record[field] = field === 'success' ? value === 1 : value;
  }
  if (typeof row.further === 'string') Object.assign(record, JSON.parse(row.further));
  return record as BatchExecutionRecord;
}
