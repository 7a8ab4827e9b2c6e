import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describe } from '../../core/check.js';
import { type ErrorCode, VectorBatchError } from '../../core/errors.js';
import { snake } from '../../core/wire.js';
import { logFailure } from '../failure-log.js';
import { HTTP_CODES, type HttpCode, HttpError } from '../http-error.js';
import type { ErrorAnswer, Problem } from '../schemas/common.js';
import { MESSAGE_PACK, wantsMessagePack } from './encoding.js';
import { DATA_HEADERS } from './secure-headers.js';

/** Of the package's own failures; every other one is a 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  VBO_ERR_ABORTED: 503,
  VBO_ERR_ARGUMENT: 422,
  VBO_ERR_CLOSED: 503,
  VBO_ERR_DIMENSION: 422,
  VBO_ERR_FILE_EMPTY: 422,
  VBO_ERR_FILE_FORMAT: 422,
  VBO_ERR_FILE_NOT_FOUND: 422,
  VBO_ERR_FILE_TRUNCATED: 422,
  VBO_ERR_HISTORY: 503,
  VBO_ERR_IN_USE: 409,
  VBO_ERR_LEARNER: 503,
  VBO_ERR_LEDGER_DAMAGED: 409,
  VBO_ERR_LEDGER_EXISTS: 409,
  VBO_ERR_LEDGER_MISMATCH: 409,
  VBO_ERR_MEMORY: 422,
  VBO_ERR_NOT_FINITE: 422,
  VBO_ERR_POOL: 503,
  VBO_ERR_RECORD: 422,
  VBO_ERR_TIMEOUT: 503,
  VBO_ERR_URL: 422,
  VBO_ERR_ZERO_VECTOR: 422,
};
const RETRY_AFTER_SECONDS = 1;
/** More of them tell a caller nothing that the first did not. */
const MOST_PROBLEMS = 20;

type Failure = FastifyError | VectorBatchError | HttpError;

/** What is sent for an error, and how the audit log knows it. */
export interface Refusal {
  readonly statusCode: number;
  readonly code: string;
  readonly message: string;
  readonly details?: readonly Problem[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

export type OnRefusal = (request: FastifyRequest, refusal: Refusal) => void;

/** Every error in the contract's shape. What is not expected becomes a 500 without its message, which goes to the log. */
export function answerErrors(app: FastifyInstance, onRefusal: OnRefusal): void {
  app.setErrorHandler((error: Failure, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal.statusCode === 500) logFailure('A request failed.', error, request.id);
    onRefusal(request, refusal);
    if (refusal.statusCode === 401) reply.header('www-authenticate', 'Bearer');
    if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', refusal.retryAfterSeconds);
    // Fastify forgets the type on the way to an error handler, and keeps the serializer.
    if (wantsMessagePack(request)) reply.type(MESSAGE_PACK);
    reply.code(refusal.statusCode).send(answerOf(refusal, request.id));
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `No route ${request.method} ${request.url.split('?')[0]}.`;
    const refusal = { statusCode: 404, code: 'VBO_HTTP_NOT_FOUND', message };
    onRefusal(request, refusal);
    reply.code(404).send(answerOf(refusal, request.id));
  });
}

/** For what fails before there is a route, and before any hook has run: a URL that cannot be decoded, say. */
export const answerUnrouted =
  (onRefusal: OnRefusal) =>
  (error: Failure, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = refusalOf(error);
    onRefusal(request, refusal);
    const text = JSON.stringify(answerOf(refusal, request.id));
    reply.headers(DATA_HEADERS).code(refusal.statusCode).type('application/json; charset=utf-8').send(text);
  };

export const answerOf = ({ code, message, details }: Refusal, requestId: string): ErrorAnswer => ({
  error: { code, message, ...(details && details.length > 0 ? { details: [...details] } : {}) },
  request_id: requestId,
});

function refusalOf(error: Failure): Refusal {
  if (error instanceof HttpError) return error;
  if (error instanceof VectorBatchError) return ofPackage(error);
  if (error.validation) return ofValidation(error);
  const statusCode = error.statusCode ?? 500;
  if (statusCode < 400 || statusCode >= 500) {
    return { statusCode: 500, code: 'VBO_ERR_INTERNAL', message: 'Internal error.' };
  }
  return { statusCode, code: codeOf(statusCode), message: error.message };
}

const codeOf = (statusCode: number): HttpCode =>
  (Object.keys(HTTP_CODES) as HttpCode[]).find((code) => HTTP_CODES[code] === statusCode) ??
  'VBO_HTTP_BAD_REQUEST';

function ofPackage(error: VectorBatchError): Refusal {
  const statusCode = STATUS[error.code] ?? 500;
  if (statusCode === 500) return { statusCode, code: error.code, message: 'Internal error.' };
  const { argument, value, refused } = error.details;
  const busy = statusCode === 503 ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {};
  if (typeof argument === 'string') {
    const path = snake(argument);
    const message = error.message.replace(argument, path);
    const expected = /expected (.*?)\.?$/s.exec(message)?.[1] ?? message;
    const problem: Problem = { path, expected, ...(value === undefined ? {} : { value: describe(value) }) };
    return { statusCode, code: error.code, message, details: [problem], ...busy };
  }
  const details = Array.isArray(refused)
    ? (refused as { index: number; reason: string }[])
        .slice(0, MOST_PROBLEMS)
        .map(({ index, reason }) => ({ path: `records[${index}]`, expected: reason }))
    : undefined;
  return { statusCode, code: error.code, message: error.message, details, ...busy };
}

/** The validator's words, with the field's path as callers write it. */
function ofValidation(error: FastifyError): Refusal {
  const context = error.validationContext ?? 'body';
  const details = error.validation!.slice(0, MOST_PROBLEMS).map((problem): Problem => {
    const { instancePath, keyword, params, message } = problem;
    const parent = pathOf(instancePath);
    const named = (name: unknown) => (parent === '' ? String(name) : `${parent}.${name}`);
    if (keyword === 'required') return { path: named(params.missingProperty), expected: 'to be given' };
    if (keyword === 'additionalProperties') {
      return {
        path: named(describeKey(params.additionalProperty)),
        expected: 'no such field; there are no additional properties',
      };
    }
    if (keyword === 'enum' && Array.isArray(params.allowedValues)) {
      return { path: parent, expected: `one of ${params.allowedValues.join(', ')}` };
    }
    return { path: parent, expected: (message ?? keyword).replace(/^must be/, '').trim() };
  });
  const [first] = details;
  const where = first!.path === '' ? context : `${context}.${first!.path}`;
  return {
    statusCode: 400,
    code: 'VBO_ERR_ARGUMENT',
    message: `${where}: expected ${first!.expected}.`,
    details,
  };
}

const describeKey = (key: unknown): string => String(key).slice(0, 80);

/** `/records/3/batch_size` -> `records[3].batch_size`. */
const pathOf = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((part) =>
      /^\d+$/.test(part) ? `[${part}]` : `.${part.replaceAll('~1', '/').replaceAll('~0', '~')}`,
    )
    .join('')
    .replace(/^\./, '');
