import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { toVectorBatchError } from '../../core/errors.js';
import { type AuditHead, checkLine, EMPTY } from './chain.js';

export interface AuditVerdict {
  readonly isIntact: boolean;
  /** Lines that are as they were written. */
  readonly lines: number;
  /** Where the log ends, or where it is still right: to be kept elsewhere and handed in the next time. */
  readonly head: AuditHead;
  /** Number in the file, from 1, of the first line that is wrong. */
  readonly line: number | null;
  readonly problem: string | null;
}

/** The file beside a log that says where it ends. */
export const headPath = (path: string): string => `${path}.head`;

/**
 * Reads an audit log and finds the first line that was changed, removed, inserted or moved. Lines removed at the end
 * leave a chain that is whole; they are missed because the log's head file, or the head that the caller noted
 * elsewhere, names a line that is not there.
 * @param expected a head that was noted earlier; the log must hold that line
 * @throws VBO_ERR_FILE_NOT_FOUND
 */
export async function verifyAuditLog(path: string, expected?: AuditHead): Promise<AuditVerdict> {
  const wanted = [expected, await readHead(headPath(path))].filter((head) => head !== undefined);
  let head = EMPTY;
  let number = 0;
  const wrong = (line: number, problem: string): AuditVerdict => ({
    ...{ isIntact: false, lines: head.seq, head, line, problem },
  });
  try {
    const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const text of lines) {
      number++;
      const next = checkLine(text, head);
      if (typeof next === 'string') return wrong(number, next);
      head = next;
      const mark = wanted.find(({ seq }) => seq === head.seq);
      if (mark && mark.hash !== head.hash) return wrong(number, `is not the line of hash ${mark.hash}`);
    }
  } catch (error) {
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot read ${path}`);
  }
  const missing = wanted.find(({ seq }) => seq > head.seq);
  if (missing) return wrong(number + 1, `is missing: the log went on to line ${missing.seq}`);
  return { isIntact: true, lines: head.seq, head, line: null, problem: null };
}

/** @returns undefined where there is no such file */
export async function readHead(path: string): Promise<AuditHead | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  return parseHead(text.trim());
}

/** A head as it is written, `SEQ:HASH`; undefined for any other text. */
export function parseHead(text: string): AuditHead | undefined {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  return match ? { seq: Number(match[1]), hash: match[2]! } : undefined;
}

export const formatHead = ({ seq, hash }: AuditHead): string => `${seq}:${hash}`;
