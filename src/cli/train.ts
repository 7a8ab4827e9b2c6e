import { VectorBatchError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import { History, MEMORY } from '../history/history.js';
import type { ImportReport } from '../history/record-files.js';
import type { TrainingReport } from '../model/performance.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT } from './command.js';
import { HISTORY_OPTION, openHistory, warnings } from './history-option.js';
import { interruptible } from './interrupt.js';
import { ProgressLine } from './progress-line.js';

/** Reasons that are printed per file; --json has the first thousand. */
const MOST_PRINTED = 10;

const command: Command = {
  summary: 'adds execution records to the history and fits the model to all it holds',
  usage: 'train RECORDS... [--history FILE]',
  note: 'RECORDS are files of execution records, one a line (.ndjson, .jsonl) or in Parquet (.parquet); see also vbo history.',
  positionals: { min: 1 },
  options: [HISTORY_OPTION],
  async run(invocation) {
    const line = new ProgressLine();
    const logger = warnings(line);
    // Without a history the records are fitted all the same, to see how well they can be.
    const own = await openHistory(invocation, 'write', logger);
    await using history = own ?? (await History.open(MEMORY));
    await using optimizer = await VectorBatchOptimizer.create({ threads: 0, history, logger });
    try {
      return await interruptible(async (signal) => {
        const files: ImportReport[] = [];
        for (const path of invocation.positionals) {
          const onProgress = (records: number) => line.draw(`${path}: ${formatCount(records)} records`);
          files.push(await history.importFile(path, { signal, onProgress }));
        }
        const report = await optimizer.learn({
          signal,
          onProgress: ({ stage, records }) => line.draw(`${stage} ${formatCount(records)} records`),
        });
        line.clear();
        const { databases, limits } = report;
        const answer = {
          ...{ history: own?.path ?? null, records: await history.count(), used: report.used },
          ...{ files, databases, limits },
        };
        invocation.answer(answer, () => [...files.map(fileText), fitText(report)].join('\n'));
        return files.every(({ read, refusedCount }) => read > 0 && read === refusedCount)
          ? EXIT.failed
          : EXIT.done;
      });
    } catch (error) {
      line.clear();
      if (!(error instanceof VectorBatchError) || error.code !== 'VBO_ERR_ABORTED') throw error;
      process.stderr.write(`vbo: ${error.code}: ${error.message} What was added stays.\n`);
      return EXIT.interrupted;
    }
  },
};

function fileText({
  path,
  read,
  added,
  known,
  refusedCount,
  refused,
  skippedCount,
  skipped,
}: ImportReport): string {
  const place = (entries: ImportReport['refused'], count: number, what: string) => [
    ...entries.slice(0, MOST_PRINTED).map(({ position, reason }) => `  ${what} ${position}: ${reason}`),
    ...(count > MOST_PRINTED ? [`  ... and ${formatCount(count - MOST_PRINTED)} more ${what}`] : []),
  ];
  return [
    `${path}: ${formatCount(read)} records, ${formatCount(added)} new, ${formatCount(known)} known, ${formatCount(skippedCount)} without a rate, ${formatCount(refusedCount)} refused`,
    ...place(refused, refusedCount, 'refused'),
    ...place(skipped, skippedCount, 'no rate'),
  ].join('\n');
}

function fitText({ databases, limits }: TrainingReport): string {
  const fits = databases.map(
    (fit) =>
      `  ${fit.database.padEnd(12)} ${String(fit.dimension).padStart(5)} dimensions  ${formatCount(fit.records).padStart(9)} records of ${String(fit.settings).padStart(4)} settings  off by ${(100 * fit.medianAbsoluteRelativeError).toFixed(1)} % in the median`,
  );
  const bounds = limits.map(({ database, maxRows, maxRequestBytes }) => {
    const parts = [
      ...(maxRows === undefined ? [] : [`${formatCount(maxRows)} rows`]),
      ...(maxRequestBytes === undefined ? [] : [`${formatCount(maxRequestBytes)} bytes`]),
    ];
    return `  ${database.padEnd(12)} takes at most ${parts.join(' and ')} in a request`;
  });
  return [fits.length > 0 ? 'Fitted:' : 'Nothing to fit.', ...fits, ...bounds].join('\n');
}

export default command;
