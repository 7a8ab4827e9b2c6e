import { isUtf8 } from 'node:buffer';
import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Source, SourceChunk } from '../ingest/ports.js';
import { FileWindow } from './file-window.js';
import { fingerprintFile } from './fingerprint.js';
import { type Line, LineReader, MAX_LINE_BYTES } from './line-reader.js';
import { columnsText, type RecordColumns } from './record.js';
import { type RecordShape, RowCollector, shapeOf } from './row-collector.js';

/** How many lines at the start may be unreadable before the file is taken for something else. */
const MAX_LINES_TO_FIRST_RECORD = 1000;

export interface NdjsonOptions extends RecordColumns {
  /** Bytes of text read at once, and float32 bytes handed out at once. */
  chunkBytes: number;
  /** Longest line that is read, bytes. Default 64 MiB. */
  maxLineBytes?: number;
}

/**
 * Records of a newline-delimited JSON file: one object (or bare array) per line. Blank lines, CRLF and a
 * byte order mark are tolerated. The first readable record sets the dimension and whether there are ids;
 * ids are strings or numbers as in that record (later numbers among strings become strings).
 */
export class NdjsonSource implements Source {
  readonly name: string;
  readonly dimension: number;
  readonly idType?: 'string' | 'number';
  readonly #shape: RecordShape;
  readonly #options: NdjsonOptions;
  #progress: { readBytes: number; totalBytes: number };

  private constructor(window: FileWindow, shape: RecordShape, options: NdjsonOptions) {
    this.name = window.path;
    this.dimension = shape.dimension;
    if (shape.idType) this.idType = shape.idType;
    this.#shape = shape;
    this.#options = options;
    this.#progress = { ...window.progress, readBytes: 0 };
  }

  /**
   * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY, VBO_ERR_FILE_FORMAT if none of the first lines is a
   *   record, VBO_ERR_FILE_TRUNCATED if the first line is cut off
   */
  static async open(path: string, options: NdjsonOptions): Promise<NdjsonSource> {
    const window = await FileWindow.open(path, options.chunkBytes);
    try {
      const lines = new LineReader(window, options.maxLineBytes);
      let firstProblem: string | undefined;
      let seen = 0;
      while (seen < MAX_LINES_TO_FIRST_RECORD && (await lines.fill())) {
        for (let line = lines.next(); line && seen < MAX_LINES_TO_FIRST_RECORD; line = lines.next()) {
          if (isBlank(line.bytes)) continue;
          const parsed = parseLine(line);
          if (isCutOff(line, parsed)) throw truncated(window, line, seen);
          const shape = 'problem' in parsed ? parsed.problem : shapeOf(parsed.value, options);
          if (typeof shape !== 'string') return new NdjsonSource(window, shape, options);
          firstProblem ??= `line ${line.number} ${shape}`;
          seen++;
        }
      }
      throw new VectorBatchError(
        'VBO_ERR_FILE_FORMAT',
        firstProblem === undefined
          ? `${describe(path)} holds blank lines only; expected one JSON object per line.`
          : `${describe(path)} holds no record in its first ${seen} lines: ${firstProblem}.`,
        { details: { path } },
      );
    } finally {
      await window.close();
    }
  }

  progress(): { readBytes: number; totalBytes: number } {
    return this.#progress;
  }

  fingerprint(): Promise<string> {
    return fingerprintFile(this.name, columnsText(this.#options));
  }

  [Symbol.asyncIterator](): AsyncGenerator<SourceChunk, void, undefined> {
    return this.from(0);
  }

  /**
   * The records from `first` on; the lines before are read but not parsed.
   * @throws VBO_ERR_FILE_TRUNCATED after the last complete line, if the file ends inside a record
   */
  async *from(first: number): AsyncGenerator<SourceChunk, void, undefined> {
    const { chunkBytes, maxLineBytes = MAX_LINE_BYTES } = this.#options;
    const capacity = Math.max(1, Math.floor(chunkBytes / (4 * this.dimension)));
    const rows = new RowCollector(this.#shape, this.#options, capacity);
    const window = await FileWindow.open(this.name, chunkBytes);
    try {
      const lines = new LineReader(window, maxLineBytes);
      let position = 0;
      while (await lines.fill()) {
        let failure: VectorBatchError | undefined;
        while (!rows.isFull && !failure) {
          const line = lines.next();
          if (!line) break;
          if (isBlank(line.bytes)) continue;
          if (position < first) {
            position++;
            continue;
          }
          const place = `Row ${position} (line ${line.number})`;
          const parsed = parseLine(line);
          if (isCutOff(line, parsed)) {
            failure = truncated(window, line, position);
          } else if (line.isTooLong) {
            rows.reject(
              position,
              'VBO_ERR_RECORD',
              `${place} is longer than ${maxLineBytes} bytes; it was skipped.`,
              line.bytes.toString('utf8', 0, 1024),
            );
          } else if ('problem' in parsed) {
            rows.reject(
              position,
              'VBO_ERR_RECORD',
              `${place} ${parsed.problem}.`,
              line.bytes.toString('utf8'),
            );
          } else {
            rows.add(parsed.value, position, place, line.bytes);
          }
          position++;
        }
        this.#progress = window.progress;
        if (!rows.isEmpty) yield rows.take();
        if (failure) throw failure;
      }
    } finally {
      await window.close();
    }
  }
}

type ParsedLine = { value: unknown } | { problem: string };

function parseLine({ bytes, isTooLong }: Line): ParsedLine {
  if (isTooLong) return { problem: 'is too long' };
  if (!isUtf8(bytes)) return { problem: 'is not UTF-8 text' };
  try {
    return { value: JSON.parse(bytes.toString('utf8')) };
  } catch (error) {
    return { problem: `is not JSON: ${(error as Error).message}` };
  }
}

/** A last line without a newline that cannot be parsed: the file was cut off, the line was not badly written. */
const isCutOff = (line: Line, parsed: ParsedLine): boolean =>
  !line.isTerminated && !line.isTooLong && 'problem' in parsed;

function truncated(window: FileWindow, line: Line, row: number): VectorBatchError {
  return new VectorBatchError(
    'VBO_ERR_FILE_TRUNCATED',
    `${describe(window.path)} ends at byte ${window.endOffset}, in row ${row} (line ${line.number}, which starts at byte ${line.byteOffset}).`,
    {
      details: {
        path: window.path,
        row,
        line: line.number,
        byteOffset: line.byteOffset,
        totalBytes: window.endOffset,
      },
    },
  );
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}
