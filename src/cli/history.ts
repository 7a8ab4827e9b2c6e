import { VectorBatchError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import type { History } from '../history/history.js';
import type { ImportReport } from '../history/record-files.js';
import type { Aggregate } from '../model/aggregate.js';
import { type Command, EXIT, type Invocation, numberOption } from './command.js';
import { HISTORY_OPTION, openHistory, warnings } from './history-option.js';

const command: Command = {
  summary: 'what was recorded of loads and tunings: statistics, import, export',
  usage: 'history [stats | import FILE... | export FILE] [--database NAME] [--dim D] [--history FILE]',
  positionals: { min: 0 },
  note: 'FILE holds execution records, one a line (.ndjson, .jsonl) or in Parquet (.parquet).',
  options: [
    { name: 'database', value: 'NAME', text: 'only this one’s records' },
    { name: 'dim', value: 'D', text: 'only records of this dimension' },
    HISTORY_OPTION,
  ],
  async run(invocation) {
    const [action = 'stats', ...files] = invocation.positionals;
    const work = ACTIONS[action];
    if (!work) throw wrongUsage(`Unknown action ${JSON.stringify(action)}`);
    if (action === 'stats' ? files.length > 0 : files.length === 0) {
      throw wrongUsage(
        action === 'stats' ? 'vbo history stats takes no files' : `vbo history ${action} needs a file`,
      );
    }
    await using history = await openHistory(invocation, action === 'import' ? 'write' : 'read', warnings());
    if (!history)
      throw new VectorBatchError(
        'VBO_ERR_FILE_NOT_FOUND',
        'There is no history yet: loads, tunings and vbo train begin one.',
      );
    await work(history, invocation, files);
    return EXIT.done;
  },
};

const wrongUsage = (what: string): VectorBatchError =>
  new VectorBatchError('VBO_ERR_USAGE', `${what}. Usage: vbo ${command.usage}`);

type Action = (history: History, invocation: Invocation, files: readonly string[]) => Promise<void>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async stats(history, invocation) {
    const settings = await history.aggregates(filterOf(invocation));
    const records = await history.count(filterOf(invocation));
    invocation.answer({ history: history.path, records, settings }, () =>
      [
        `${formatCount(records)} records of ${formatCount(settings.length)} settings in ${history.path}`,
        ...settings
          .toSorted(
            (a, b) =>
              a.database.localeCompare(b.database) ||
              a.dimension - b.dimension ||
              b.vectorsPerSecond - a.vectorsPerSecond,
          )
          .map(settingText),
      ].join('\n'),
    );
  },
  async import(history, invocation, files) {
    const reports: ImportReport[] = [];
    for (const file of files) reports.push(await history.importFile(file));
    invocation.answer({ history: history.path, files: reports }, () =>
      reports
        .map(
          ({ path, read, added, refusedCount }) =>
            `${path}: ${formatCount(read)} records, ${formatCount(added)} new, ${formatCount(refusedCount)} refused`,
        )
        .join('\n'),
    );
  },
  async export(history, invocation, files) {
    if (files.length > 1) throw wrongUsage(`vbo history export takes one file, ${files.length} given`);
    const report = await history.exportFile(files[0]!, filterOf(invocation));
    invocation.answer(
      { history: history.path, ...report },
      () => `${formatCount(report.records)} records in ${report.path}`,
    );
  },
};

function settingText(setting: Aggregate): string {
  const { database, dimension, batchSize, concurrency, count, vectorsPerSecond, spread, failures } = setting;
  const columns = [
    database.padEnd(12),
    String(dimension).padStart(5),
    `${batchSize} x ${concurrency}`.padStart(12),
    ...(count > 0 ? [`${formatCount(vectorsPerSecond).padStart(10)} vectors/s`] : []),
    ...(count > 1 ? [`+-${(100 * spread).toFixed(0)} % over ${count} records`] : []),
    ...(setting.unmeasured > 0 ? [`${setting.unmeasured} measured nothing`] : []),
    ...(failures.count > 0 ? [`${failures.count} failed: ${failures.lastError}`] : []),
    // Size classes are powers of four.
    ...(setting.sizeClass >= 0 ? [`in a collection of about ${formatCount(4 ** setting.sizeClass)}`] : []),
  ];
  return `  ${columns.join('  ')}`;
}

function filterOf(invocation: Invocation): { databaseType?: string; vectorDimension?: number } {
  const database = invocation.text('database');
  const dimension = invocation.text('dim');
  return {
    ...(database === undefined ? {} : { databaseType: database }),
    ...(dimension === undefined ? {} : { vectorDimension: numberOption(invocation, 'dim') }),
  };
}

export default command;
