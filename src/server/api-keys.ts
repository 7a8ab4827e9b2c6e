import { createHash, timingSafeEqual } from 'node:crypto';
import { VectorBatchError } from '../core/errors.js';
import { isScope, type Principal, SCOPES, type Scope } from './scopes.js';

/** A key as it is configured: never itself, only its digest. */
export interface ApiKey {
  /** SHA-256, 32 bytes. */
  readonly digest: Buffer;
  readonly principal: Principal;
}

/**
 * Keys of a text such as `HEX,HEX:recommend+run`.
 * @throws VBO_ERR_ARGUMENT naming the entry, without repeating it
 */
export function parseApiKeys(text: string): ApiKey[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry, index) => {
      const [hex, suffix] = entry.split(/:(.*)/s, 2) as [string, string?];
      if (!/^[0-9a-f]{64}$/i.test(hex)) {
        throw new VectorBatchError(
          'VBO_ERR_ARGUMENT',
          `Entry ${index} of VBO_API_KEYS has ${hex.length} characters; expected the 64 hex digits of a SHA-256.`,
        );
      }
      const names = suffix === undefined ? SCOPES : suffix.split('+');
      const wrong = names.find((name) => !isScope(name));
      if (wrong !== undefined) {
        throw new VectorBatchError(
          'VBO_ERR_ARGUMENT',
          `Entry ${index} of VBO_API_KEYS has the scope ${JSON.stringify(wrong)}; expected some of ${SCOPES.join(', ')}.`,
        );
      }
      const id = `key:${hex.slice(0, 8).toLowerCase()}`;
      return {
        digest: Buffer.from(hex, 'hex'),
        principal: { id, scopes: new Set(names as readonly Scope[]) },
      };
    });
}

/**
 * Whose key it is. Digests of equal length are compared in constant time, and every one of them, so the time tells
 * neither which key matched nor how far.
 */
export function principalOfKey(keys: readonly ApiKey[], given: string): Principal | undefined {
  const digest = createHash('sha256').update(given).digest();
  let found: Principal | undefined;
  for (const key of keys) if (timingSafeEqual(digest, key.digest)) found = key.principal;
  return found;
}
