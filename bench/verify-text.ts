/**
 * `npx tsx bench/verify-text.ts [--patterns N] [--all]`: writes random float32 bit patterns, or all finite ones
 * without a sign, as text and checks that each reads back to the same bits and, for one in 64, that JavaScript's own
 * digits give nothing shorter. All of them take a quarter of an hour.
 */
import { parseArgs } from 'node:util';
import { Random } from '../src/core/random.js';
import { formatCount } from '../src/core/units.js';
import { Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix } from '../src/kernels/matrix.js';
import { callTask } from '../src/kernels/task.js';
import { textFloat32, textTargetBytes } from '../src/kernels/text.js';
import { shortLength } from '../test/reference/shortest.js';

const { values } = parseArgs({
  options: { patterns: { type: 'string', default: '20000000' }, all: { type: 'boolean', default: false } },
});
const INFINITY_BITS = 0x7f800000;
const SIGN = 2 ** 31;
const CHUNK = 1 << 16;
const LENGTH_EVERY = 64;

const total = values.all ? INFINITY_BITS : Number(values.patterns);
const random = new Random(1);
const pattern = values.all
  ? (index: number) => index
  : () => random.integer(INFINITY_BITS) + SIGN * random.integer(2);

const kernels = Kernels.shared();
const { arena } = kernels;
const source = allocateMatrix(arena, 'float32', 1, CHUNK, 'contiguous');
const target = arena.allocate(textTargetBytes(1, CHUNK, 1));
const patterns = new Uint32Array(CHUNK);
const floats = new Float32Array(patterns.buffer);
const read = new Float32Array(1);
const readBits = new Uint32Array(read.buffer);

let misread = 0;
let tooLong = 0;
let bytes = 0;
const report = (kind: string, bits: number, text: string) =>
  console.error(`${kind}: 0x${bits.toString(16).padStart(8, '0')} -> ${text}`);

for (let first = 0; first < total; first += CHUNK) {
  const count = Math.min(CHUNK, total - first);
  for (let k = 0; k < count; k++) patterns[k] = pattern(first + k);
  arena.bytes(source.pointer, 4 * count).set(new Uint8Array(patterns.buffer, 0, 4 * count));
  const written = callTask(kernels, textFloat32(arena, { ...source, dimension: count }, target));
  if ('nonFinite' in written) throw new Error('every pattern is finite');
  const text = Buffer.from(written.pieces[0]!.bytes).toString('latin1', 1);
  bytes += text.length;
  let at = 0;
  for (let k = 0; k < count; k++) {
    const end = k + 1 < count ? text.indexOf(',', at) : text.length - 1;
    const element = text.slice(at, end);
    at = end + 1;
    read[0] = Number(element);
    if (readBits[0] !== patterns[k] && misread++ < 10) report('misread', patterns[k]!, element);
    if (k % LENGTH_EVERY === 0 && element.length > shortLength(floats[k]!) && tooLong++ < 10) {
      report('too long', patterns[k]!, element);
    }
  }
  if ((first / CHUNK) % 1000 === 999) console.log(`${formatCount(first + count)} of ${formatCount(total)}`);
}
console.log(
  `${formatCount(total)} patterns, ${(bytes / total).toFixed(2)} bytes each: ${misread} misread, ${tooLong} too long.`,
);
process.exitCode = misread + tooLong === 0 ? 0 : 1;
