import type { FastifyInstance } from 'fastify';
import helmet, { type HelmetOptions } from 'helmet';

/** The service speaks HTTP, over which nothing may be said of HTTPS (RFC 6797, section 7.2); whoever ends TLS says it. */
const PLAIN_HTTP = { strictTransportSecurity: false } as const;

/** A page computes in WebAssembly, in a worker, and loads nothing from elsewhere. */
const PAGE: HelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      workerSrc: ["'self'", 'blob:'],
      manifestSrc: ["'self'"],
      formAction: ["'none'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
  ...PLAIN_HTTP,
};

/** Of data nothing may be run, framed or guessed at; what concerns pages alone is left out. */
const DATA: HelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  referrerPolicy: false,
  ...PLAIN_HTTP,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
};

/** Of every answer that holds data. */
export const DATA_HEADERS: Readonly<Record<string, string>> = {
  ...headersOf(DATA),
  'cache-control': 'no-store',
};

/** What browsers are told to forbid. Helmet would put its headers together anew for every answer; here it does so once. */
export function secureHeaders(app: FastifyInstance): void {
  const page = headersOf(PAGE);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.url.startsWith('/api/') ? DATA_HEADERS : page);
    done();
  });
}

function headersOf(options: HelmetOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  };
  helmet(options)({} as never, response as never, () => {});
  return headers;
}
