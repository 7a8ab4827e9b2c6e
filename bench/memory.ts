import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchOptions, Case } from './harness.js';
import { writeArrow, writeParquet } from './tables.js';

const DIMENSION = 768;
const BUDGET_MB = 128;
/** For tables, whose row groups and record batches are larger than that. */
const TABLE_BUDGET_MB = 64;
/** What Node, the kernels and the command line may take besides the budget. */
const PROCESS_MB = 120;
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
/** Prints the peak resident set of the process it is loaded into, kB. */
const WATCH = `data:text/javascript,process.on('exit',()=>console.error('peak='+process.resourceUsage().maxRSS))`;

/**
 * Peak resident memory of whole commands, against what they may take: on a file of 1 GB under `--memory 128MB`, and on
 * tables of 300 MB, in row groups and record batches of 100 MB, under `--memory 64MB`.
 */
export default async function memory(options: BenchOptions): Promise<Case[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vbo-memory-'));
  try {
    const file = join(folder, 'vectors.npy');
    const rows = await writeNpy(file, options.quick ? 50e6 : 1e9);
    const input = `${rows} x ${DIMENSION} float32`;
    const into = ['--to', 'null://'];
    const cases = [
      await peakCase('vbo ingest into null://', input, BUDGET_MB, ['ingest', file, ...into]),
      await peakCase('vbo compact to int8', input, BUDGET_MB, [
        'compact',
        file,
        join(folder, 'out.vbo'),
        ...['--encoding', 'int8'],
      ]),
    ];
    await rm(file);
    const shape = {
      rows: options.quick ? 8192 : 98_304,
      dimension: DIMENSION,
      groupRows: options.quick ? 4096 : 32_768,
    };
    for (const [format, write] of Object.entries({ parquet: writeParquet, arrows: writeArrow })) {
      const table = join(folder, `table.${format}`);
      await write(table, shape);
      const name = `vbo ingest of .${format} into null://`;
      const size = `${shape.rows} x ${DIMENSION} in groups of ${shape.groupRows}`;
      cases.push(await peakCase(name, size, TABLE_BUDGET_MB, ['ingest', table, ...into]));
      await rm(table);
    }
    return cases;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function peakCase(name: string, input: string, budgetMb: number, words: string[]): Promise<Case> {
  const peakMb = await peakOf([...words, '--memory', `${budgetMb}MB`]);
  const allowed = budgetMb + PROCESS_MB;
  return {
    ...{ name, input, unit: 'MB', median: peakMb },
    baseline: { name: `budget + ${PROCESS_MB} MB`, median: allowed },
    ratio: allowed / peakMb,
  };
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
