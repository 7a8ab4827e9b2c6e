/**
 * `npx tsx bench/verify-halves.ts [--patterns N] [--seed N]`: encodes random float32 bit patterns as float16 and bfloat16
 * and holds every result against the scalar references of the tests, bit for bit; then all 65,536 codes there and back.
 */
import { parseArgs } from 'node:util';
import { Random } from '../src/core/random.js';
import { decodeBfloat16, encodeBfloat16 } from '../src/kernels/bfloat16.js';
import { decodeFloat16, encodeFloat16 } from '../src/kernels/float16.js';
import { Kernels } from '../src/kernels/kernels.js';
import { allocateMatrix } from '../src/kernels/matrix.js';
import { bfloat16FromBits, bitsFromBfloat16 } from '../test/reference/bfloat16.js';
import { bitsFromFloat16, float16FromBits } from '../test/reference/float16.js';

const { values } = parseArgs({
  options: { patterns: { type: 'string', default: '10000000' }, seed: { type: 'string', default: '1' } },
});
const CHUNK = 65_536;
const kernels = Kernels.load();
const { arena } = kernels;
const floats = allocateMatrix(arena, 'float32', 1, CHUNK, 'contiguous');
const halves = allocateMatrix(arena, 'float16', 1, CHUNK, 'contiguous');
const brains = allocateMatrix(arena, 'bfloat16', 1, CHUNK, 'contiguous');
const bits = new Uint32Array(arena.memory.buffer, floats.pointer, CHUNK);
const half = new Uint16Array(arena.memory.buffer, halves.pointer, CHUNK);
const brain = new Uint16Array(arena.memory.buffer, brains.pointer, CHUNK);
const run = (calls: readonly Parameters<Kernels['call']>[0][]) => {
  for (const call of calls) kernels.call(call);
};

const random = new Random(Number(values.seed));
const wrong = { float16: 0, bfloat16: 0, 'float16 back': 0, 'bfloat16 back': 0 };
let patterns = 0;
for (; patterns < Number(values.patterns); patterns += CHUNK) {
  for (let i = 0; i < CHUNK; i++) bits[i] = random.uint32();
  run([...encodeFloat16(floats, halves), ...encodeBfloat16(floats, brains)]);
  for (let i = 0; i < CHUNK; i++) {
    if (half[i] !== float16FromBits(bits[i]!)) wrong.float16++;
    if (brain[i] !== bfloat16FromBits(bits[i]!)) wrong.bfloat16++;
  }
}
for (let i = 0; i < CHUNK; i++) half[i] = brain[i] = i;
run(decodeFloat16(halves, floats));
for (let i = 0; i < CHUNK; i++) if (bits[i] !== bitsFromFloat16(i)) wrong['float16 back']++;
run(decodeBfloat16(brains, floats));
for (let i = 0; i < CHUNK; i++) if (bits[i] !== bitsFromBfloat16(i)) wrong['bfloat16 back']++;

console.log(
  `${patterns.toLocaleString('en-US')} patterns and all ${CHUNK.toLocaleString('en-US')} codes; wrong: ${Object.entries(
    wrong,
  )
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')}`,
);
process.exitCode = Object.values(wrong).some((count) => count > 0) ? 1 : 0;
