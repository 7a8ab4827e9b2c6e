import { encode } from '@msgpack/msgpack';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { decodeJson, decodeMessagePack } from '../bodies.js';
import { HttpError } from '../http-error.js';

export const MESSAGE_PACK = 'application/msgpack';
export const MESSAGE_PACK_TYPES = [MESSAGE_PACK, 'application/x-msgpack', 'application/vnd.msgpack'];

/** Is the answer to be MessagePack? Pages and metrics never are. */
export const wantsMessagePack = ({ headers, url }: FastifyRequest): boolean =>
  url.startsWith('/api/') && (headers.accept?.includes('msgpack') ?? false);

/** JSON and MessagePack both ways: bodies by Content-Type, answers by Accept. */
export function speakBoth(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    settle(done, () => decodeJson(text as string));
  });
  app.addContentTypeParser(MESSAGE_PACK_TYPES, { parseAs: 'buffer' }, (_request, bytes, done) => {
    settle(done, () => decodeMessagePack(bytes as Buffer));
  });
  app.addHook('onRequest', (request, reply, done) => {
    const { headers } = request;
    if (wantsMessagePack(request)) {
      reply.type(MESSAGE_PACK);
      // Fastify sends bytes as well as text, though its type says text.
      reply.serializer(toMessagePack as unknown as (payload: unknown) => string);
    }
    const encoding = headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') done();
    else
      done(
        new HttpError(
          'VBO_HTTP_MEDIA_TYPE',
          `Bodies are not taken ${JSON.stringify(encoding)}; send them as they are.`,
        ),
      );
  });
}

function toMessagePack(payload: unknown): Buffer {
  const bytes = encode(payload, { ignoreUndefined: true });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function settle(done: (error: Error | null, body?: unknown) => void, decode: () => unknown): void {
  let body: unknown;
  try {
    body = decode();
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null, body);
}
