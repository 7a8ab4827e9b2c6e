import { basename } from 'node:path';
import { VectorBatchError } from '../core/errors.js';
import { METRICS, type Metric, type Setting } from '../core/types.js';
import { formatBytes, formatCount, formatDuration, parseBytes } from '../core/units.js';
import type { PolicyName } from '../ingest/options.js';
import type { IngestReport } from '../ingest/report.js';
import { openSink } from '../sinks/index.js';
import { openSource } from '../sources/index.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT, type Invocation, requiredText } from './command.js';
import { interruptible } from './interrupt.js';
import { ProgressLine, progressText } from './progress-line.js';

const DEFAULT_MEMORY = '512MB';

const command: Command = {
  summary: 'loads a file of vectors into a database, adapting batch size and concurrency',
  usage: 'ingest FILE --to URL [--metric cosine] [--memory 512MB] [--fixed BxC] [--dead-letters FILE]',
  positionals: 1,
  options: [
    { name: 'to', value: 'URL', text: 'lancedb://DIR?table=T, null://, sim://SCENARIO.json' },
    { name: 'metric', value: 'NAME', text: `${METRICS.join(', ')} (default cosine)` },
    {
      name: 'memory',
      value: 'BYTES',
      text: `most bytes of vectors to hold at once (default ${DEFAULT_MEMORY})`,
    },
    { name: 'fixed', value: 'BxC', text: 'do not adapt: B vectors per request, C in flight, e.g. 1000x2' },
    { name: 'policy', value: 'NAME', text: 'who adapts (default model-guided)' },
    {
      name: 'dead-letters',
      value: 'FILE',
      text: 'where refused records go (default FILE.dead-letters.ndjson)',
    },
    { name: 'id-column', value: 'NAME', text: 'field of the id in NDJSON (default id)' },
    { name: 'vector-column', value: 'NAME', text: 'field of the vector in NDJSON (default vector)' },
    { name: 'dry-run', text: 'read and check everything, write nothing' },
  ],
  async run(invocation) {
    const [file] = invocation.positionals as [string];
    const memoryBudgetBytes = parseBytes(invocation.text('memory') ?? DEFAULT_MEMORY, '--memory');
    const fixed = fixedOption(invocation);
    const url = invocation.flag('dry-run') ? 'null://' : requiredText(invocation, 'to');
    const idColumn = invocation.text('id-column');
    const vectorColumn = invocation.text('vector-column');
    const policy = invocation.text('policy');
    const sink = await openSink(url);
    const source = await openSource(file, {
      ...(idColumn === undefined ? {} : { idColumn }),
      ...(vectorColumn === undefined ? {} : { vectorColumn }),
    });
    const line = new ProgressLine();
    await using optimizer = await VectorBatchOptimizer.create({ threads: 0, memoryBudgetBytes });
    try {
      const report = await interruptible((signal) =>
        optimizer.ingest(source, sink, {
          signal,
          metric: (invocation.text('metric') ?? 'cosine') as Metric,
          deadLetters: invocation.text('dead-letters') ?? `${basename(file)}.dead-letters.ndjson`,
          ...(fixed === undefined ? {} : { fixed }),
          ...(policy === undefined ? {} : { policy: policy as PolicyName }),
          onProgress: (progress) => line.draw(progressText(progress)),
        }),
      );
      line.clear();
      invocation.answer(report, () => reportText(report));
      return report.rejected > 0 ? EXIT.deadLetters : EXIT.done;
    } catch (error) {
      line.clear();
      const report =
        error instanceof VectorBatchError ? (error.details.report as IngestReport | undefined) : undefined;
      if (!(error instanceof VectorBatchError) || !report) throw error;
      process.stderr.write(`vbo: ${error.code}: ${error.message}\n`);
      const { code, message } = error;
      invocation.answer({ ...report, error: { code, message } }, () => reportText(report));
      return code === 'VBO_ERR_ABORTED' ? EXIT.interrupted : EXIT.failed;
    }
  },
};

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

function reportText(report: IngestReport): string {
  const { latencyMs, best } = report;
  const lines = [
    `${formatCount(report.acknowledged)} of ${formatCount(report.items)} vectors in ${formatDuration(report.seconds * 1000)}: ${formatCount(report.vectorsPerSecond)} vectors/s into ${report.sink}`,
    `  best setting  ${best.batchSize} vectors per request, ${best.concurrency} in flight`,
    `  latency       p50 ${formatDuration(latencyMs.p50)}, p95 ${formatDuration(latencyMs.p95)}, p99 ${formatDuration(latencyMs.p99)}`,
    `  sent          ${formatBytes(report.bytesSent)}, ${report.retries} retries, peak memory ${formatBytes(report.peakRssBytes)}`,
    `  count         ${report.reconciled === null ? 'the sink cannot tell' : report.reconciled ? 'agrees with the sink' : 'DIFFERS from the sink'}`,
  ];
  if (report.rejected > 0) {
    const reasons = Object.entries(report.rejectedByCode).map(
      ([code, count]) => `${formatCount(count)} ${code}`,
    );
    lines.push(
      `  dead letters  ${formatCount(report.rejected)} in ${report.deadLetters}: ${reasons.join(', ')}`,
    );
  }
  for (const warning of report.warnings) lines.push(`  warning       ${warning}`);
  return lines.join('\n');
}

export default command;
