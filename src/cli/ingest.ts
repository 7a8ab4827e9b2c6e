import { VectorBatchError } from '../core/errors.js';
import { type Logger, silentLogger } from '../core/logger.js';
import { METRICS, type Metric, type Setting } from '../core/types.js';
import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import { Ledger } from '../ingest/ledger.js';
import type { PolicyName } from '../ingest/options.js';
import type { IngestReport } from '../ingest/report.js';
import { openSink, SINK_SCHEMES } from '../sinks/index.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT, exitOf, type Invocation, numberOption, requiredText } from './command.js';
import { errorLine } from './error-line.js';
import { HISTORY_OPTION, openHistory, warnings } from './history-option.js';
import { interruptible } from './interrupt.js';
import { LoadText, ProgressLine } from './progress-line.js';
import {
  COLUMN_OPTIONS,
  FILE_NOTE,
  MEMORY_OPTION,
  memoryOption,
  openFileSource,
  pathBeside,
  type SourceSummary,
  summaryOf,
  summaryText,
} from './source-options.js';

const command: Command = {
  summary:
    'loads a file or a directory of vectors into a database, adapting batch size and concurrency as it goes',
  usage:
    'ingest FILE --to URL [--metric cosine] [--memory 512MB] [--fixed BxC] [--ledger FILE] [--resume] [--dead-letters FILE]',
  positionals: 1,
  note: FILE_NOTE,
  options: [
    {
      name: 'to',
      value: 'URL',
      text: `the database: ${SINK_SCHEMES.map((scheme) => `${scheme}://`).join(', ')}`,
    },
    { name: 'metric', value: 'NAME', text: `${METRICS.join(', ')} (default cosine)` },
    MEMORY_OPTION,
    { name: 'fixed', value: 'BxC', text: 'do not adapt: B vectors per request, C in flight, e.g. 1000x2' },
    { name: 'policy', value: 'NAME', text: 'who adapts: model-guided (default), gradient, aimd or dqn' },
    {
      name: 'dead-letters',
      value: 'FILE',
      text: 'where refused records go (default FILE.dead-letters.ndjson, beside FILE)',
    },
    {
      name: 'ledger',
      value: 'FILE',
      text: 'journal of what is settled, kept after success (default FILE.ledger, beside FILE; without --resume it is removed after success)',
    },
    {
      name: 'resume',
      text: 'go on after a crash, Ctrl-C or a failure: nothing is lost, nothing stored twice',
    },
    {
      name: 'id-offset',
      value: 'N',
      text: 'id of the first record of a file without ids (default 0); must be given where the collection holds records: beyond their ids, or 0 to replace them',
    },
    ...COLUMN_OPTIONS,
    HISTORY_OPTION,
    { name: 'dry-run', text: 'read and check everything, write nothing, no dead letters either' },
  ],
  async run(invocation) {
    const [file] = invocation.positionals as [string];
    const memoryBudgetBytes = memoryOption(invocation);
    const fixed = fixedOption(invocation);
    const url = invocation.flag('dry-run') ? 'null://' : requiredText(invocation, 'to');
    const policy = invocation.text('policy');
    const idOffset =
      invocation.text('id-offset') === undefined ? undefined : numberOption(invocation, 'id-offset');
    refuseDryLedger(invocation);
    const sink = await openSink(url);
    const source = await openFileSource(file, invocation, { memoryBytes: memoryBudgetBytes });
    const line = new ProgressLine();
    const text = new LoadText();
    const logger = warnings(line);
    const isDryRun = invocation.flag('dry-run');
    const { ledger, deadLetters }: Partial<LoadFiles> = isDryRun
      ? {}
      : await filesBeside(file, invocation, logger);
    // A dry run measures nothing.
    await using history = isDryRun ? undefined : await openHistory(invocation, 'write', logger);
    await using optimizer = await VectorBatchOptimizer.create({
      ...{ threads: 0, memoryBudgetBytes, history: history ?? false, logger },
    });
    try {
      const report = await interruptible((signal) =>
        optimizer.ingest(source, sink, {
          signal,
          logger: {
            ...silentLogger,
            warn: ({ attempt = 1 }: { attempt?: number }, message) => {
              text.retry(attempt, message);
              line.draw(String(text), true);
            },
          },
          metric: (invocation.text('metric') ?? 'cosine') as Metric,
          ...(deadLetters === undefined ? {} : { deadLetters }),
          ...(ledger === undefined ? {} : { ledger: ledger.path, resume: invocation.flag('resume') }),
          ...(fixed === undefined ? {} : { fixed }),
          ...(idOffset === undefined ? {} : { idOffset }),
          ...(policy === undefined ? {} : { policy: policy as PolicyName }),
          onProgress: (progress) => {
            text.report(progress);
            line.draw(String(text));
          },
        }),
      );
      line.clear();
      if (ledger?.isTemporary) await Ledger.removeComplete(ledger.path);
      const answer = ledger?.isTemporary ? { ...report, ledger: null } : report;
      if (isDryRun) {
        const summary = summaryOf(source);
        invocation.answer({ ...answer, source: summary }, () => dryRunText(report, summary));
      } else {
        invocation.answer(answer, () => reportText(answer));
      }
      return report.rejected + report.before.rejected > 0 ? EXIT.deadLetters : EXIT.done;
    } catch (error) {
      line.clear();
      const report =
        error instanceof VectorBatchError ? (error.details.report as IngestReport | undefined) : undefined;
      if (!(error instanceof VectorBatchError) || !report) throw error;
      const { code, message } = error;
      process.stderr.write(errorLine(error, resumeHint(report)));
      // A load that did not come to read anything has nothing to report but its error.
      if (invocation.json || report.items > 0) {
        invocation.answer({ ...report, error: { code, message } }, () => reportText(report));
      }
      return exitOf(code);
    }
  },
};

/** @throws VBO_ERR_USAGE */
function refuseDryLedger(invocation: Invocation): void {
  if (!invocation.flag('dry-run')) return;
  if (!invocation.flag('resume') && invocation.text('ledger') === undefined) return;
  throw new VectorBatchError(
    'VBO_ERR_USAGE',
    '--dry-run writes nothing: --ledger and --resume do not go with it.',
  );
}

interface LoadFiles {
  readonly ledger: { readonly path: string; readonly isTemporary: boolean };
  readonly deadLetters: string;
}

/**
 * What the load writes beside its file. Without a word from the user there is a ledger too, so that Ctrl-C loses
 * nothing; after success it has done its duty. One that was asked for stays, so that the same command again, with
 * --resume, does nothing.
 */
async function filesBeside(file: string, invocation: Invocation, logger: Logger): Promise<LoadFiles> {
  const [ledger, letters] = [invocation.text('ledger'), invocation.text('dead-letters')];
  const beside =
    ledger === undefined || letters === undefined
      ? await pathBeside(file, (message) => logger.warn({}, message))
      : file;
  const isTemporary = ledger === undefined && !invocation.flag('resume');
  return {
    ledger: { path: ledger ?? `${beside}.ledger`, isTemporary },
    deadLetters: letters ?? `${beside}.dead-letters.ndjson`,
  };
}

/** What to do after a load that was cut short, where its ledger can help. */
function resumeHint({ ledger, resumedFrom, acknowledged, rejected }: IngestReport): string {
  const settled = resumedFrom + acknowledged + rejected;
  if (ledger === null || settled === 0) return '';
  return ` ${formatCount(settled)} records are settled in ${ledger}; --resume goes on from there.`;
}

function fixedOption(invocation: Invocation): Setting | undefined {
  const text = invocation.text('fixed');
  if (text === undefined) return undefined;
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (!match) {
    throw new VectorBatchError(
      'VBO_ERR_USAGE',
      `--fixed is ${JSON.stringify(text)}; expected BATCHxCONCURRENCY, for instance 1000x2.`,
    );
  }
  return { batchSize: Number(match[1]), concurrency: Number(match[2]) };
}

/** What the load would do: what was read and checked, and what would be refused. */
const dryRunText = (report: IngestReport, summary: SourceSummary): string =>
  [
    `${formatCount(report.acknowledged)} of ${formatCount(report.items)} records would be loaded: ${summaryText(summary)}`,
    `  read          in ${formatDuration(report.seconds * 1000)}, peak memory ${formatBytes(report.peakRssBytes)}`,
    ...(report.rejected > 0 ? [`  refused       ${refusalsText(report)}`] : []),
    ...report.firstRejected.map(({ position, message }) => `    record ${position}: ${message}`),
    ...warningLines(report),
  ].join('\n');

/** How many were refused, and why. */
function refusalsText({ rejected, rejectedByCode, deadLetters }: IngestReport): string {
  const where = deadLetters === null ? '' : ` in ${deadLetters}`;
  const reasons = Object.entries(rejectedByCode).map(([code, count]) => `${formatCount(count)} ${code}`);
  return `${formatCount(rejected)}${where}: ${reasons.join(', ')}`;
}

const warningLines = ({ warnings }: IngestReport): string[] =>
  warnings.map((warning) => `  warning       ${warning}`);

function reportText(report: IngestReport): string {
  const { latencyMs, best } = report;
  const lines = [
    `${formatCount(report.acknowledged)} of ${formatCount(report.items)} vectors in ${formatDuration(report.seconds * 1000)}: ${formatCount(report.vectorsPerSecond)} vectors/s into ${report.sink}`,
    `  best setting  ${best.batchSize} vectors per request, ${best.concurrency} in flight`,
    `  latency       p50 ${formatDuration(latencyMs.p50)}, p95 ${formatDuration(latencyMs.p95)}, p99 ${formatDuration(latencyMs.p99)}`,
    `  sent          ${formatBytes(report.bytesSent)}, ${report.retries} retries, peak memory ${formatBytes(report.peakRssBytes)}`,
    `  count         ${report.reconciled === null ? 'the sink cannot tell' : report.reconciled ? 'agrees with the sink' : 'DIFFERS from the sink'}`,
  ];
  if (report.resumedFrom > 0) {
    lines.push(`  resumed       after ${formatCount(report.resumedFrom)} records settled before`);
  }
  if (report.rejected > 0) lines.push(`  dead letters  ${refusalsText(report)}`);
  return [...lines, ...warningLines(report)].join('\n');
}

export default command;
