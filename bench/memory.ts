import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchOptions, Case } from './harness.js';

const DIMENSION = 768;
const BUDGET_MB = 128;
/** What Node, the kernels and the command line may take besides the budget. */
const PROCESS_MB = 120;
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
/** Prints the peak resident set of the process it is loaded into, kB. */
const WATCH = `data:text/javascript,process.on('exit',()=>console.error('peak='+process.resourceUsage().maxRSS))`;

/** Peak resident memory of whole commands on a file of 1 GB under `--memory 128MB`, against what they may take. */
export default async function memory(options: BenchOptions): Promise<Case[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vbo-memory-'));
  try {
    const file = join(folder, 'vectors.npy');
    const rows = await writeNpy(file, options.quick ? 50e6 : 1e9);
    const budget = ['--memory', `${BUDGET_MB}MB`];
    const commands: [name: string, words: string[]][] = [
      ['vbo ingest into null://', ['ingest', file, '--to', 'null://', ...budget]],
      ['vbo compact to int8', ['compact', file, join(folder, 'out.vbo'), '--encoding', 'int8', ...budget]],
    ];
    const cases: Case[] = [];
    for (const [name, words] of commands) {
      const peakMb = await peakOf(words);
      const allowed = BUDGET_MB + PROCESS_MB;
      cases.push({
        name,
        input: `${rows} x ${DIMENSION} float32`,
        unit: 'MB',
        median: peakMb,
        baseline: { name: `budget + ${PROCESS_MB} MB`, median: allowed },
        ratio: allowed / peakMb,
      });
    }
    return cases;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function peakOf(words: string[]): Promise<number> {
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', WATCH, MAIN, ...words]);
  return (Number(/peak=(\d+)/.exec(stderr)![1]) * 1024) / 1e6;
}

/** Writes about `byteLength` bytes of vectors; returns how many rows they are. */
async function writeNpy(path: string, byteLength: number): Promise<number> {
  const rowsPerWrite = 1024;
  const chunk = Float32Array.from({ length: rowsPerWrite * DIMENSION }, (_, i) => Math.sin(i));
  const writes = Math.ceil(byteLength / chunk.byteLength);
  const rows = writes * rowsPerWrite;
  const header = Buffer.alloc(128, ' ');
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${DIMENSION}), }`, 10);
  header[127] = 0x0a;
  const file = await open(path, 'w');
  try {
    await file.writeFile(header);
    for (let i = 0; i < writes; i++) await file.writeFile(new Uint8Array(chunk.buffer));
  } finally {
    await file.close();
  }
  return rows;
}
