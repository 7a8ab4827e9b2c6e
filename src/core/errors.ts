/** Every code a {@link VectorBatchError} can carry. Codes never change their meaning; `docs/errors.md` lists them. */
export const ERROR_CODES = {
  VBO_ERR_ABORTED: 'The caller aborted the operation; what was acknowledged stays acknowledged.',
  VBO_ERR_AGENT: 'The bytes are not a saved agent, or they are damaged or of another version.',
  VBO_ERR_ARGUMENT: 'An argument has the wrong type or lies outside its bounds.',
  VBO_ERR_AUDIT: 'The audit log cannot be opened or written, or was tampered with.',
  VBO_ERR_BLOCK_CHECKSUM: 'A compact block’s bytes do not match the checksum in its header.',
  VBO_ERR_BLOCK_MAGIC: 'The bytes are not a compact block, or one of an unknown version.',
  VBO_ERR_BLOCK_TRUNCATED: 'A compact block is shorter or longer than its header says.',
  VBO_ERR_CLOSED: 'The optimizer, pool, source or sink was used after close().',
  VBO_ERR_COLUMN:
    'The file has no column that can hold what was asked for, or several; the message lists them.',
  VBO_ERR_DIMENSION: 'A vector does not have the dimension of the others.',
  VBO_ERR_DUPLICATE_ID: 'An id occurred before in the same load; the first occurrence is kept.',
  VBO_ERR_ERROR_BUDGET: 'Too large a share of the records failed; the load was stopped.',
  VBO_ERR_FILE_EMPTY: 'The file holds no bytes.',
  VBO_ERR_FILE_FORMAT: 'The file is not of the format its name or header claims.',
  VBO_ERR_FILE_NOT_FOUND: 'No file at that path, or it cannot be read.',
  VBO_ERR_FILE_TRUNCATED:
    'The file ends in the middle of a record; the complete records before it were read.',
  VBO_ERR_HISTORY: 'The history file cannot be opened, read or written.',
  VBO_ERR_ID_OFFSET:
    'The source has no ids and the collection holds records: nobody said where the ids of these begin.',
  VBO_ERR_IN_USE: 'Another load is writing the same ledger or the same dead letters.',
  VBO_ERR_INTERNAL: 'A defect in this package. Please report it.',
  VBO_ERR_KERNELS: 'The WebAssembly kernels cannot be loaded, or were used in a page before they were.',
  VBO_ERR_LEARNER: 'The learner’s worker died during a task and its successor did too.',
  VBO_ERR_LEDGER_DAMAGED:
    'The file is not a ledger, or one that was changed or damaged before its last record.',
  VBO_ERR_LEDGER_EXISTS: 'The ledger holds an unfinished load, and nobody asked to resume it.',
  VBO_ERR_LEDGER_MISMATCH: 'The ledger belongs to another source, another sink or another version.',
  VBO_ERR_LEDGER_WRITE:
    'The ledger cannot be written; the load was stopped, what the ledger holds is intact.',
  VBO_ERR_MEMORY: 'The vectors do not fit the WebAssembly memory or the memory budget.',
  VBO_ERR_MISSING_PACKAGE:
    'An optional database package is not installed; the message names the install command.',
  VBO_ERR_MODEL: 'A performance model’s state is damaged or of another version.',
  VBO_ERR_NOT_FINITE: 'A vector holds NaN or an infinity.',
  VBO_ERR_POOL: 'A pool worker died and the task could not be completed by another.',
  VBO_ERR_RECONCILE: 'The sink’s count differs from what it acknowledged.',
  VBO_ERR_RECORD: 'A record of the input cannot be read (broken JSON, missing vector, wrong type).',
  VBO_ERR_RESUME: 'Resuming could store records twice: the sink cannot say which it holds, nor replace them.',
  VBO_ERR_SCENARIO: 'A simulator scenario file is not valid.',
  VBO_ERR_SERVICE: 'The service does not answer, refuses the credential, or is not one of this package.',
  VBO_ERR_SINK: 'The database refused or failed an operation.',
  VBO_ERR_SINK_UNREACHABLE: 'The database cannot be reached or opened.',
  VBO_ERR_TIMEOUT: 'An operation took longer than its time-out.',
  VBO_ERR_URL: 'A sink URL or source path is not of a known form.',
  VBO_ERR_USAGE: 'The command line has an unknown command or option, or a value of the wrong form.',
  VBO_ERR_ZERO_VECTOR: 'A zero vector has no direction, so the metric asked for is undefined for it.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The one error class of the package: a stable `code`, the actual values in the message, the `cause` kept. */
export class VectorBatchError extends Error {
  readonly code: ErrorCode;
  /** The values the message speaks of, for programs: position, value, expected, path ... */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VectorBatchError';
    this.code = code;
    this.details = options.details ?? {};
  }

  toJSON(): { code: ErrorCode; message: string; details: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, details: this.details };
  }
}

/** Wraps anything thrown into a {@link VectorBatchError}; one that already is passes through unchanged. */
export function toVectorBatchError(error: unknown, code: ErrorCode, context: string): VectorBatchError {
  if (error instanceof VectorBatchError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new VectorBatchError(code, `${context}: ${message}`, { cause: error });
}
