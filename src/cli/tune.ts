import { createWriteStream, existsSync } from 'node:fs';
import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { METRICS, type Metric } from '../core/types.js';
import { formatCount, formatDuration, parseDuration } from '../core/units.js';
import type { TuneProgress, TuneReport } from '../ingest/tune-report.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT, numberOption, requiredText } from './command.js';
import { errorLine } from './error-line.js';
import { HISTORY_OPTION, openHistory, warnings } from './history-option.js';
import { interruptible } from './interrupt.js';
import { ProgressLine } from './progress-line.js';
import { COLUMN_OPTIONS, FILE_NOTE, openFileSource } from './source-options.js';
import { surfaceText } from './surface.js';
import { surfaceSvg } from './surface-svg.js';

/** For reading some vectors of a file. */
const SPECIMEN_BYTES = 512e6;

const command: Command = {
  summary: 'measures a database and finds its best batch size and concurrency',
  usage: 'tune --to URL (--dim D | --source FILE) [--budget 30s] [--exhaustive] [--env OUT.env]',
  positionals: 0,
  note: FILE_NOTE,
  options: [
    { name: 'to', value: 'URL', text: 'the database; trials run in scratch collections that are removed' },
    { name: 'dim', value: 'D', text: 'components of a vector (default: those of --source)' },
    { name: 'source', value: 'FILE', text: 'whose vectors to write (default: synthetic ones, in clusters)' },
    ...COLUMN_OPTIONS.filter(({ name }) => name !== 'id-column'),
    { name: 'metric', value: 'NAME', text: `${METRICS.join(', ')} (default cosine)` },
    {
      name: 'budget',
      value: 'TIME',
      text: 'about how long it may take, e.g. 30s or 5m (default 30s; exhaustive 144s)',
    },
    { name: 'exhaustive', text: 'measure every setting of the grid instead of a tenth of them' },
    { name: 'records', value: 'FILE', text: 'write every trial as an execution record (NDJSON)' },
    { name: 'env', value: 'FILE', text: 'write VBO_BATCH_SIZE and VBO_CONCURRENCY' },
    HISTORY_OPTION,
    { name: 'plot', value: 'FILE', text: 'write the surface as SVG' },
  ],
  async run(invocation) {
    const url = requiredText(invocation, 'to');
    const budget = invocation.text('budget');
    const budgetMs = budget === undefined ? undefined : parseDuration(budget, '--budget');
    const file = invocation.text('source');
    const source =
      file === undefined
        ? undefined
        : await openFileSource(file, invocation, { memoryBytes: SPECIMEN_BYTES });
    const dimension = numberOption(invocation, 'dim', source?.dimension);
    const [env, plot] = [invocation.text('env'), invocation.text('plot')];
    await checkWritable(env);
    await checkWritable(plot);
    const records = await recordsFile(invocation.text('records'));
    const line = new ProgressLine();
    const logger = warnings(line);
    await using history = await openHistory(invocation, 'write', logger);
    await using optimizer = await VectorBatchOptimizer.create({
      ...{ threads: 0, history: history ?? false, logger },
    });
    try {
      const report = await interruptible((signal) =>
        optimizer.tune(url, {
          ...{ dimension, signal, exhaustive: invocation.flag('exhaustive') },
          metric: (invocation.text('metric') ?? 'cosine') as Metric,
          ...(source ? { source } : {}),
          ...(budgetMs === undefined ? {} : { budgetMs }),
          ...(records ? { onRecord: records.write } : {}),
          onProgress: (progress) => line.draw(progressText(progress)),
        }),
      );
      line.clear();
      const failure = await firstFailure([
        records?.close(),
        write(env, () => envText(report)),
        write(plot, () => surfaceSvg(report)),
      ]);
      // What was measured is shown whatever became of the files.
      const { code, message } = failure ?? {};
      invocation.answer(failure ? { ...report, error: { code, message } } : report, () => reportText(report));
      if (!failure) return EXIT.done;
      process.stderr.write(errorLine(failure));
      return EXIT.failed;
    } catch (error) {
      line.clear();
      if (!(error instanceof VectorBatchError && error.code === 'VBO_ERR_ABORTED')) throw error;
      process.stderr.write(errorLine(error));
      if (invocation.json) invocation.answer({ error }, () => '');
      return EXIT.interrupted;
    } finally {
      await records?.close().catch(() => {});
      await source?.close?.();
    }
  },
};

interface RecordsFile {
  readonly write: (record: BatchExecutionRecord) => void;
  readonly close: () => Promise<void>;
}

/**
 * Trials as they happen, with the time of day: an interrupted tuning leaves those it made.
 * @throws VBO_ERR_FILE_NOT_FOUND if the file cannot be opened; `close` if one could not be written
 */
async function recordsFile(path: string | undefined): Promise<RecordsFile | undefined> {
  if (path === undefined) return undefined;
  const stream = createWriteStream(path);
  const done = finished(stream).catch((error) => {
    throw unwritable(path, error);
  });
  // Looked at in close(); until then a failure is nobody's.
  done.catch(() => {});
  await Promise.race([new Promise((resolve) => stream.once('open', resolve)), done]);
  return {
    write: (record) => void stream.write(`${JSON.stringify({ ...record, ts: Date.now() })}\n`),
    close: () => {
      stream.end();
      return done;
    },
  };
}

/**
 * Finds out before anything is measured, which would be in vain.
 * @throws VBO_ERR_FILE_NOT_FOUND
 */
async function checkWritable(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  try {
    await access(existsSync(path) ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function write(path: string | undefined, text: () => string): Promise<void> {
  if (path === undefined) return;
  await writeFile(path, text()).catch((error) => {
    throw unwritable(path, error);
  });
}

/** Waits for all. */
async function firstFailure(
  work: readonly (Promise<void> | undefined)[],
): Promise<VectorBatchError | undefined> {
  const results = await Promise.allSettled(work);
  return results.find((result) => result.status === 'rejected')?.reason;
}

const unwritable = (path: string, error: unknown): VectorBatchError =>
  toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot write ${path}`);

const progressText = ({ done, total, setting, etaMs }: TuneProgress): string =>
  `trial ${done + 1} of ${total}  ${setting.batchSize} x ${setting.concurrency}  ETA ${formatDuration(etaMs)}`;

const envText = ({ best }: TuneReport): string =>
  `VBO_BATCH_SIZE=${best.batchSize}\nVBO_CONCURRENCY=${best.concurrency}\n`;

function reportText(report: TuneReport): string {
  const { best, asGood, cells, grid, seconds } = report;
  const others = asGood.filter((s) => s.batchSize !== best.batchSize || s.concurrency !== best.concurrency);
  const size = grid.batchSizes.length * grid.concurrencies.length;
  const lines = [
    report.verdict,
    '',
    surfaceText(report),
    '',
    `  measured      ${cells.length} of ${size} settings in ${formatDuration(seconds * 1000)}: * recommended, ~ predicted, x refused`,
    `  baseline      ${formatCount(report.baseline.vectorsPerSecond)} vectors/s with ${report.baseline.batchSize} x ${report.baseline.concurrency}`,
  ];
  if (others.length > 0) {
    const list = others.map(({ batchSize, concurrency }) => `${batchSize} x ${concurrency}`).join(', ');
    lines.push(`  as good       ${list}; the smallest is recommended`);
  }
  return lines.join('\n');
}

export default command;
