import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** What `scripts/build-page.mjs` writes. */
interface Manifest {
  /** The page's Content-Security-Policy. */
  readonly policy: string;
  readonly files: readonly {
    readonly path: string;
    readonly type: string;
    /** Of the content. */
    readonly tag: string;
    /** Whether the name changes with the content. */
    readonly isAsset: boolean;
  }[];
}

const FOLDER = new URL('../../../dist/dashboard/', import.meta.url);
const ENCODINGS = { br: '.br', gzip: '.gz', identity: '' } as const;
type Encoding = keyof typeof ENCODINGS;

/** Serves the dashboard's static files at `/`. They need no credential: the page asks for one. */
export async function serveDashboard(app: FastifyInstance): Promise<void> {
  const manifest = JSON.parse(readFileSync(new URL('manifest.json', FOLDER), 'utf8')) as Manifest;
  for (const { path, type, tag, isAsset } of manifest.files) {
    const read = (suffix: string) => readFileSync(new URL(path + suffix, FOLDER));
    const bodies: Record<Encoding, Buffer> = { br: read('.br'), gzip: read('.gz'), identity: read('') };
    const headers = {
      'content-type': type,
      'content-security-policy': manifest.policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
      vary: 'accept-encoding',
    };
    const answer = (request: FastifyRequest, reply: FastifyReply) => {
      const encoding = encodingFor(request.headers['accept-encoding'] ?? '');
      // The same content in another encoding is another representation.
      const etag = `"${tag}-${encoding}"`;
      reply.headers({ ...headers, etag });
      if (request.headers['if-none-match']?.split(/\s*,\s*/).includes(etag)) return reply.code(304).send();
      if (encoding !== 'identity') reply.header('content-encoding', encoding);
      return reply.send(bodies[encoding]);
    };
    app.get(isAsset ? `/${path}` : '/', { config: { scope: 'nothing' }, schema: { hide: true } }, answer);
  }
}

/** The smallest form that the client takes. */
function encodingFor(accepted: string): Encoding {
  const weights = new Map(
    accepted
      .toLowerCase()
      .split(',')
      .map((part) => {
        const [name = '', weight] = part.trim().split(/\s*;\s*q=/);
        return [name, weight === undefined ? 1 : Number(weight)] as const;
      }),
  );
  const takes = (name: Encoding) => (weights.get(name) ?? weights.get('*') ?? 0) > 0;
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : 'identity';
}
