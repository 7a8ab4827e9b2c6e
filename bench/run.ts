/**
 * `npm run bench -- [SUITE ...] [--json FILE] [--quick]`: runs bench/SUITE.ts, all suites if none is named.
 * `ingest` also takes `--databases NAME,... --dimensions D,... --rounds N --retune`.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Bench, type BenchOptions, type Case, describeMachine, formatCases } from './harness.js';

const suites = [
  'kernels',
  'quantizers',
  'recall',
  'wire',
  'forest',
  'interleave',
  'pool',
  'memory',
  'qdrant',
  'model',
  'learning',
  'policies',
  'ingest',
  'service',
].filter((name) => existsSync(new URL(`./${name}.ts`, import.meta.url)));

function fail(message: string): never {
  console.error(message);
  console.error(`usage: npm run bench -- [${suites.join('|')} ...] [--json FILE] [--quick]`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        quick: { type: 'boolean', default: false },
        databases: { type: 'string' },
        dimensions: { type: 'string' },
        retune: { type: 'boolean', default: false },
        rounds: { type: 'string' },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

const { positionals, values } = parse();
const unknown = positionals.filter((name) => !suites.includes(name));
if (unknown.length > 0) fail(`No such benchmark: ${unknown.join(', ')}.`);
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
  fail(`--rounds is ${values.rounds}; expected a whole number from 1.`);

const machine = describeMachine();
console.log(
  Object.entries(machine)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n'),
);
const options: BenchOptions = {
  ...{ quick: values.quick, retune: values.retune },
  ...(values.databases ? { databases: values.databases.split(',') } : {}),
  ...(rounds === undefined ? {} : { rounds }),
  ...(values.dimensions ? { dimensions: values.dimensions.split(',').map(Number) } : {}),
};
const cases: Case[] = [];
for (const name of positionals.length > 0 ? positionals : suites) {
  const { default: bench } = (await import(`./${name}.ts`)) as { default: Bench };
  const measured = await bench(options);
  console.log(`\n${name}\n${formatCases(measured)}`);
  cases.push(...measured);
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, cases }, null, 2)}\n`);
