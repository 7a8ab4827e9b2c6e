import { VectorBatchError } from '../core/errors.js';
import type { Batch, Id, Payload } from '../ingest/ports.js';
import type { WireText } from '../vectors/wire.js';

/** What vertex ids of a space are: `FIXED_STRING(byteLength)` or `INT64`. */
export type VidType = { readonly kind: 'string'; readonly byteLength: number } | { readonly kind: 'integer' };

/**
 * A string literal of nGQL, whose scanner ends it at a quote or a line's end and takes all else as it stands, but
 * for the NUL, which {@link vidText} refuses. Octal escapes are no way out: a digit behind one is read as its own.
 */
export const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;

/** A name of a space, tag or property. Names are checked where they come in: they hold no backtick. */
export const name = (text: string): string => `\`${text}\``;

/** An id as nGQL has it; undefined if the space cannot hold it, which would fail the whole statement. */
export function vidText(id: Id, type: VidType): string | undefined {
  if (type.kind === 'integer') return Number.isSafeInteger(id) ? String(id) : undefined;
  const text = String(id);
  return Buffer.byteLength(text) <= type.byteLength && !text.includes('\0') ? quote(text) : undefined;
}

export interface InsertTarget {
  readonly tag: string;
  readonly vidType: VidType;
  readonly hasPayloads: boolean;
}

export interface Insert {
  /** Empty if no row can be stored. */
  readonly statement: Buffer;
  /** Rows that were left out: their ids do not fit the space. */
  readonly rejected: readonly { index: number; code: 'VBO_ERR_RECORD'; message: string }[];
}

/**
 * One statement that stores the rows of a batch, or stores them again over what is there:
 *
 * ```
 * INSERT VERTEX `t`(`vector`,`payload`) VALUES "a":("[0.5,0.25]","{\"n\":1}"),"b":("[1,0]",NULL)
 * ```
 *
 * @param text the vectors, each a JSON array, in which nothing needs an escape
 * @throws VBO_ERR_RECORD if a payload cannot be told in JSON
 */
export function insertStatement(batch: Batch, text: WireText, target: InsertTarget): Insert {
  const { tag, vidType, hasPayloads } = target;
  const { bytes, offsets } = text;
  const rejected: { index: number; code: 'VBO_ERR_RECORD'; message: string }[] = [];
  const properties = hasPayloads ? '`vector`,`payload`' : '`vector`';
  const pieces: Uint8Array[] = [];
  let lead = `INSERT VERTEX ${name(tag)}(${properties}) VALUES `;
  for (let row = 0; row < batch.rows; row++) {
    const id = batch.ids[row]!;
    const vid = vidText(id, vidType);
    if (vid === undefined) {
      const wanted =
        vidType.kind === 'integer'
          ? 'integers'
          : `texts of at most ${vidType.byteLength} bytes, none of them 0`;
      rejected.push({
        index: row,
        code: 'VBO_ERR_RECORD',
        message: `The id ${JSON.stringify(id)} does not fit the space, whose vertex ids are ${wanted}.`,
      });
      continue;
    }
    pieces.push(Buffer.from(`${lead}${vid}:("`), bytes.subarray(offsets[row], offsets[row + 1]));
    lead = `"${hasPayloads ? `,${payloadText(batch.payloads?.[row])}` : ''}),`;
  }
  if (pieces.length > 0) pieces.push(Buffer.from(lead.slice(0, -1)));
  return { statement: Buffer.concat(pieces), rejected };
}

function payloadText(payload: Payload | null | undefined): string {
  if (payload === null || payload === undefined) return 'NULL';
  try {
    return quote(JSON.stringify(payload));
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_RECORD',
      `A payload cannot be told in JSON: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
