import { VectorBatchError } from '../core/errors.js';
import type { Failure } from '../ingest/ports.js';

/** An id that is stored already met a COPY, which cannot replace it. */
export const isUniqueViolation = (error: unknown): boolean => sqlStateOf(error) === '23505';

/** The first prefix of the SQLSTATE decides: https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const KIND_OF_STATE: readonly (readonly [prefix: string, kind: Failure['kind']])[] = [
  ['53100', 'fatal'], // disk full
  ['53200', 'shrink'], // out of memory
  ['53', 'backOff'], // insufficient resources, too many connections
  ['57014', 'retry'], // query canceled: a statement time-out
  ['57P', 'retry'], // the server is shutting down or starting up
  ['55P03', 'retry'], // lock not available
  ['40', 'retry'], // deadlock, serialization failure
  ['08', 'retry'], // connection failure
  ['25006', 'fatal'], // read-only transaction
  ['28', 'fatal'], // authentication
  ['3D', 'fatal'], // no such database
  ['3F', 'fatal'], // no such schema
  ['42', 'fatal'], // no such table or column, no right to it
  ['0A', 'fatal'], // not supported
  ['21', 'permanent'], // the same id twice in a batch
  ['22', 'permanent'], // a value that its type cannot hold
  ['23', 'permanent'], // a constraint
  ['54', 'permanent'], // an id too long for its index
];

/** What the network and the driver call a server that is not there, or no longer. */
const NETWORK_CODE = /^(ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOST|ENET)/;
const NETWORK_WORDS = /^Connection terminated|timeout exceeded when trying to connect|not queryable/;

/**
 * What an error of PostgreSQL, of its driver or of the network means for the batch. What is not known passes.
 * @param name the sink's URL without secrets
 */
export function pgOutcome(name: string, cause: unknown): Failure {
  if (cause instanceof VectorBatchError) return { kind: 'permanent', error: cause };
  const state = sqlStateOf(cause);
  const kind = KIND_OF_STATE.find(([prefix]) => state?.startsWith(prefix))?.[1] ?? 'retry';
  return { kind, error: pgError(name, cause) };
}

/**
 * VBO_ERR_SINK with what the database said and its SQLSTATE in the details, VBO_ERR_SINK_UNREACHABLE where it is
 * not there. A `VectorBatchError` stays what it is.
 */
export function pgError(name: string, cause: unknown): VectorBatchError {
  if (cause instanceof VectorBatchError) return cause;
  const sqlState = sqlStateOf(cause);
  const details = sqlState ? { details: { sqlState } } : {};
  const message = messageOf(cause);
  return isUnreachable(cause)
    ? new VectorBatchError('VBO_ERR_SINK_UNREACHABLE', `${name} cannot be reached: ${message}`, {
        cause,
        ...details,
      })
    : new VectorBatchError('VBO_ERR_SINK', `${name}: ${message}`, { cause, ...details });
}

/** SQLSTATE 08 is a connection that failed, 57P a server that shuts down or starts up. */
function isUnreachable(cause: unknown): boolean {
  const state = sqlStateOf(cause);
  if (state !== undefined) return /^(08|57P)/.test(state);
  return NETWORK_CODE.test(codeOf(cause) ?? '') || NETWORK_WORDS.test(messageOf(cause));
}

/** Why pgvector is not there and what to do about it. */
export function extensionError(name: string, cause: unknown): VectorBatchError {
  const isForbidden = sqlStateOf(cause) === '42501';
  const advice = isForbidden
    ? 'have a superuser run: CREATE EXTENSION vector'
    : 'install pgvector on the server (https://github.com/pgvector/pgvector#installation)';
  return new VectorBatchError(
    'VBO_ERR_SINK',
    `${name} has no extension vector and it cannot be created: ${messageOf(cause)}; ${advice}.`,
    { cause, details: { sqlState: sqlStateOf(cause) } },
  );
}

/** Where a host has several addresses, the failure of all is one error without a message. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** Drivers put the SQLSTATE where Node puts its own codes: only the former have five letters or digits. */
function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code !== undefined && /^[\dA-Z]{5}$/.test(code) && code !== 'EPIPE' ? code : undefined;
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
