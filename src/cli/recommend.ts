import { availableParallelism, totalmem } from 'node:os';
import { OBJECTIVES } from '../core/types.js';
import { formatBytes, formatCount, parseBytes } from '../core/units.js';
import { toWire } from '../core/wire.js';
import { PROFILES } from '../model/profiles.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT, numberOption, requiredText } from './command.js';
import { HISTORY_OPTION, openHistory, warnings } from './history-option.js';

/** Where the user does not say: a local NVMe disk or a 10 Gbit/s network, MB/s. */
const DEFAULT_IO_MBPS = 1000;

/** This machine's memory, or what its container may use, MB. */
function machineMemoryMb(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = totalmem();
  return Math.floor((constrained > 0 ? Math.min(constrained, total) : total) / 1e6);
}

/** MB of `8192`, or of a size with its unit. */
function memoryMb(text: string | undefined): number {
  if (text === undefined) return machineMemoryMb();
  const megabytes = Number(text);
  return text.trim() === '' || Number.isNaN(megabytes) ? parseBytes(text, '--memory') / 1e6 : megabytes;
}

const command: Command = {
  summary: 'one recommendation for a load, and why',
  usage:
    'recommend --items N --dim D --database NAME [--memory MB] [--cores N] [--io MBPS] [--objective NAME]',
  positionals: 0,
  options: [
    { name: 'items', value: 'N', text: 'vectors to load' },
    { name: 'dim', value: 'D', text: 'dimension of a vector' },
    { name: 'database', value: 'NAME', text: PROFILES.map((profile) => profile.name).join(', ') },
    {
      name: 'memory',
      value: 'MB',
      text: 'available memory: MB, or with a unit such as 8GB (default: this machine’s)',
    },
    { name: 'cores', value: 'N', text: 'processor cores (default: this machine’s)' },
    { name: 'io', value: 'MBPS', text: `bandwidth to the database, MB/s (default ${DEFAULT_IO_MBPS})` },
    HISTORY_OPTION,
    { name: 'objective', value: 'NAME', text: `${OBJECTIVES.join(', ')} (default performance)` },
  ],
  async run(invocation) {
    const database = requiredText(invocation, 'database');
    const objective = invocation.text('objective');
    const logger = warnings();
    await using history = await openHistory(invocation, 'read', logger);
    await using optimizer = await VectorBatchOptimizer.create({
      ...{ threads: 0, history: history ?? false, logger },
    });
    const answer = await optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: numberOption(invocation, 'items'),
      vectorDimension: numberOption(invocation, 'dim'),
      databaseType: database,
      systemResources: {
        availableMemoryMb: memoryMb(invocation.text('memory')),
        cpuCores: numberOption(invocation, 'cores', availableParallelism()),
        ioBandwidthMbps: numberOption(invocation, 'io', DEFAULT_IO_MBPS),
      },
      ...(objective === undefined ? {} : { objective: objective as (typeof OBJECTIVES)[number] }),
    });
    invocation.answer(toWire(answer), () => {
      const { predicted, interval } = answer;
      return [
        `${answer.recommendedBatchSize} vectors per request, ${answer.recommendedConcurrency} in flight`,
        '',
        `  rate        ${formatCount(predicted.throughputVps)} vectors/s (${formatCount(interval.low)} to ${formatCount(interval.high)})`,
        `  latency     ${predicted.batchLatencyMs.toPrecision(3)} ms per request`,
        `  memory      ${formatBytes(predicted.memoryMb * 1e6)} in flight`,
        `  bound by    ${answer.bindingConstraint}`,
        `  confidence  ${answer.confidence.toFixed(2)}`,
        `  rests on    ${answer.model.basis}`,
        '',
        answer.explanation,
      ].join('\n');
    });
    return EXIT.done;
  },
};

export default command;
