import { createHash } from 'node:crypto';

/** What happened. Nothing of a body and no credential is written. */
export interface AuditEvent {
  /** `request` for what a caller did or was refused; `start` and `stop` of the service. */
  readonly event: 'request' | 'start' | 'stop';
  readonly request_id?: string;
  readonly method?: string;
  /** The route, not the URL: `/api/v1/runs/:id`. */
  readonly route?: string;
  readonly status?: number;
  /** Of the error that was answered. */
  readonly code?: string;
  readonly principal?: string;
  readonly address?: string;
  /** Of a run that was started or cancelled. */
  readonly run?: string;
}

/** A line of the audit log. `hash` covers the line without it, `prev` included, so each line vouches for all before. */
export interface AuditLine extends AuditEvent {
  /** Counts the lines from 1. */
  readonly seq: number;
  /** ISO 8601. */
  readonly time: string;
  /** Hash of the line before; 64 zeros for the first. */
  readonly prev: string;
  readonly hash: string;
}

/** Where a log ends. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY: AuditHead = { seq: 0, hash: '0'.repeat(64) };

const HASH_LENGTH = 64;

/** The line of an event behind `head`, with its line feed; and the new head. */
export function lineOf(event: AuditEvent, time: string, head: AuditHead): { text: string; head: AuditHead } {
  const seq = head.seq + 1;
  const open = JSON.stringify({ seq, time, ...event, prev: head.hash }).slice(0, -1);
  const hash = sha256(open);
  return { text: `${open},"hash":"${hash}"}\n`, head: { seq, hash } };
}

/** What is wrong with a line that should follow `head`, or the head behind it. */
export function checkLine(text: string, head: AuditHead): AuditHead | string {
  const next = headBehind(text);
  if (typeof next === 'string') return next;
  const { prev } = JSON.parse(text) as AuditLine;
  if (next.seq !== head.seq + 1) return `has the number ${next.seq}; expected ${head.seq + 1}`;
  return prev === head.hash ? next : 'does not follow the line before it';
}

/** The head behind a line by itself, or what is wrong with it. */
export function headBehind(text: string): AuditHead | string {
  const cut = text.length - HASH_LENGTH - '"}'.length;
  const open = text.slice(0, cut - ',"hash":"'.length);
  let line: AuditLine;
  try {
    line = JSON.parse(text) as AuditLine;
  } catch {
    return 'is not JSON';
  }
  if (text.slice(open.length, cut) !== ',"hash":"' || sha256(open) !== line?.hash) return 'was changed';
  return { seq: line.seq, hash: line.hash };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
