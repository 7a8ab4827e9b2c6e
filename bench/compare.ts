/** `npx tsx bench/compare.ts BEFORE.json AFTER.json`: two results of the benchmark side by side. */
import { readFileSync } from 'node:fs';
import { type Case, formatTable, type Machine } from './harness.js';

interface Result {
  machine: Machine;
  cases: Case[];
}

const [beforePath, afterPath] = process.argv.slice(2);
if (!beforePath || !afterPath) {
  console.error('usage: npx tsx bench/compare.ts BEFORE.json AFTER.json');
  process.exit(2);
}
const read = (path: string): Result => JSON.parse(readFileSync(path, 'utf8'));
const before = read(beforePath);
const after = read(afterPath);
if (before.machine.cpu !== after.machine.cpu) {
  console.log(`Different machines (${before.machine.cpu}; ${after.machine.cpu}): compare the ratios only.\n`);
}

const key = (c: Case): string => [c.name, c.input, c.baseline.name].join('\n');
const earlier = new Map(before.cases.map((c) => [key(c), c]));
const later = new Set(after.cases.map(key));
const missing = Number.NaN;
console.log(
  formatTable([
    ['case', 'input', 'baseline', 'before', 'after', 'unit', 'change', 'ratio before', 'ratio after'],
    ...after.cases.map((c) => {
      const old = earlier.get(key(c));
      return [
        c.name,
        c.input,
        c.baseline.name,
        old?.median ?? missing,
        c.median,
        c.unit,
        // Relative to the baseline of the same run: that is what a busier machine does not change.
        old ? c.ratio / old.ratio : missing,
        old?.ratio ?? missing,
        c.ratio,
      ];
    }),
  ]),
);
for (const c of before.cases) if (!later.has(key(c))) console.log(`gone: ${c.name}, ${c.input}`);
