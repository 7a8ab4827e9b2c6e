import { VectorBatchError } from '../core/errors.js';

export interface ServerConfig {
  host: string;
  port: number;
  /** SHA-256 digests of the keys that may call. None: loopback only. */
  apiKeyDigests: Buffer[];
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/**
 * The configuration of `environment`, with `overrides` from the command line before it.
 * @throws VBO_ERR_ARGUMENT on a malformed value, or on a host beyond loopback without credentials.
 */
export function readServerConfig(
  environment: NodeJS.ProcessEnv,
  overrides: { host?: string | undefined; port?: number | undefined } = {},
): ServerConfig {
  const host = overrides.host ?? environment.VBO_HOST ?? '127.0.0.1';
  const port = overrides.port ?? Number(environment.VBO_PORT ?? 8001);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `VBO_PORT is ${port}; expected a port from 0 to 65535.`);
  }
  const apiKeyDigests = (environment.VBO_API_KEYS ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
    .map((key, index) => {
      if (!/^[0-9a-f]{64}$/i.test(key)) {
        throw new VectorBatchError(
          'VBO_ERR_ARGUMENT',
          `Entry ${index} of VBO_API_KEYS has ${key.length} characters; expected the 64 hex digits of a SHA-256.`,
        );
      }
      return Buffer.from(key, 'hex');
    });
  if (apiKeyDigests.length === 0 && !LOOPBACK.has(host)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `Host is ${host}; without credentials (VBO_API_KEYS) the service listens on loopback only.`,
    );
  }
  return { host, port, apiKeyDigests };
}
