import type { FastifyInstance } from 'fastify';
import { hasCredentials, type ServerConfig } from '../config.js';
import { HttpError } from '../http-error.js';

const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * Keeps other sites' pages out. A page of another origin that a browser on this machine shows could otherwise use a
 * service without credentials: directly, or by rebinding its own name to the loopback address, which the Host header
 * gives away.
 */
export function refuseOtherOrigins(app: FastifyInstance, config: ServerConfig): void {
  const isLocalOnly = !hasCredentials(config);
  app.addHook('onRequest', (request, _reply, done) => {
    const { host, origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
    if (isLocalOnly && !LOCAL_HOST.test(host ?? '')) {
      done(
        new HttpError(
          'VBO_HTTP_FORBIDDEN',
          'The Host header does not name this machine (localhost, 127.0.0.1, [::1]).',
        ),
      );
      // Following a link is no request that the other site sees the answer of; a form that is sent has an Origin.
    } else if (
      (origin !== undefined && hostOf(origin) !== host) ||
      (site === 'cross-site' && mode !== 'navigate')
    ) {
      done(new HttpError('VBO_HTTP_FORBIDDEN', 'Requests of other origins are not taken.'));
    } else done();
  });
}

/** Host and port of an origin; undefined for `null` and what is none. */
const hostOf = (origin: string): string | undefined => /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
