import { VectorBatchError } from '../core/errors.js';
import type { Failure } from '../ingest/ports.js';

/** Primary result codes, https://www.sqlite.org/rescode.html; an extended code carries its primary one in the low byte. */
const KIND_OF_CODE: Readonly<Record<number, Failure['kind']>> = {
  3: 'fatal', // PERM
  8: 'fatal', // READONLY
  11: 'fatal', // CORRUPT
  13: 'fatal', // FULL
  14: 'fatal', // CANTOPEN
  18: 'shrink', // TOOBIG
  19: 'permanent', // CONSTRAINT
  20: 'permanent', // MISMATCH
  23: 'fatal', // AUTH
  26: 'fatal', // NOTADB
};

/**
 * What an error of SQLite means for the batch. What is not known passes: another process held the lock
 * (BUSY) or the disk failed (IOERR).
 * @param name the sink's URL
 */
export function sqliteOutcome(name: string, cause: unknown): Failure {
  if (cause instanceof VectorBatchError) return { kind: 'permanent', error: cause };
  const { message, rawCode } = cause as Error & { rawCode?: number };
  const code = (rawCode ?? 0) & 0xff;
  const error = new VectorBatchError('VBO_ERR_SINK', `${name}: ${message}.`, {
    cause,
    details: { sqliteCode: rawCode },
  });
  return { kind: code === 1 ? kindOfText(message) : (KIND_OF_CODE[code] ?? 'retry'), error };
}

/** Code 1 is every error of the statement itself: only its text tells them apart. */
function kindOfText(message: string): 'permanent' | 'fatal' {
  // Payloads nested more than 1000 deep; an index that takes no such vector.
  return /malformed JSON|^vector/.test(message) ? 'permanent' : 'fatal';
}
