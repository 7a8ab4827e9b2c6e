import type { FastifyInstance, FastifyRequest } from 'fastify';
import { principalOfKey } from '../api-keys.js';
import { hasCredentials, type ServerConfig } from '../config.js';
import { HttpError } from '../http-error.js';
import { LOCAL, may, type Principal, type Scope } from '../scopes.js';
import { tokenVerifier } from '../tokens.js';
import type { CountRefusal } from './limits.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * What a caller must be allowed: a scope, `any` for every credential, or `nothing` for routes that tell nothing.
     * Default `any`.
     */
    scope?: Scope | 'any' | 'nothing';
  }
  interface FastifyRequest {
    principal: Principal | undefined;
  }
}

const LONGEST_CREDENTIAL = 8192;

/**
 * Finds out who calls and whether the route's scope is among theirs. Without credentials configured everybody is local.
 * What is refused is counted: whoever tries out keys is soon told to wait.
 */
export async function authenticate(
  app: FastifyInstance,
  config: ServerConfig,
  countRefusal?: CountRefusal,
): Promise<void> {
  if (!hasCredentials(config)) {
    app.decorateRequest('principal', { getter: () => LOCAL });
    return;
  }
  app.decorateRequest('principal', undefined);
  const verify = config.jwt && (await tokenVerifier(config.jwt));
  app.addHook('onRequest', async (request) => {
    const scope = request.routeOptions.config.scope ?? 'any';
    if (scope === 'nothing') return;
    try {
      const credential = credentialOf(request);
      const principal =
        credential.kind === 'key'
          ? principalOfKey(config.apiKeys, credential.text)
          : await verify?.(credential.text);
      if (!principal) throw unauthorized('The credential is not valid.');
      request.principal = principal;
      if (scope !== 'any' && !may(principal, scope)) {
        throw new HttpError('VBO_HTTP_FORBIDDEN', `The credential does not have the scope ${scope}.`);
      }
    } catch (refusal) {
      await countRefusal?.(request);
      throw refusal;
    }
  });
}

/**
 * The one credential of a request. Two of them are refused: a proxy and this service could disagree on which counts.
 * @throws HttpError 401
 */
function credentialOf({ raw: { rawHeaders }, headers }: FastifyRequest): {
  kind: 'key' | 'token';
  text: string;
} {
  let given = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (name === 'authorization' || name === 'x-api-key') given++;
  }
  if (given === 0) throw unauthorized('An x-api-key header or a bearer token is required.');
  if (given > 1) throw unauthorized(`${given} credentials were given; expected one.`);
  const key = headers['x-api-key'];
  const text = typeof key === 'string' ? key : headers.authorization;
  if (text === undefined || text.length > LONGEST_CREDENTIAL)
    throw unauthorized('The credential is too long.');
  if (key !== undefined) return { kind: 'key', text };
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(text)?.[1];
  if (token === undefined) throw unauthorized('Authorization is not of the form "Bearer TOKEN".');
  return { kind: 'token', text: token };
}

const unauthorized = (message: string): HttpError => new HttpError('VBO_HTTP_UNAUTHORIZED', message);
