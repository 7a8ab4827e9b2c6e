import { VectorBatchError } from '../core/errors.js';
import type { WriteOutcome } from '../ingest/ports.js';

/** An error that graphd answered with: `ErrorCode` of NebulaGraph's common.thrift, and its words. */
export class NebulaError extends Error {
  readonly errorCode: number;

  constructor(errorCode: number, message: string) {
    super(message);
    this.name = 'NebulaError';
    this.errorCode = errorCode;
  }

  /** The session is over; a new one will do. */
  get endsSession(): boolean {
    return SESSION_OVER.has(this.errorCode);
  }
}

/** E_SESSION_INVALID, E_SESSION_TIMEOUT, E_SESSION_NOT_FOUND */
const SESSION_OVER: ReadonlySet<number> = new Set([-1002, -1003, -2069]);

const BACK_OFF: ReadonlySet<number> = new Set([
  -1010, // E_TOO_MANY_CONNECTIONS
  -3011, // E_WRITE_STALLED
  -3523, // E_RAFT_TOO_MANY_REQUESTS
  -3528, // E_RAFT_WRITE_BLOCKED
  -3529, // E_RAFT_BUFFER_OVERFLOW
]);

const FATAL: ReadonlySet<number> = new Set([
  -5, // E_SPACE_NOT_FOUND
  -6, // E_TAG_NOT_FOUND
  -10, // E_TAG_PROP_NOT_FOUND
  -29, // E_INVALID_PASSWORD
  -1001, // E_BAD_USERNAME_PASSWORD
  -1008, // E_BAD_PERMISSION
  -3061, // E_CLIENT_SERVER_INCOMPATIBLE
]);

const PERMANENT: ReadonlySet<number> = new Set([
  -1004, // E_SYNTAX_ERROR
  -1009, // E_SEMANTIC_ERROR
  -3003, // E_DATA_TYPE_MISMATCH
  -3004, // E_INVALID_FIELD_VALUE
  -3006, // E_NOT_NULLABLE
  -3007, // E_FIELD_UNSET
  -3008, // E_OUT_OF_RANGE
  -3022, // E_INVALID_SPACEVIDLEN
  -3038, // E_INVALID_VID
  -3044, // E_INVALID_DATA
]);

/** Nobody is there to take the statement just now: a storaged that is down, a part between two leaders. */
const UNREACHABLE: ReadonlySet<number> = new Set([
  -1, // E_DISCONNECTED
  -2, // E_FAIL_TO_CONNECT
  -3, // E_RPC_FAILURE
  -4, // E_LEADER_CHANGED
  -3001, // E_CONSENSUS_ERROR
  -3035, // E_RETRY_EXHAUSTED
  -3503, // E_RAFT_TERM_OUT_OF_DATE
  -3511, // E_RAFT_WAITING_SNAPSHOT
  -3514, // E_RAFT_NOT_READY
  -3515, // E_RAFT_STOPPED
  -3516, // E_RAFT_BAD_ROLE
  -3522, // E_RAFT_HOST_STOPPED
  -3525, // E_RAFT_RPC_EXCEPTION
  -3527, // E_RAFT_HOST_PAUSED
  -3531, // E_LEADER_LEASE_FAILED
]);

/** E_EXECUTION_ERROR: graphd hands on what storaged said, its code put into words (`StorageAccessExecutor.h`). */
const EXECUTION_ERROR = -1005;
const CODE_OF_WORDS: readonly (readonly [RegExp, number])[] = [
  [/Not the leader of/, -4],
  [/Term of part \d+ is out of date/, -3503],
  [/Write is blocked when creating snapshot/, -3528],
  [/raft buffer is full/, -3529],
  [/data type does not meet/, -3003],
  [/Invalid field value/, -3004],
  [/not null field cannot be null/, -3006],
  [/not null field doesn't have a default/, -3007],
  [/Out of range value/, -3008],
  [/Invalid space vid len/, -3022],
  [/VID must be/, -3038],
  [/Invalid data, may be wrong value type/, -3044],
];

/** The code of who refused: storaged's own where graphd only hands it on. */
function codeOf({ errorCode, message }: NebulaError): number {
  if (errorCode !== EXECUTION_ERROR) return errorCode;
  const told = /error: E_\w+\((-\d+)\)/.exec(message)?.[1];
  if (told !== undefined) return Number(told);
  return CODE_OF_WORDS.find(([words]) => words.test(message))?.[1] ?? errorCode;
}

/**
 * What a failed statement means for its batch. Everything not known to be otherwise is tried again, because a
 * statement stored twice is stored once: changes of leaders, time-outs, sessions that are over.
 * @param sinkName the sink's URL without secrets
 */
export function outcomeOfError(sinkName: string, cause: unknown): WriteOutcome {
  if (cause instanceof VectorBatchError) return { kind: 'retry', error: cause };
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof NebulaError)) {
    const error = new VectorBatchError(
      'VBO_ERR_SINK_UNREACHABLE',
      `${sinkName} cannot be reached: ${message}`,
      {
        cause,
      },
    );
    return { kind: 'retry', error };
  }
  const error = nebulaFailure(sinkName, cause);
  const code = codeOf(cause);
  // graphd's own guard, at `system_memory_high_watermark_ratio`; it passes, and says so in words only.
  if (/high watermark/i.test(message) || BACK_OFF.has(code)) return { kind: 'backOff', error };
  // graphd's words for a statement longer than its flag `max_allowed_query_size`.
  const maxBytes = /Query is too large \(\d+ > (\d+)\)/.exec(message)?.[1];
  if (maxBytes) return { kind: 'shrink', error, limits: { maxBytes: Number(maxBytes) } };
  if (FATAL.has(code) || /No schema found|No space left/i.test(message)) return { kind: 'fatal', error };
  return { kind: PERMANENT.has(code) ? 'permanent' : 'retry', error };
}

/** VBO_ERR_SINK, or VBO_ERR_SINK_UNREACHABLE, with graphd's words and `details.errorCode`. */
export function nebulaFailure(sinkName: string, cause: NebulaError): VectorBatchError {
  const code = UNREACHABLE.has(codeOf(cause)) ? 'VBO_ERR_SINK_UNREACHABLE' : 'VBO_ERR_SINK';
  return new VectorBatchError(code, `${sinkName} answered ${cause.errorCode}: ${cause.message}`, {
    cause,
    details: { errorCode: cause.errorCode },
  });
}
