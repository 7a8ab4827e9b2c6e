import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkOneOf } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { CONTENDERS } from '../model/contenders.js';
import {
  type EvaluatedCase,
  evaluate,
  type Score,
  type ScoredPair,
  scoreOf,
  scorePair,
} from '../model/evaluation.js';
import { checkRecord } from '../model/records.js';
import { type Command, EXIT, numberOption } from './command.js';

/** A row of the table: a contender and its score. */
type Row = { readonly policy: string; readonly label: string; readonly probes: number } & Score;

const command: Command = {
  summary: 'says how good recommendations are on records that they have not seen',
  usage: 'evaluate --train FILES... --test FILES... [--probes K] [--draws N] [--seed S] [--policy NAME]',
  positionals: 0,
  options: [
    { name: 'train', value: 'FILES', many: true, text: 'execution records (NDJSON) to learn from' },
    {
      name: 'test',
      value: 'FILES',
      many: true,
      text: 'records to be judged by; a pair’s own are never learnt from',
    },
    {
      name: 'probes',
      value: 'K',
      text: 'records of the pair that are handed out first, of cells asked for (default 0)',
    },
    { name: 'draws', value: 'N', text: 'how often each pair is tried (default 20)' },
    { name: 'seed', value: 'S', text: 'of the records drawn and of the recommender (default 1)' },
    { name: 'policy', value: 'NAME', text: `${Object.keys(CONTENDERS).join(', ')} (default learned)` },
  ],
  async run(invocation) {
    const policy = checkOneOf(invocation.text('policy') ?? 'learned', '--policy', Object.keys(CONTENDERS));
    const probes = numberOption(invocation, 'probes', 0);
    const draws = numberOption(invocation, 'draws', 20);
    const seed = numberOption(invocation, 'seed', 1);
    const training = await readPairs(invocation.list('train'));
    const tested = await readPairs(invocation.list('test'));
    if (tested.length === 0) {
      throw new VectorBatchError('VBO_ERR_USAGE', 'evaluate needs --test FILES with measured records.');
    }
    const run = (name: string): EvaluatedCase[] => {
      const contender = CONTENDERS[name]!;
      return evaluate(tested, (pair) => contender.of(unseen(training, pair), seed), {
        ...{ probes: contender.probes ?? probes, draws, seed },
      });
    };
    const cases = run(policy);
    const table: Row[] = Object.entries(CONTENDERS).map(([name, contender]) => ({
      ...{ policy: name, label: contender.label, probes: contender.probes ?? probes },
      ...scoreOf(name === policy ? cases : run(name)),
    }));
    const score = scoreOf(cases);
    invocation.answer({ policy, probes, draws, seed, ...score, table, cases }, () =>
      reportText(table, cases),
    );
    return EXIT.done;
  },
};

/** What may be learnt from when a pair is judged: nothing of its name, nor of its database and dimension. */
function unseen(training: readonly ScoredPair[], { name, records }: ScoredPair): ScoredPair[] {
  const { database_type: database, vector_dimension: dimension } = records[0]!;
  return training.filter((other) => {
    const first = other.records[0]!;
    return other.name !== name && (first.database_type !== database || first.vector_dimension !== dimension);
  });
}

/** The records of each pair, its files pooled. */
async function readPairs(paths: readonly string[]): Promise<ScoredPair[]> {
  const pooled = new Map<string, BatchExecutionRecord[]>();
  for (const path of paths) {
    const name = basename(path)
      .replace(/\.(jsonl|ndjson)$/, '')
      .replace(/-(ab|rep)$/, '');
    pooled.set(name, [...(pooled.get(name) ?? []), ...(await readRecords(path))]);
  }
  return [...pooled].flatMap(([name, records]) => scorePair(name, records) ?? []);
}

async function readRecords(path: string): Promise<BatchExecutionRecord[]> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot read ${path}`);
  });
  const lines = text.split('\n').map((line, i) => ({ line, place: `${path}:${i + 1}` }));
  return lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => {
      try {
        return checkRecord(JSON.parse(line), place);
      } catch (error) {
        throw new VectorBatchError('VBO_ERR_RECORD', (error as Error).message, { cause: error });
      }
    });
}

function reportText(table: readonly Row[], cases: readonly EvaluatedCase[]): string {
  const share = (value: number) => value.toFixed(2).padStart(6);
  const lines = [
    `${'policy'.padEnd(32)} probes  acc 5  acc 10  median  worst  failing`,
    ...table.map(
      (row) =>
        `${row.label.padEnd(32)} ${String(row.probes).padStart(6)} ${share(row.accuracy5)}  ${share(row.accuracy10)}  ${row.medianShareOfBest.toFixed(3)} ${share(row.worstShareOfBest)}  ${String(row.failing).padStart(7)}`,
    ),
    '',
    `${'pair'.padEnd(32)} median  worst  most often`,
  ];
  for (const name of new Set(cases.map((one) => one.name))) {
    const own = cases.filter((one) => one.name === name);
    const score = scoreOf(own);
    const counts = new Map<string, number>();
    for (const { recommended: r } of own) {
      const key = `${r.batchSize} x ${r.concurrency}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const [most] = [...counts].sort((a, b) => b[1] - a[1]);
    lines.push(
      `${name.padEnd(32)} ${share(score.medianShareOfBest)} ${share(score.worstShareOfBest)}  ${most![0]}`,
    );
  }
  return lines.join('\n');
}

export default command;
