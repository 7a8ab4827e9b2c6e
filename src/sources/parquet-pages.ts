import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type {
  ColumnMetaData,
  CompressionCodec,
  Compressors,
  DecodedArray,
  Encoding,
  SchemaTree,
} from 'hyparquet';
import { snappyUncompress } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { convert, DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { decompressPage, readDataPage } from 'hyparquet/src/datapage.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js';
import type { ColumnDecoder, PageHeader } from 'hyparquet/src/types.js';
import { compressors } from 'hyparquet-compressors';
import { VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { FileBytes } from './file-bytes.js';
import { decodeRuns } from './parquet-runs.js';
import { Scratch } from './scratch.js';

/** A page of a column chunk, decoded. Its levels are valid until the next page is read. */
export interface Page {
  /** Absent: every value is there. */
  readonly definitionLevels: Uint8Array | undefined;
  /** Absent: the column is not within a list, every value is a row. */
  readonly repetitionLevels: Uint8Array | undefined;
  readonly values: DecodedArray;
}

/** Where a column chunk lies, and how it is read. */
export interface ChunkOptions {
  readonly file: FileBytes;
  readonly column: ColumnMetaData;
  /** From the root to the leaf. */
  readonly schemaPath: readonly SchemaTree[];
  /** Leaves bytes without a declared meaning as they are. */
  readonly asBytes: boolean;
  /** Values are copied before the next page is read: its memory is used again. */
  readonly isCopied: boolean;
  /** Memory that one page may take. */
  readonly memoryBytes: number;
}

const CODECS: Compressors = {
  ...compressors,
  // Node's own are native.
  GZIP: (input, byteLength) => gunzipSync(input, { maxOutputLength: Math.max(1, byteLength) }),
  BROTLI: (input, byteLength) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, byteLength) }),
};

/** Whether pages of this codec can be read. */
export const isReadable = (codec: CompressionCodec): boolean =>
  codec === 'UNCOMPRESSED' || CODECS[codec] !== undefined;

/** Headers are some tens of bytes, but for statistics of long texts. */
const HEADER_BYTES = 16_384;
const MOST_HEADER_BYTES = 4_194_304;
/** What a value costs while its page is decoded, besides its bytes in the page: its levels, and itself again. */
const DECODING_BYTES_PER_VALUE = 10;

/**
 * The pages of a column chunk, one at a time: memory is a page's, however large the row group is.
 * @throws VBO_ERR_MEMORY if a page is too large for that; whatever a damaged page makes the decoder throw
 */
export async function* pagesOf(options: ChunkOptions): AsyncGenerator<Page, void, undefined> {
  const { file, column } = options;
  const decoder = decoderOf(options);
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  // A dictionary that the metadata do not mention lies before the data; both are within the chunk's size.
  const first = Math.min(start, Number(column.data_page_offset));
  const end = Math.min(first + Number(column.total_compressed_size), file.totalBytes);
  let missing = Number(column.num_values);
  let dictionary: DecodedArray | undefined;
  const scratch = new PageScratch();
  const pageDecoder = options.isCopied ? { ...decoder, compressors: scratch.compressors } : decoder;
  for (let position = first; missing > 0 && position < end; ) {
    const { header, byteLength } = await headerAt(file, position, end, scratch.header);
    position += byteLength;
    checkPage(options, header, missing);
    // What is not compressed is handed out as it was read; a dictionary outlives the pages.
    const isDictionary = header.type === 'DICTIONARY_PAGE';
    const isKept = column.codec === 'UNCOMPRESSED' && !options.isCopied;
    const stored = isKept || isDictionary ? undefined : scratch.page;
    const compressed = await file.read(position, header.compressed_page_size, stored);
    position += header.compressed_page_size;
    if (isDictionary) {
      dictionary = dictionaryOf(compressed, header, decoder);
    } else if (valuesOf(header) > 0 && (header.data_page_header || header.data_page_header_v2)) {
      missing -= valuesOf(header);
      yield decode(compressed, header, pageDecoder, dictionary, scratch);
    }
  }
  if (missing > 0) throw new Error(`the column chunk ends ${missing} values early`);
}

/** Memory for what is needed no longer than until the next page. */
class PageScratch {
  readonly header = new Scratch();
  readonly page = new Scratch();
  readonly repetition = new Scratch();
  readonly definition = new Scratch();
  readonly #decompressed = new Scratch();
  /** Snappy's pages are decompressed into the same memory: they are by far the most common. */
  readonly compressors: Compressors = {
    ...CODECS,
    SNAPPY: (input, byteLength) => {
      const out = this.#decompressed.take(byteLength);
      snappyUncompress(input, out);
      return out;
    },
  };
}

function decoderOf({ column, schemaPath, asBytes }: ChunkOptions): ColumnDecoder {
  const path = [...schemaPath];
  return {
    pathInSchema: column.path_in_schema,
    ...{ type: column.type, codec: column.codec },
    element: path.at(-1)!.element,
    schemaPath: path,
    parsers: DEFAULT_PARSERS,
    compressors: CODECS,
    utf8: !asBytes,
  };
}

async function headerAt(
  file: FileBytes,
  position: number,
  end: number,
  scratch: Scratch,
): Promise<{ header: PageHeader; byteLength: number }> {
  for (let byteLength = HEADER_BYTES; ; byteLength *= 16) {
    const bytes = await file.read(position, Math.min(byteLength, end - position), scratch);
    const reader = { view: new DataView(bytes.buffer, 0, bytes.length), offset: 0 };
    try {
      return { header: parquetHeader(reader), byteLength: reader.offset };
    } catch (error) {
      if (bytes.length < byteLength || byteLength >= MOST_HEADER_BYTES) throw error;
    }
  }
}

const valuesOf = (header: PageHeader): number =>
  (header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header)?.num_values ?? 0;

/** A damaged header must not make the decoder allocate what is not there. */
function checkPage(options: ChunkOptions, header: PageHeader, missing: number): void {
  const { uncompressed_page_size: bytes, compressed_page_size: compressedBytes, type } = header;
  const values = valuesOf(header);
  const isData = type !== 'DICTIONARY_PAGE';
  const limit = isData ? missing : Math.max(bytes, Number(options.column.num_values));
  if (!(bytes >= 0 && compressedBytes >= 0 && values >= 0 && values <= limit)) {
    throw new Error(`a page claims ${values} values in ${bytes} bytes`);
  }
  const neededBytes = compressedBytes + bytes + DECODING_BYTES_PER_VALUE * values;
  if (neededBytes <= options.memoryBytes) return;
  throw new VectorBatchError(
    'VBO_ERR_MEMORY',
    `A page of the column ${options.column.path_in_schema.join('.')} in ${JSON.stringify(options.file.path)} holds ${values} values in ${formatBytes(bytes)}: decoding it takes about ${formatBytes(neededBytes)}, ${formatBytes(options.memoryBytes)} are allowed. Allow more, or write the file with smaller pages.`,
    { details: { neededBytes, memoryBytes: options.memoryBytes } },
  );
}

function dictionaryOf(compressed: Uint8Array, header: PageHeader, decoder: ColumnDecoder): DecodedArray {
  const page = decompressPage(compressed, header.uncompressed_page_size, decoder.codec, decoder.compressors);
  const reader = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 };
  const values = readPlain(reader, decoder.type, valuesOf(header), decoder.element.type_length);
  return convert(values, decoder);
}

/**
 * ```
 * version 1  compressed: ( length, repetition levels | length, definition levels | values )
 * version 2  repetition levels | definition levels | compressed: ( values )
 * ```
 */
function decode(
  stored: Uint8Array,
  header: PageHeader,
  decoder: ColumnDecoder,
  dictionary: DecodedArray | undefined,
  scratch: PageScratch,
): Page {
  const { data_page_header: v1, data_page_header_v2: v2, uncompressed_page_size: byteLength } = header;
  const { codec, schemaPath, compressors: codecs } = decoder;
  const count = valuesOf(header);
  const maxRepetition = getMaxRepetitionLevel(schemaPath);
  const maxDefinition = getMaxDefinitionLevel(schemaPath);
  const levels = v2 ? stored : decompressPage(stored, byteLength, codec, codecs);
  let position = 0;
  const next = (max: number, ownBytes: number | undefined, memory: Scratch) => {
    if (max === 0 && ownBytes === undefined) return undefined;
    if (ownBytes === undefined) position += 4;
    const start = position;
    position += ownBytes ?? new DataView(levels.buffer, levels.byteOffset + start - 4).getUint32(0, true);
    if (max === 0) return undefined;
    const out = memory.take(count);
    decodeRuns(levels, start, position, 32 - Math.clz32(max), out);
    return out;
  };
  const repetitionLevels = next(maxRepetition, v2?.repetition_levels_byte_length, scratch.repetition);
  const allDefinitionLevels = next(maxDefinition, v2?.definition_levels_byte_length, scratch.definition);
  let present = count;
  for (const level of allDefinitionLevels ?? []) if (level < maxDefinition) present--;
  const definitionLevels = present === count ? undefined : allDefinitionLevels;

  let values = restOf(levels, position);
  if (v2 && v2.is_compressed !== false && byteLength > position) {
    values = decompressPage(values, byteLength - position, codec, codecs);
  } else if (v2 && codec !== 'UNCOMPRESSED') {
    values = new Uint8Array(values);
  }
  const encoding = (v1 ?? v2)!.encoding;
  return {
    definitionLevels,
    repetitionLevels,
    values: encoding.endsWith('_DICTIONARY')
      ? lookedUp(values, present, dictionary)
      : decodeValues(values, present, encoding, decoder),
  };
}

/** The rest of a page, moved down over what was read of it to where numbers can be read in place. */
function restOf(page: Uint8Array, position: number): Uint8Array {
  const shift = (page.byteOffset + position) % 8;
  if (shift === 0 || shift > position) return page.subarray(position);
  page.copyWithin(position - shift, position);
  return page.subarray(position - shift, page.length - shift);
}

function lookedUp(bytes: Uint8Array, count: number, dictionary: DecodedArray | undefined): DecodedArray {
  if (count === 0) return [];
  if (!dictionary) throw new Error('the dictionary is missing');
  const indices = new Uint32Array(count);
  if (bytes[0]! > 0) decodeRuns(bytes, 1, bytes.length, bytes[0]!, indices);
  const make = dictionary.constructor as new (length: number) => unknown[];
  const values = new make(count);
  for (let i = 0; i < count; i++) {
    const index = indices[i]!;
    if (index >= dictionary.length)
      throw new Error(`entry ${index} of ${dictionary.length} in the dictionary`);
    values[i] = dictionary[index];
  }
  return values;
}

/** The library reads levels and values together: as values of a required column they come without levels. */
function decodeValues(
  bytes: Uint8Array,
  count: number,
  encoding: Encoding,
  decoder: ColumnDecoder,
): DecodedArray {
  if (decoder.type === 'BOOLEAN' && encoding === 'RLE') {
    const bits = new Uint8Array(count);
    decodeRuns(bytes, 4, bytes.length, 1, bits);
    return Array.from(bits, Boolean);
  }
  const flat = {
    num_values: count,
    encoding,
    definition_level_encoding: encoding,
    repetition_level_encoding: encoding,
  };
  const { dataPage } = readDataPage(bytes, flat, { ...decoder, schemaPath: [] });
  return convert(dataPage, decoder);
}
