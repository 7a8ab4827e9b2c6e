import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { type BatchLayout, type MessageHeader, readFooter, readMessage } from './arrow-messages.js';
import type { FileBytes } from './file-bytes.js';

/** The bytes an Arrow IPC file starts and ends with; a stream begins with its first message. */
export const ARROW_MAGIC = Buffer.from('ARROW1');
/** Before the length of a message since format 0.15. */
export const CONTINUATION = 0xffff_ffff;
const FILE_START_BYTES = 8;
/** What follows the footer: its length and the magic number. */
const FILE_END_BYTES = 10;
const MOST_METADATA_BYTES = 67_108_864;

/** A record batch or dictionary in the file. */
export interface BatchPlace {
  readonly bodyOffset: number;
  readonly bodyLength: number;
  readonly rows: number;
  /** Number of its first row in the file; the next batch's where it is a dictionary. */
  readonly first: number;
  /** Where its header lies: layouts are read again when they are needed, so that many batches cost little memory. */
  readonly headerOffset: number;
  readonly headerLength: number;
  readonly dictionary: { readonly id: number; readonly isDelta: boolean } | undefined;
}

export interface ArrowIndex {
  /** The schema's message, or the footer that holds the schema. */
  readonly schema: { readonly bytes: Uint8Array; readonly isFooter: boolean };
  /** In the order in which they count; dictionaries before what uses them. */
  readonly batches: readonly BatchPlace[];
  readonly rows: number;
  /** What is wrong after the last batch: the file was cut off or is damaged. */
  readonly failure: VectorBatchError | undefined;
}

/**
 * Finds the messages of an IPC file by its footer, those of a stream (or of a file without its end) by walking over
 * them. A few bytes of each are read, their bodies are not.
 * @throws VBO_ERR_FILE_TRUNCATED, VBO_ERR_FILE_FORMAT if there is no schema
 */
export async function readArrowIndex(file: FileBytes): Promise<ArrowIndex> {
  const start = await file.read(0, Math.min(ARROW_MAGIC.length, file.totalBytes));
  if (!start.equals(ARROW_MAGIC)) return walk(file, 0, undefined);
  const footer = await footerOf(file);
  if (footer) return follow(file, footer);
  const { path, totalBytes } = file;
  const cutOff = new VectorBatchError(
    'VBO_ERR_FILE_TRUNCATED',
    `${describe(path)} starts as an Arrow file but does not end as one (after ${totalBytes} bytes): it was cut off; the complete record batches were read.`,
    { details: { path, totalBytes } },
  );
  return walk(file, FILE_START_BYTES, cutOff);
}

async function follow(file: FileBytes, footer: Uint8Array): Promise<ArrowIndex> {
  const batches: BatchPlace[] = [];
  let rows = 0;
  let failure: VectorBatchError | undefined;
  try {
    for (const position of readFooter(footer)) {
      const message = await messageAt(file, position);
      if (!message) throw new Error(`byte ${position} begins no message`);
      const place = placeOf(file, message, rows);
      if (!place) throw new Error(`the message at byte ${position} is no batch`);
      batches.push(place);
      if (!place.dictionary) rows += place.rows;
    }
  } catch (error) {
    failure = error instanceof VectorBatchError ? error : damagedArrow(file.path, error as Error);
  }
  return { schema: { bytes: footer, isFooter: true }, batches, rows, failure };
}

async function walk(
  file: FileBytes,
  start: number,
  cutOff: VectorBatchError | undefined,
): Promise<ArrowIndex> {
  const batches: BatchPlace[] = [];
  let schema: Uint8Array | undefined;
  let rows = 0;
  let failure = cutOff;
  try {
    for (let position = start; position < file.totalBytes; ) {
      const message = await messageAt(file, position);
      if (!message) break;
      const place = placeOf(file, message, rows);
      if (place) batches.push(place);
      else if (message.header.kind === 'schema') schema ??= message.bytes;
      if (place && !place.dictionary) rows += place.rows;
      position = message.offset + message.bytes.length + message.header.bodyLength;
    }
  } catch (error) {
    failure ??= error instanceof VectorBatchError ? error : damagedArrow(file.path, error as Error);
  }
  if (!schema) throw failure ?? damagedArrow(file.path, new Error('it has no schema'));
  return { schema: { bytes: schema, isFooter: false }, batches, rows, failure };
}

/** The layout of a batch. */
export async function layoutAt(file: FileBytes, place: BatchPlace): Promise<BatchLayout> {
  const header = readMessage(await file.read(place.headerOffset, place.headerLength));
  if (header.kind !== 'records' && header.kind !== 'dictionary') throw new Error('the file has changed');
  return header.layout;
}

export const damagedArrow = (path: string, cause: Error): VectorBatchError =>
  new VectorBatchError(
    'VBO_ERR_FILE_FORMAT',
    `${describe(path)} is a damaged Arrow file: ${cause.message}.`,
    {
      cause,
      details: { path },
    },
  );

/** What is between the messages and the end of a whole file. */
async function footerOf(file: FileBytes): Promise<Uint8Array | undefined> {
  const { totalBytes } = file;
  if (totalBytes < FILE_START_BYTES + FILE_END_BYTES) return undefined;
  const tail = await file.read(totalBytes - FILE_END_BYTES, FILE_END_BYTES);
  const length = tail.readInt32LE(0);
  const start = totalBytes - FILE_END_BYTES - length;
  if (!tail.subarray(4).equals(ARROW_MAGIC) || length <= 0 || start < FILE_START_BYTES) return undefined;
  return file.read(start, length);
}

interface MessageAt {
  readonly bytes: Uint8Array;
  /** Where the header lies. */
  readonly offset: number;
  readonly header: MessageHeader;
}

/** The message at `position`; undefined where the stream says that it ends. */
async function messageAt(file: FileBytes, position: number): Promise<MessageAt | undefined> {
  let offset = position + 4;
  let length = (await file.read(position, 4)).readUInt32LE(0);
  if (length === CONTINUATION) {
    length = (await file.read(offset, 4)).readUInt32LE(0);
    offset += 4;
  }
  if (length === 0) return undefined;
  if (length > MOST_METADATA_BYTES) {
    throw new Error(`the message at byte ${position} claims a header of ${length} bytes`);
  }
  const bytes = await file.read(offset, length);
  return { bytes, offset, header: readMessage(bytes) };
}

/** @throws VBO_ERR_FILE_TRUNCATED if its body is not all there */
function placeOf(
  { path, totalBytes }: FileBytes,
  { bytes, offset, header }: MessageAt,
  first: number,
): BatchPlace | undefined {
  const bodyOffset = offset + bytes.length;
  const end = bodyOffset + header.bodyLength;
  if (end > totalBytes) {
    throw new VectorBatchError(
      'VBO_ERR_FILE_TRUNCATED',
      `${describe(path)} ends at byte ${totalBytes}, in a record batch that ends at byte ${end}; the ${first} rows of the batches before were read.`,
      { details: { path, row: first, byteOffset: bodyOffset, totalBytes } },
    );
  }
  if (header.kind !== 'records' && header.kind !== 'dictionary') return undefined;
  const { rows } = header.layout;
  if (!(rows >= 0)) throw new Error(`a record batch claims ${rows} rows`);
  return {
    ...{ bodyOffset, bodyLength: header.bodyLength, rows, first },
    ...{ headerOffset: offset, headerLength: bytes.length },
    dictionary: header.kind === 'dictionary' ? { id: header.id, isDelta: header.isDelta } : undefined,
  };
}
