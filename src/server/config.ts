import { createPublicKey, type KeyObject } from 'node:crypto';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { parseBytes, parseDuration } from '../core/units.js';
import { NO_HISTORY } from '../history/location.js';
import { type ApiKey, parseApiKeys } from './api-keys.js';

/** One environment variable of the service. */
export interface Variable {
  readonly name: string;
  /** As it would be written. Empty: not set. */
  readonly default: string;
  readonly meaning: string;
}

/** Every variable the service reads. `docs/configuration.md` has the same table; a test holds both together. */
export const VARIABLES = [
  {
    name: 'VBO_HOST',
    default: '127.0.0.1',
    meaning: 'Address to listen on; beyond loopback only with credentials',
  },
  { name: 'VBO_PORT', default: '8001', meaning: 'Port to listen on; 0 takes a free one' },
  {
    name: 'VBO_API_KEYS',
    default: '',
    meaning: 'SHA-256 of each API key in hex, comma separated; `HEX:recommend+run` restricts a key to scopes',
  },
  { name: 'VBO_JWT_SECRET', default: '', meaning: 'Secret of HS256 tokens, at least 32 bytes' },
  {
    name: 'VBO_JWT_PUBLIC_KEY',
    default: '',
    meaning: 'Public key of tokens (PEM): RSA means RS256, P-256 ES256, P-384 ES384, Ed25519 EdDSA',
  },
  { name: 'VBO_JWT_ISSUER', default: '', meaning: 'The `iss` that tokens must have' },
  { name: 'VBO_JWT_AUDIENCE', default: '', meaning: 'The `aud` that tokens must have' },
  {
    name: 'VBO_RATE_LIMIT',
    default: '0',
    meaning: 'Requests per minute and credential, or address where none is valid; 0: no limit',
  },
  { name: 'VBO_BODY_LIMIT', default: '16MB', meaning: 'Largest request body' },
  {
    name: 'VBO_REQUEST_TIMEOUT',
    default: '30s',
    meaning:
      'Time for a request to arrive, for its work, waiting included, and for a reader to take more of an answer',
  },
  {
    name: 'VBO_QUEUE_LIMIT',
    default: '32',
    meaning:
      'Heavy requests that may wait for the pool, and as many bodies to be decoded; more are answered by 503',
  },
  {
    name: 'VBO_MAX_CONNECTIONS',
    default: '1024',
    meaning: 'Open connections; further ones are closed at once',
  },
  { name: 'VBO_MAX_RUNS', default: '2', meaning: 'Loads and tunings that run at a time' },
  {
    name: 'VBO_RUN_DIRECTORY',
    default: 'vbo-runs',
    meaning: 'Folder for the ledgers and dead letters of runs',
  },
  {
    name: 'VBO_HISTORY',
    default: '',
    meaning: 'SQLite file of the execution records; empty or `none`: none are kept',
  },
  { name: 'VBO_AUDIT_LOG', default: '', meaning: 'File of the audit log; empty: none is written' },
  { name: 'VBO_ALLOWED_SOURCES', default: '', meaning: 'Folders that runs may read from, comma separated' },
  {
    name: 'VBO_ALLOWED_SINKS',
    default: '',
    meaning: 'Sink URLs that runs may write to or below, comma separated; credentials stand here',
  },
] as const satisfies readonly Variable[];

export type VariableName = (typeof VARIABLES)[number]['name'];

export interface JwtConfig {
  readonly key: Uint8Array | KeyObject;
  readonly issuer?: string;
  readonly audience?: string;
}

export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  readonly apiKeys: readonly ApiKey[];
  readonly jwt: JwtConfig | undefined;
  readonly rateLimitPerMinute: number;
  readonly bodyLimitBytes: number;
  readonly requestTimeoutMs: number;
  readonly queueLimit: number;
  readonly maxConnections: number;
  readonly maxRuns: number;
  readonly runDirectory: string;
  readonly history: string | undefined;
  readonly auditLog: string | undefined;
  readonly allowedSources: readonly string[];
  readonly allowedSinks: readonly string[];
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
const SHORTEST_SECRET_BYTES = 32;

/** Whether nobody beyond this machine can reach the host. */
export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

/** Does the service ask for a credential? */
export const hasCredentials = ({ apiKeys, jwt }: Pick<ServerConfig, 'apiKeys' | 'jwt'>): boolean =>
  apiKeys.length > 0 || jwt !== undefined;

/**
 * The configuration of `environment`, with `overrides` from the command line before it.
 * @throws VBO_ERR_ARGUMENT on a malformed value, or on a host beyond loopback without credentials. No message
 *   repeats a secret.
 */
export function readServerConfig(
  environment: NodeJS.ProcessEnv,
  overrides: { host?: string | undefined; port?: number | undefined } = {},
): ServerConfig {
  const text = (name: VariableName): string => {
    const given = environment[name]?.trim();
    return given === undefined || given === '' ? VARIABLES.find((v) => v.name === name)!.default : given;
  };
  const host = overrides.host ?? text('VBO_HOST');
  const apiKeys = parseApiKeys(text('VBO_API_KEYS'));
  const jwt = readJwt(text);
  if (!hasCredentials({ apiKeys, jwt }) && !isLoopback(host)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `Host is ${host}; without credentials (VBO_API_KEYS, VBO_JWT_SECRET or VBO_JWT_PUBLIC_KEY) the service listens on loopback only.`,
    );
  }
  return {
    host,
    port: integer('VBO_PORT', overrides.port ?? text('VBO_PORT'), 0, 65_535),
    apiKeys,
    jwt,
    rateLimitPerMinute: integer('VBO_RATE_LIMIT', text('VBO_RATE_LIMIT'), 0, 1e9),
    bodyLimitBytes: integer(
      'VBO_BODY_LIMIT',
      parseBytes(text('VBO_BODY_LIMIT'), 'VBO_BODY_LIMIT'),
      1024,
      2 ** 31 - 1,
    ),
    requestTimeoutMs: integer(
      'VBO_REQUEST_TIMEOUT',
      parseDuration(text('VBO_REQUEST_TIMEOUT'), 'VBO_REQUEST_TIMEOUT'),
      100,
      3_600_000,
    ),
    queueLimit: integer('VBO_QUEUE_LIMIT', text('VBO_QUEUE_LIMIT'), 0, 100_000),
    maxConnections: integer('VBO_MAX_CONNECTIONS', text('VBO_MAX_CONNECTIONS'), 1, 1_000_000),
    maxRuns: integer('VBO_MAX_RUNS', text('VBO_MAX_RUNS'), 1, 64),
    runDirectory: text('VBO_RUN_DIRECTORY'),
    history: text('VBO_HISTORY') === NO_HISTORY ? undefined : optional(text('VBO_HISTORY')),
    auditLog: optional(text('VBO_AUDIT_LOG')),
    allowedSources: list(text('VBO_ALLOWED_SOURCES')),
    allowedSinks: list(text('VBO_ALLOWED_SINKS')),
  };
}

const optional = (text: string): string | undefined => (text === '' ? undefined : text);

const list = (text: string): string[] =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

function integer(name: VariableName, given: string | number, min: number, max: number): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${name} is ${describe(given)}; expected an integer from ${min} to ${max}.`,
    );
  }
  return value;
}

function readJwt(text: (name: VariableName) => string): JwtConfig | undefined {
  const secret = text('VBO_JWT_SECRET');
  const pem = text('VBO_JWT_PUBLIC_KEY');
  if (secret === '' && pem === '') return undefined;
  if (secret !== '' && pem !== '') {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      'VBO_JWT_SECRET and VBO_JWT_PUBLIC_KEY are both set; tokens are signed with one of them.',
    );
  }
  const issuer = optional(text('VBO_JWT_ISSUER'));
  const audience = optional(text('VBO_JWT_AUDIENCE'));
  return {
    key: secret === '' ? publicKey(pem) : secretKey(secret),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
}

function secretKey(secret: string): Uint8Array {
  const bytes = new TextEncoder().encode(secret);
  if (bytes.byteLength >= SHORTEST_SECRET_BYTES) return bytes;
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `VBO_JWT_SECRET has ${bytes.byteLength} bytes; expected at least ${SHORTEST_SECRET_BYTES}, as HS256 asks for.`,
  );
}

function publicKey(pem: string): KeyObject {
  try {
    // One line in an env file: line feeds written as \n.
    return createPublicKey(pem.replaceAll('\\n', '\n'));
  } catch (cause) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', 'VBO_JWT_PUBLIC_KEY is not a public key in PEM form.', {
      cause,
    });
  }
}
