import { move, Piscina } from 'piscina';
import { type DecodedLayout, decodeLayout, type LayoutFormat } from './decode.js';

/** Decodes a large body off the event loop; the vectors change hands without a copy. */
export default function run({ bytes, format }: { bytes: Uint8Array; format: LayoutFormat }): DecodedLayout {
  const decoded = decodeLayout(bytes, format);
  const vectors = 'body' in decoded ? (decoded.body as { vectors?: unknown } | null)?.vectors : undefined;
  if (!(vectors instanceof Float32Array)) return decoded;
  return move({
    [Piscina.transferableSymbol]: [vectors.buffer],
    [Piscina.valueSymbol]: decoded,
  } as never) as unknown as DecodedLayout;
}
