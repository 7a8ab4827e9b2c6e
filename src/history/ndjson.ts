import type { FileHandle } from 'node:fs/promises';
import type { BatchExecutionRecord } from '../core/types.js';

/** What a file of records holds at one place: a value, or why there is none. */
export type FileEntry =
  | { readonly position: number; readonly value: unknown }
  | { readonly position: number; readonly reason: string };

/** The lines of a file, empty ones left out. */
export async function* readNdjson(file: FileHandle): AsyncGenerator<FileEntry> {
  let position = 0;
  for await (const line of file.readLines({ autoClose: false })) {
    position++;
    const text = position === 1 ? line.replace(/^\uFEFF/, '') : line;
    if (text.trim() === '') continue;
    try {
      yield { position, value: JSON.parse(text) };
    } catch (error) {
      yield { position, reason: `not JSON: ${(error as Error).message}` };
    }
  }
}

/** Returns the number of records. */
export async function writeNdjson(
  file: FileHandle,
  pages: AsyncIterable<readonly BatchExecutionRecord[]>,
): Promise<number> {
  let records = 0;
  for await (const page of pages) {
    await file.appendFile(page.map((record) => `${JSON.stringify(record)}\n`).join(''));
    records += page.length;
  }
  return records;
}
