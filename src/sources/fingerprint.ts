import { createHash } from 'node:crypto';
import { FileWindow } from './file-window.js';

const SAMPLES = 16;
const SAMPLE_BYTES = 4096;

/**
 * The file's length and a hash of sixteen 4 KiB pieces of it, from the first byte to the last. It survives a copy
 * and a touch, which a time of modification does not, and takes a millisecond however large the file is.
 * @param how what else decides which records are read, such as the name of the id's field
 * @throws VBO_ERR_FILE_NOT_FOUND, VBO_ERR_FILE_EMPTY
 */
export async function fingerprintFile(path: string, how = ''): Promise<string> {
  const window = await FileWindow.open(path, SAMPLE_BYTES, { raw: true });
  try {
    const { totalBytes } = window;
    const hash = createHash('sha256').update(how);
    const last = Math.max(0, totalBytes - SAMPLE_BYTES);
    for (let sample = 0; sample < SAMPLES; sample++) {
      window.seek(Math.floor((last * sample) / (SAMPLES - 1)));
      hash.update(window.bytes.subarray(0, await window.refill(1)));
    }
    return `${totalBytes}-${hash.digest('hex').slice(0, 32)}`;
  } finally {
    await window.close();
  }
}
