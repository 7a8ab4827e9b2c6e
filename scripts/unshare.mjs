/**
 * Writes build/kernels-unshared.wasm: the kernels for a page without cross-origin isolation, where no memory can be
 * shared. A module says in one bit whether the memory it imports is shared, and nothing else in ours depends on it
 * (no atomic instruction), so the bit is cleared instead of compiling a second time.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const IMPORT_SECTION = 2;
const MEMORY = 2;
const SHARED = 2;

const bytes = readFileSync('build/kernels.wasm');
let at = 8; // behind magic and version

/** An unsigned LEB128 number. */
function number() {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
}

while (bytes[at] !== IMPORT_SECTION) {
  at++;
  const byteLength = number();
  at += byteLength;
}
at++;
number();
if (number() !== 1) throw new Error('The module imports more than its memory.');
for (const _ of ['module', 'field']) {
  const byteLength = number();
  at += byteLength;
}
if (bytes[at++] !== MEMORY || (bytes[at] & SHARED) === 0)
  throw new Error('The import is not a shared memory.');
bytes[at] &= ~SHARED;
writeFileSync('build/kernels-unshared.wasm', bytes);
