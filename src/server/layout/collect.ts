import type { Readable } from 'node:stream';
import { HttpError } from '../http-error.js';

/** Taken for a body whose length is not known beforehand. */
const FIRST_BYTES = 65_536;

/**
 * A request's body as one piece of memory of its own. A length that is known beforehand is filled piece by piece: joining
 * a body of 256 MB at its end would hold up everybody else.
 * @throws HttpError 413, 400 for a body that is not as long as it says
 */
export async function collectBody(
  payload: Readable,
  contentLength: string | undefined,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => new HttpError('VBO_HTTP_TOO_LARGE', `The body is larger than ${limitBytes} bytes.`);
  const known = contentLength === undefined ? undefined : Number(contentLength);
  if (known !== undefined && known > limitBytes) throw tooLarge();
  let bytes = new Uint8Array(known ?? FIRST_BYTES);
  let end = 0;
  for await (const chunk of payload as AsyncIterable<Buffer>) {
    if (end + chunk.byteLength > limitBytes) throw tooLarge();
    if (end + chunk.byteLength > bytes.byteLength) {
      const larger = new Uint8Array(Math.min(limitBytes, 2 * (end + chunk.byteLength)));
      larger.set(bytes.subarray(0, end));
      bytes = larger;
    }
    bytes.set(chunk, end);
    end += chunk.byteLength;
  }
  if (known !== undefined && end !== known) {
    throw new HttpError(
      'VBO_HTTP_BAD_REQUEST',
      `The body has ${end} bytes; its length was given as ${known}.`,
    );
  }
  return bytes.subarray(0, end);
}
