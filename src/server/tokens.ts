import type { KeyObject } from 'node:crypto';
import { VectorBatchError } from '../core/errors.js';
import type { JwtConfig } from './config.js';
import { isScope, type Principal, type Scope } from './scopes.js';

/** A token without a scope claim may do all this: who signs tokens decides, and administering is asked for by name. */
const UNSTATED: readonly Scope[] = ['recommend', 'learn', 'run'];

/** The one algorithm that a key can mean. The token's header is never asked which to use. */
function algorithmOf(key: JwtConfig['key']): string {
  if (key instanceof Uint8Array) return 'HS256';
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key as KeyObject;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return 'RS256';
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256';
  if (type === 'ec' && details?.namedCurve === 'secp384r1') return 'ES384';
  if (type === 'ed25519') return 'EdDSA';
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `VBO_JWT_PUBLIC_KEY is of type ${type} ${details?.namedCurve ?? details?.modulusLength ?? ''}; expected RSA of at least 2048 bits, P-256, P-384 or Ed25519.`,
  );
}

/**
 * Checks tokens: signature by the pinned algorithm, `exp` required, `nbf`, and issuer and audience where configured.
 * @throws VBO_ERR_ARGUMENT for a key of a kind that is not known
 */
export async function tokenVerifier(
  config: JwtConfig,
): Promise<(token: string) => Promise<Principal | undefined>> {
  const { errors, jwtVerify } = await import('jose');
  const options = {
    algorithms: [algorithmOf(config.key)],
    requiredClaims: ['exp'],
    ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
    ...(config.audience === undefined ? {} : { audience: config.audience }),
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, config.key, options);
      const subject = typeof payload.sub === 'string' ? payload.sub.slice(0, 128) : '';
      return { id: `token:${subject}`, scopes: new Set(scopesOf(payload.scope ?? payload.scp)) };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      // Malformed text in places that jose does not wrap.
      if (error instanceof TypeError || error instanceof SyntaxError) return undefined;
      throw error;
    }
  };
}

/** `scope` as a text of words (RFC 8693) or as an array. */
function scopesOf(claim: unknown): readonly Scope[] {
  if (claim === undefined) return UNSTATED;
  const words = Array.isArray(claim) ? claim : typeof claim === 'string' ? claim.split(' ') : [];
  return words.filter((word): word is Scope => typeof word === 'string' && isScope(word));
}
